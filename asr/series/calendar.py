"""Covariates from the timestamp alone, such as the hour, which are known ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asr.errors import ConfigError, DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CYCLES", "calendar_columns", "check_calendar"]

CYCLES = {  # name -> period, in the column's own unit
    "minute": 60.0,
    "hour": 24.0,
    "weekday": 7.0,
    "day": 31.0,
    "yearday": 366.0,
    "month": 12.0,
}


def check_calendar(names: Sequence[str]) -> None:
    """Raise :class:`ConfigError` unless all ``names`` are keys of :data:`CYCLES`."""
    for name in names:
        if name not in CYCLES:
            raise ConfigError(
                f"Calendar column {name!r} is unknown.", f"Choose from: {', '.join(CYCLES)}."
            )


def calendar_columns(ds: pd.Index, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return sine and cosine of each cycle, (n, 2 * len(names)): midnight lies next to 23 o'clock.

    Raises:
        DataError: the steps are numbers, which have no calendar.
    """
    if not names:
        return np.zeros((len(ds), 0), np.float32)
    if not hasattr(ds, "hour"):
        raise DataError(
            f"Calendar columns ({', '.join(names)}) need timestamps in ds, which holds numbers.",
            "Give timestamps, or leave calendar empty.",
        )
    columns = []
    for name in names:
        steps = {"weekday": "dayofweek", "yearday": "dayofyear"}.get(name, name)
        angle = 2 * np.pi * np.asarray(getattr(ds, steps), np.float64) / CYCLES[name]
        columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1).astype(np.float32)

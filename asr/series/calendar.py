"""Covariates from the timestamp alone, such as the hour, or a holiday, which are known ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import ConfigError, DataError, require

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CYCLES", "HOLIDAYS", "calendar_columns", "check_calendar"]

CYCLES = {  # name -> period, in the column's own unit
    "minute": 60.0,
    "hour": 24.0,
    "weekday": 7.0,
    "day": 31.0,
    "yearday": 366.0,
    "month": 12.0,
}
HOLIDAYS = "holidays:"
"""Begins the name of a calendar of holidays: country, and perhaps a part of it, ISO 3166."""


def check_calendar(names: Sequence[str]) -> None:
    """Check the names of a calendar: keys of :data:`CYCLES`, or holidays such as
    ``holidays:DE-BY``.

    Raises:
        ConfigError: a name is unknown, or the holidays of such a place.
        MissingDependencyError: holidays are asked for, and their package is not installed.
    """
    for name in names:
        if name.startswith(HOLIDAYS):
            _holidays_of(name, [2000])
        elif name not in CYCLES:
            raise ConfigError(
                f"Calendar column {name!r} is unknown.",
                f"Choose from: {', '.join(CYCLES)}, or give holidays, such as {HOLIDAYS}DE.",
            )


def calendar_columns(ds: pd.Index, names: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return two columns for each name, (n, 2 * len(names)).

    Of a cycle sine and cosine, so that midnight lies next to 23 o'clock. Of holidays, whether the
    day of a step is one, and whether the next day is.

    Raises:
        DataError: the steps are numbers, which have no calendar; or longer than a day, and holidays
            are asked for.
    """
    if not names:
        return np.zeros((len(ds), 0), np.float32)
    if not hasattr(ds, "hour"):
        raise DataError(
            f"Calendar columns ({', '.join(names)}) need timestamps in ds, which holds numbers.",
            "Give timestamps, or leave calendar empty.",
        )
    columns: list[npt.NDArray[Any]] = []
    for name in names:
        if name.startswith(HOLIDAYS):
            columns += _holiday_columns(ds, name)
            continue
        steps = {"weekday": "dayofweek", "yearday": "dayofyear"}.get(name, name)
        angle = 2 * np.pi * np.asarray(getattr(ds, steps), np.float64) / CYCLES[name]
        columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, axis=1).astype(np.float32)


def _holiday_columns(ds: pd.Index, name: str) -> list[npt.NDArray[Any]]:
    """Return whether each day, and the one after it, is a holiday, (n,) each."""
    pd = require("pandas", "train")
    if len(ds) > 1 and ds[1] - ds[0] > pd.Timedelta(days=1):
        raise DataError(
            f"The calendar {name} needs steps of a day or less; these are {ds[1] - ds[0]} apart.",
            "Leave it out, or count the holidays of each step in a column of future_columns.",
        )
    days = pd.DatetimeIndex(ds).tz_localize(None).normalize()
    years = range(int(days.year.min()), int(days.year.max()) + 2)
    free = pd.DatetimeIndex(sorted(_holidays_of(name, years)))
    return [np.asarray(some.isin(free)) for some in (days, days + pd.Timedelta(days=1))]


def _holidays_of(name: str, years: Sequence[int] | range) -> Any:
    """Return the holidays of a place in some years, by date.

    Raises:
        ConfigError: there is no such place.
        MissingDependencyError: the package is not installed.
    """
    country, _, part = name.removeprefix(HOLIDAYS).partition("-")
    package = require("holidays", "series")
    try:
        return package.country_holidays(country, subdiv=part or None, years=years)
    except NotImplementedError as error:
        raise ConfigError(
            f"The holidays of {name.removeprefix(HOLIDAYS)!r} are not known ({error}).",
            "Give a country, and perhaps a part of it, such as holidays:DE or holidays:US-CA.",
        ) from None

"""What a series is, and does not change: static covariates, such as a shop's size and kind.

Legend: K columns of numbers that they become.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asr.errors import DataError
from asr.series.frames import ID, Series

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MAX_CATEGORIES", "with_static"]

MAX_CATEGORIES = 50
Floats = npt.NDArray[np.float64]


def with_static(
    series: Sequence[Series], frame: pd.DataFrame, columns: Sequence[str]
) -> list[Series]:
    """Return series with their ``static`` numbers (K,), from columns that are constant in each.

    Numbers are brought to mean 0 and deviation 1 over the series. Texts and truth values become one
    column for each of their values, 1 where a series has it.

    Args:
        series: of the frame.
        frame: with ``unique_id`` and the columns.
        columns: their names.

    Raises:
        DataError: a column is missing, lacks values, changes within a series, is the same for all
            series, or has too many different texts.
    """
    if not columns:
        return list(series)
    if ID not in frame.columns:
        raise DataError(
            "Static columns tell series apart; there is only one.", "Leave static_columns out."
        )
    ids = frame[ID].astype(str)
    names = [one.name for one in series]
    blocks = [_encoded(frame, ids, column, names) for column in columns]
    rows = np.concatenate(blocks, axis=1)
    return [replace(one, static=tuple(row)) for one, row in zip(series, rows.tolist(), strict=True)]


def _encoded(frame: pd.DataFrame, ids: pd.Series, column: str, names: Sequence[str]) -> Floats:
    """Return a column as numbers (series, K)."""
    if column not in frame.columns:
        have = ", ".join(map(str, frame.columns))
        raise DataError(f"There is no static column {column!r}.", f"The frame has: {have}.")
    groups = frame[column].groupby(ids, sort=False)
    for name, count in groups.nunique(dropna=False).items():
        if count > 1:
            raise DataError(
                f"Static column {column} changes within series {name}.",
                "Name it among past_columns or future_columns.",
            )
    values = groups.first().reindex(names)
    if values.isna().any():
        missing = values.index[values.isna()][0]
        raise DataError(f"Static column {column} of series {missing} is empty.", "Fill it.")
    if values.nunique() < 2:
        raise DataError(
            f"Static column {column} is the same for all series, {values.iloc[0]!r}.",
            "Leave it out.",
        )
    if values.dtype != bool and np.issubdtype(values.to_numpy().dtype, np.number):
        numbers = values.to_numpy(np.float64)
        return np.asarray((numbers - numbers.mean()) / numbers.std())[:, None]
    kinds = sorted(set(values.astype(str)))
    if len(kinds) > MAX_CATEGORIES:
        raise DataError(
            f"Static column {column} has {len(kinds)} different texts; at most {MAX_CATEGORIES}.",
            "Group them, or leave it out.",
        )
    return np.asarray(values.astype(str).to_numpy()[:, None] == np.array(kinds), np.float64)

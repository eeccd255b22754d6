"""Tables of series from files and JSON: each column has one type, and no value is guessed.

A column whose cells are all numbers holds numbers; empty cells and NA, NaN, null are missing there.
``unique_id`` stays as it is written (007 is not 7), and so does every column that holds a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.errors import DataError, require
from asr.text.tables import read_table as read_cells

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ID", "MISSING", "TARGET", "TIME", "is_number", "read_table", "rows_table"]

ID, TIME, TARGET = "unique_id", "ds", "y"
MISSING = {"", "na", "n/a", "nan", "null", "none", "<na>"}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_FLAGS = {"true": True, "false": False}


def is_number(text: str) -> bool:
    """Return whether a text is a number with a decimal point, if any."""
    return _NUMBER.fullmatch(text) is not None


def read_table(path: str | Path, time: str = "") -> pd.DataFrame:
    """Return a CSV or TSV file as a table, its columns in order.

    Args:
        path: the file.
        time: the column of the steps (empty: ``ds``); it stays as it is written.

    Raises:
        DataError: no such file, or no table in it; see :func:`asr.text.tables.read_table`.
    """
    pd = require("pandas", "train")
    table = read_cells(path, (ID, time or TIME, TARGET), "a CSV file")
    if not table.columns:
        raise DataError(f"{path} is not a readable CSV file: it is empty.", "Give a table.")
    return pd.DataFrame(_columns([row.values for row in table.rows], table.columns, time))


def rows_table(rows: Sequence[Mapping[str, Any]], where: str, time: str = "") -> pd.DataFrame:
    """Return JSON objects as a table, one row each.

    Values have the types that they would have in a CSV file: texts of numbers are numbers, and null
    is a missing value.

    Args:
        rows: one object a row; a key that a row lacks is missing there.
        where: name of the rows in errors.
        time: the key of the steps (empty: ``ds``); texts under it stay as they are.

    Raises:
        DataError: there are no rows, or an id is neither text nor a whole number.
    """
    if not rows:
        raise DataError(f"{where} holds no rows.", "Give at least one.")
    pd = require("pandas", "train")
    names = dict.fromkeys(name for row in rows for name in row)
    for row in rows:
        if isinstance(given := row.get(ID), (bool, float, list, dict)):
            raise DataError(
                f"{where}: the {ID} {given!r} is no text.", "Write it in quotation marks."
            )
    return pd.DataFrame(_columns(rows, names, time))


def _columns(rows: Sequence[Mapping[str, Any]], names: Iterable[str], time: str) -> dict[str, Any]:
    readers = {ID: _ids, time or TIME: _times}
    return {name: readers.get(name, _values)([row.get(name) for row in rows]) for name in names}


def _ids(cells: Sequence[Any]) -> Any:
    return [None if cell in (None, "") else str(cell) for cell in cells]


def _times(cells: Sequence[Any]) -> Any:
    """Return numbers and texts as they are; see :func:`asr.series.times.parse_times`."""
    pd = require("pandas", "train")
    if not any(isinstance(cell, str) for cell in cells):
        return pd.Series(cells).infer_objects()
    return [None if cell is None or str(cell).lower() in MISSING else str(cell) for cell in cells]


def _values(cells: Sequence[Any]) -> Any:
    """Return the cells of a column as numbers, flags or texts."""
    pd = require("pandas", "train")
    texts = {cell for cell in cells if isinstance(cell, str)}
    known = {text for text in texts if text.lower() not in MISSING}
    if known and {text.lower() for text in known} <= set(_FLAGS) and texts == known:
        return [_FLAGS[cell.lower()] if isinstance(cell, str) else cell for cell in cells]
    if all(map(is_number, known)):
        return pd.Series([_number(cell) for cell in cells]).infer_objects()
    return [None if cell == "" else cell for cell in cells]


def _number(cell: Any) -> Any:
    if not isinstance(cell, str):
        return float("nan") if cell is None else cell
    if cell.lower() in MISSING:
        return float("nan")
    return int(cell) if _WHOLE.fullmatch(cell) else float(cell)

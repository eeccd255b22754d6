"""Tables of series from files and JSON: each column has one type, and no value is guessed.

A column whose cells are all numbers holds numbers; empty cells and NA, NaN, null are missing there.
``unique_id`` stays as it is written (007 is not 7), and so does every column that holds a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.errors import DataError, require
from asr.text.tables import read_table as read_cells

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ID", "MISSING", "TARGET", "TIME", "Names", "is_number", "read_table", "rows_table"]

ID, TIME, TARGET = "unique_id", "ds", "y"
MISSING = {"", "na", "n/a", "nan", "null", "none", "<na>"}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?", re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class Names:
    """What a user's tables call the columns that are ``unique_id``, ``ds`` and ``y`` here.

    Attributes:
        id_col: name of the series.
        time_col: step.
        target_col: value.
    """

    id_col: str = ID
    time_col: str = TIME
    target_col: str = TARGET

    def inward(self, frame: pd.DataFrame, where: str = "The frame") -> pd.DataFrame:
        """Return a user's frame with our names.

        Raises:
            DataError: a name that was given is no column, or ours is taken by another one.
        """
        ours = {self.id_col: ID, self.time_col: TIME, self.target_col: TARGET}
        changed = {theirs: name for theirs, name in ours.items() if theirs != name}
        for theirs, name in changed.items():
            given = {theirs, name} & set(frame.columns)
            if not given and name != TARGET:  # rows that lie ahead have no values
                columns = ", ".join(map(str, frame.columns))
                raise DataError(f"{where} has no column {theirs!r}.", f"It has: {columns}.")
            if len(given) == 2:
                raise DataError(
                    f"{where} has a column {theirs} and a column {name}, which would mean the "
                    "same.",
                    f"Drop or rename {name}.",
                )
        return frame.rename(columns=changed) if changed else frame

    def outward(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a frame with the user's names instead of ours."""
        return frame.rename(columns={ID: self.id_col, TIME: self.time_col, TARGET: self.target_col})


OURS = Names()


def is_number(text: str) -> bool:
    """Return whether a text is a number with a decimal point, if any."""
    return _NUMBER.fullmatch(text) is not None


def read_table(path: str | Path, time: str = "", names: Names = OURS) -> pd.DataFrame:
    """Return a CSV or TSV file as a table, its columns in order and with our names.

    Args:
        path: the file.
        time: of a wide table, the column of the steps; it stays as it is written.
        names: what the file calls the columns of ids, steps and values.

    Raises:
        DataError: no such file, or no table in it; see :func:`asr.text.tables.read_table`.
    """
    pd = require("pandas", "train")
    time = time or names.time_col
    table = read_cells(path, (names.id_col, time, names.target_col), "a CSV file")
    if not table.columns:
        raise DataError(f"{path} is not a readable CSV file: it is empty.", "Give a table.")
    cells = [row.values for row in table.rows]
    frame = pd.DataFrame(_columns(cells, table.columns, names.id_col, time))
    return names.inward(frame, str(path))


def rows_table(
    rows: Sequence[Mapping[str, Any]], where: str, time: str = "", names: Names = OURS
) -> pd.DataFrame:
    """Return JSON objects as a table with our names, one row each.

    Values have the types that they would have in a CSV file: texts of numbers are numbers, and null
    is a missing value.

    Args:
        rows: one object a row; a key that a row lacks is missing there.
        where: name of the rows in errors.
        time: of a wide table, the key of the steps; texts under it stay as they are.
        names: what the rows call ids, steps and values.

    Raises:
        DataError: there are no rows, or an id is neither text nor a whole number.
    """
    if not rows:
        raise DataError(f"{where} holds no rows.", "Give at least one.")
    pd = require("pandas", "train")
    keys = dict.fromkeys(key for row in rows for key in row)
    for row in rows:
        if isinstance(given := row.get(names.id_col), (bool, float, list, dict)):
            raise DataError(
                f"{where}: the {names.id_col} {given!r} is no text.", "Write it in quotation marks."
            )
    frame = pd.DataFrame(_columns(rows, keys, names.id_col, time or names.time_col))
    return names.inward(frame, where)


def _columns(
    rows: Sequence[Mapping[str, Any]], columns: Iterable[str], ids: str, time: str
) -> dict[str, Any]:
    readers = {ids: _ids, time: _times}
    return {name: readers.get(name, _values)([row.get(name) for row in rows]) for name in columns}


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

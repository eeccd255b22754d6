"""Frames of series with ``unique_id``, ``ds`` and ``y``: reading, checks, gaps.

One row a series and step. ``ds`` holds timestamps or whole numbers, rising within each series, one
step apart. Further columns are covariates. The names are those of the statsforecast and
neuralforecast packages.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.errors import DataError, require
from asr.series.grid import Grid
from asr.series.tables import ID, OURS, TARGET, TIME, Names, is_number, read_table
from asr.series.times import parse_times

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ID",
    "TARGET",
    "TIME",
    "Names",
    "Series",
    "as_frame",
    "as_pandas",
    "fill_gaps",
    "long_frame",
    "number_columns",
    "read_frame",
    "split_series",
    "with_times",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One checked series of n steps.

    Attributes:
        name: its ``unique_id``.
        ds: (n,) steps.
        values: (n,) of ``y``; empty where that is not needed.
        covariates: (n,) by column.
        grid: the regular steps of ``ds``.
        static: (K,) what does not change, see :mod:`asr.series.statics`.
    """

    name: str
    ds: pd.Index
    values: Floats
    covariates: dict[str, Floats]
    grid: Grid
    static: tuple[float, ...] = ()

    def __len__(self) -> int:
        return len(self.values)


def read_frame(
    path: str | Path,
    time: str = "",
    targets: Sequence[str] = (),
    keep: Sequence[str] = (),
    date_format: str = "",
    names: Names = OURS,
) -> pd.DataFrame:
    """Return a CSV file as a frame with ``unique_id``, ``ds``, ``y`` and the covariates in it.

    Args:
        path: with columns ``ds`` and ``y`` (and ``unique_id``), one row a series and step; or a
            wide table.
        time: of a wide table, the column of the steps.
        targets: its columns that become series, one each.
        keep: its columns that become covariates of every series.
        date_format: of ``ds``, see :func:`asr.series.times.parse_times`.
        names: what the file calls ``unique_id``, ``ds`` and ``y``.

    Raises:
        DataError: no such file, no table in it, or a column is missing.
    """
    table = read_table(path, time, names)
    return as_frame(table, time, targets, keep, where=str(path), date_format=date_format)


def as_frame(
    table: pd.DataFrame,
    time: str = "",
    targets: Sequence[str] = (),
    keep: Sequence[str] = (),
    *,
    where: str,
    date_format: str = "",
) -> pd.DataFrame:
    """Return a table as a frame with one row a series and step; see :func:`read_frame`.

    Args:
        table: as :mod:`asr.series.tables` gives it.
        time: of a wide table, the column of the steps.
        targets: its columns that become series, one each.
        keep: its columns that become covariates of every series.
        where: name of the table in errors.
        date_format: of ``ds``, see :func:`asr.series.times.parse_times`.

    Raises:
        DataError: a column is missing.
    """
    if targets or time:
        table = _stacked(table, time, targets, keep, where)
    _require_columns(table, [TIME, TARGET], where)
    return with_times(table, where, date_format)


def number_columns(frame: pd.DataFrame, columns: Sequence[str] = ()) -> list[str]:
    """Return ``columns``, or the names of all columns of numbers but ``unique_id`` and ``ds``.

    Columns of texts are left out.

    Raises:
        DataError: there is none, or a column holds numbers and something else.
    """
    if not columns:
        _refuse_mixed(frame)
    numbers = [
        str(name) for name in frame.select_dtypes("number").columns if name not in (ID, TIME)
    ]
    channels = list(columns) or numbers
    if not channels:
        raise DataError(
            f"The table has no column of numbers beside {ID} and {TIME}.",
            "Give one column a channel.",
        )
    return channels


def _refuse_mixed(frame: pd.DataFrame) -> None:
    """Raise DataError for a column that would be left out for one cell that is no number."""
    for name in frame.select_dtypes(exclude="number").columns.drop([ID, TIME], errors="ignore"):
        texts = [cell for cell in frame[name] if isinstance(cell, str)]
        likely = [is_number(cell.replace(",", ".", 1)) for cell in texts]
        if any(likely):
            odd = next((cell for cell in texts if not is_number(cell)), texts[0])
            raise DataError(f"Column {name} holds numbers and {odd[:40]!r}.", _remedy(odd))


def _remedy(cell: Any) -> str:
    comma = isinstance(cell, str) and is_number(cell.replace(",", ".", 1))
    return "Write a decimal point instead of the comma." if comma else "Give numbers."


def long_frame(
    table: pd.DataFrame,
    time: str,
    targets: Sequence[str],
    keep: Sequence[str] = (),
    where: str = "the table",
) -> pd.DataFrame:
    """Return a wide table (one column a series) as a frame with one row a series and step.

    The arguments are those of :func:`as_frame`.
    """
    return with_times(_stacked(table, time, targets, keep, where), where)


def _stacked(
    table: pd.DataFrame, time: str, targets: Sequence[str], keep: Sequence[str], where: str
) -> pd.DataFrame:
    pd = require("pandas", "train")
    _require_columns(table, [time, *targets, *keep], where)
    covariates = {column: table[column] for column in keep}
    parts = [
        pd.DataFrame({ID: name, TIME: table[time], TARGET: table[name], **covariates})
        for name in targets
    ]
    return pd.concat(parts, ignore_index=True)


def _require_columns(table: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    for column in columns:
        if column not in table.columns:
            names = [str(name) for name in table.columns]
            near = difflib.get_close_matches(column, names, n=1)
            remedy = f"Did you mean {near[0]}?" if near else f"It has: {', '.join(names)}."
            raise DataError(f"{where} has no column {column!r}.", remedy)


def with_times(frame: pd.DataFrame, where: str, date_format: str = "") -> pd.DataFrame:
    """Return the frame with texts in ``ds`` read as timestamps; whole numbers stay as they are.

    Args:
        frame: with ``ds``.
        where: name of the frame in errors.
        date_format: see :func:`asr.series.times.parse_times`.

    Raises:
        DataError: ``ds`` holds fractions, or what is no time.
    """
    pd = require("pandas", "train")
    _require_columns(frame, [TIME], where)
    ds = frame[TIME]
    if pd.api.types.is_datetime64_any_dtype(ds) or pd.api.types.is_integer_dtype(ds):
        return frame
    if pd.api.types.is_float_dtype(ds) and len(ds):
        raise DataError(
            f"{where}: ds holds fractions such as {ds.iloc[0]}.",
            "Give timestamps or whole numbers.",
        )
    missing = ds.isna()
    if missing.any():
        count = int(missing.sum())
        raise DataError(f"{where}: {count} row(s) have no {TIME}.", "Fill or drop them.")
    if all(isinstance(value, str) for value in ds):
        times = parse_times([value.strip() for value in ds], where, date_format)
        return frame.assign(**{TIME: times})
    try:
        return frame.assign(**{TIME: pd.to_datetime(ds)})
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(
            f"{where}: ds holds no timestamps: {error}.", "Write them like 2024-01-31 13:00."
        ) from None


def split_series(
    frame: Any, covariates: Sequence[str] = (), freq: str | int | None = None, target: bool = True
) -> list[Series]:
    """Return the series in a frame, checked for everything that could silently spoil a forecast.

    Args:
        frame: pandas (or anything with ``to_pandas``) with ``ds``, ``y``, perhaps ``unique_id``.
        covariates: names of columns.
        freq: time step; inferred by default.
        target: whether ``y`` is needed.

    Raises:
        DataError: a column is missing or not of numbers; a value is missing or infinite; timestamps
            are missing, double, unsorted or not one step apart.
    """
    frame = as_pandas(frame)
    needed = [TIME, *([TARGET] if target else []), *covariates]
    _require_columns(frame, needed, "The frame")
    if not len(frame):
        raise DataError("The frame has no rows.", "Give at least one series.")
    if ID not in frame.columns:
        frame = frame.assign(**{ID: "series"})
    frame = with_times(frame, "The frame")
    for column in (ID, TIME):
        if frame[column].isna().any():
            raise DataError(
                f"{int(frame[column].isna().sum())} row(s) have no {column}.", "Fill or drop them."
            )
    groups = frame.groupby(frame[ID].astype(str), sort=False)  # 7 and "7" are one series
    return [_series(str(name), rows, covariates, freq, target) for name, rows in groups]


def as_pandas(frame: Any) -> pd.DataFrame:
    """Return a frame of any package as one of pandas.

    Raises:
        DataError: it is no table.
    """
    pd = require("pandas", "train")
    if isinstance(frame, pd.DataFrame):
        return frame
    if hasattr(frame, "to_pandas"):
        return frame.to_pandas()
    raise DataError(
        f"Series came as {type(frame).__name__}, needed is a table.",
        "Give a pandas.DataFrame with the columns unique_id, ds and y.",
    )


def _series(
    name: str, rows: pd.DataFrame, covariates: Sequence[str], freq: str | int | None, target: bool
) -> Series:
    pd = require("pandas", "train")
    ds = pd.Index(rows[TIME])
    if ds.has_duplicates:
        double = ds[ds.duplicated()]
        raise DataError(
            f"Series {name} has {len(double)} double timestamp(s), the first being {double[0]}.",
            f"Keep one row a step: frame.drop_duplicates(['{ID}', '{TIME}']).",
        )
    if not ds.is_monotonic_increasing:
        at = int(np.flatnonzero(np.asarray(ds[1:] < ds[:-1]))[0]) + 1
        raise DataError(
            f"The timestamps of series {name} are not sorted: {ds[at]} follows {ds[at - 1]}.",
            f"Sort them: frame.sort_values(['{ID}', '{TIME}']).",
        )
    columns = [*([TARGET] if target else []), *covariates]
    values = {column: _numbers(rows[column], name, column, ds) for column in columns}
    grid = Grid(freq) if freq is not None else Grid.infer(ds, name)
    grid.check(ds, name)
    return Series(
        name=name,
        ds=ds,
        values=values.get(TARGET, np.zeros(0)),
        covariates={column: values[column] for column in covariates},
        grid=grid,
    )


def _numbers(column: pd.Series, name: str, label: str, ds: pd.Index) -> Floats:
    texts = [cell for cell in column if isinstance(cell, str)] if column.dtype == object else []
    odd = next((cell for cell in texts if not is_number(cell)), None)
    try:
        if odd is not None:
            raise ValueError(odd)
        values = np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    except (ValueError, TypeError):
        shown = f": {odd[:40]!r}" if odd is not None else ""
        raise DataError(
            f"Column {label} of series {name} holds something else than numbers{shown}.",
            _remedy(odd),
        ) from None
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise DataError(
            f"Series {name} has {len(bad)} missing or infinite value(s) in {label}, the first at "
            f"{ds[bad[0]]}.",
            "Fill them with asr.series.fill_gaps(frame), or cut the series there.",
        )
    return values


def fill_gaps(
    frame: pd.DataFrame, limit: int | None = None, freq: str | int | None = None
) -> pd.DataFrame:
    """Return ``frame`` with missing steps added, and missing numbers interpolated linearly.

    Args:
        frame: with ``ds``, ``y`` and perhaps ``unique_id`` and covariates.
        freq: time step; inferred by default.
        limit: longest gap in steps that may be filled (None: any).

    Raises:
        DataError: a gap is longer than ``limit``, or lies at an end of the series.

    Example:
        >>> gappy = pd.DataFrame({"ds": [0, 1, 3], "y": [0.0, 1.0, 3.0]})  # doctest: +SKIP
        >>> fill_gaps(gappy).y.tolist()  # doctest: +SKIP
        [0.0, 1.0, 2.0, 3.0]
    """
    pd = require("pandas", "train")
    frame = with_times(as_pandas(frame), "The frame")
    parts = []
    groups = frame.groupby(ID, sort=False) if ID in frame.columns else [("series", frame)]
    for name, rows in groups:
        rows = rows.set_index(TIME)
        grid = Grid(freq) if freq is not None else Grid.infer(rows.index, str(name))
        rows = rows.reindex(grid.between(rows.index[0], rows.index[-1]).rename(TIME))
        numbers = rows.select_dtypes("number")
        _refuse_long_gaps(numbers, limit, str(name))
        filled = {
            column: numbers[column].interpolate("linear", limit_area="inside") for column in numbers
        }
        known = {ID: name} if ID in frame.columns else {}
        parts.append(rows.assign(**filled, **known).reset_index())
    return pd.concat(parts, ignore_index=True)[list(frame.columns)]


def _refuse_long_gaps(numbers: pd.DataFrame, limit: int | None, name: str) -> None:
    """Raise DataError where a gap is longer than ``limit`` or lies at an end."""
    for column in numbers:
        missing = np.flatnonzero(numbers[column].isna().to_numpy())
        runs = np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1) if len(missing) else []
        for run in runs:
            at_end = run[0] == 0 or run[-1] == len(numbers) - 1
            if at_end or (limit is not None and len(run) > limit):
                what = "at an end" if at_end else f"longer than {limit} steps"
                raise DataError(
                    f"Series {name} misses {len(run)} value(s) of {column} from "
                    f"{numbers.index[run[0]]} on, {what}.",
                    "Cut the series there, or fill the gap with what you know of it.",
                )

"""Frames: gaps, duplicates, disorder and constants are refused; good frames become series."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from asr.errors import DataError
from asr.series import fill_gaps, long_frame, read_frame, split_series
from asr.series.frames import with_times
from asr.series.tables import rows_table


def frame(n: int = 6, freq: str = "h", **columns: object) -> pd.DataFrame:
    ds = pd.date_range("2024-01-01", periods=n, freq=freq)
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(n, dtype=float), **columns})


def test_series_are_split_in_the_order_of_the_frame() -> None:
    both = pd.concat([frame().assign(unique_id="b"), frame(4)])
    series = split_series(both)
    assert [(one.name, len(one), one.grid.freq) for one in series] == [("b", 6, "h"), ("a", 4, "h")]


def test_a_frame_without_names_is_one_series_and_text_becomes_timestamps() -> None:
    plain = pd.DataFrame({"ds": ["2024-01-31", "2024-02-29", "2024-03-31"], "y": [1, 2, 4]})
    (one,) = split_series(plain)
    assert (one.name, one.grid.freq, one.values.tolist()) == ("series", "ME", [1.0, 2.0, 4.0])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: f.drop(columns="y"), r"no column 'y'"),
        (lambda f: f.rename(columns={"y": "Y"}), r"no column 'y'"),
        (lambda f: f.iloc[:0], "no rows"),
        (
            lambda f: f.assign(y=[1.0, np.nan, 3, 4, 5, 6]),
            "1 missing .* in y, the first at 2024-01-01 01",
        ),
        (lambda f: f.assign(y=[1.0, np.inf, 3, 4, 5, 6]), "1 missing or infinite"),
        (lambda f: f.assign(y=["1", "x", "3", "4", "5", "6"]), "something else than numbers"),
        (lambda f: f.drop(index=[2, 3]), "gaps: 2 step.* the first at 2024-01-01 02"),
        (lambda f: f.iloc[[0, 1, 1, 2]], "1 double timestamp"),
        (lambda f: f.iloc[[0, 2, 1, 3]], "not sorted: 2024-01-01 01.* follows 2024-01-01 02"),
        (lambda f: f.assign(ds=["x"] * 6), "no timestamp"),
        (lambda f: f.assign(ds=np.linspace(0, 1, 6)), "fractions"),
        (lambda f: f.assign(ds=[pd.NaT, *f.ds[1:]]), r"1 row\(s\) have no ds"),
        (lambda f: f.iloc[:1], r"1 row\(s\); its time step"),
        (
            lambda f: f.assign(ds=pd.to_datetime([0, 1.3, 2.9, 7.77, 8, 100], unit="D")),
            "no regular step",
        ),
        (lambda f: f.to_numpy(), "came as ndarray"),
    ],
)
def test_bad_frames_are_refused_and_named(spoil, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match=said) as error:
        split_series(spoil(frame()))
    assert error.value.remedy


def test_gaps_are_filled_in_a_straight_line() -> None:
    holed = frame().drop(index=[2, 3]).assign(y=[0.0, 1.0, np.nan, 5.0])
    filled = fill_gaps(holed)
    assert filled.y.tolist() == [0, 1, 2, 3, 4, 5]
    assert filled.unique_id.tolist() == ["a"] * 6
    with pytest.raises(DataError, match="misses 3 .* longer than 2 steps"):
        fill_gaps(holed, limit=2)
    with pytest.raises(DataError, match="at an end"):
        fill_gaps(frame().assign(y=[np.nan, 1, 2, 3, 4, 5]))


def test_wide_tables(tmp_path: Path) -> None:
    pd.DataFrame(
        {"date": ["2024-01-01", "2024-01-02"], "p": [1, 2], "q": [3, 4], "t": [5, 6]}
    ).to_csv(tmp_path / "w.csv")
    long = read_frame(tmp_path / "w.csv", "date", ["p", "q"], ["t"])
    assert long.unique_id.tolist() == ["p", "p", "q", "q"]
    assert (long.y.tolist(), long.t.tolist()) == ([1, 2, 3, 4], [5, 6, 5, 6])
    with pytest.raises(DataError, match="Did you mean date"):
        long_frame(pd.DataFrame({"date": [1], "p": [2]}), "dat", ["p"])
    with pytest.raises(DataError, match="no file"):
        read_frame(tmp_path / "none.csv")


@pytest.mark.parametrize(
    "rows",
    [
        [{"unique_id": "a", "ds": 1, "y": 1.5}, {"unique_id": "a", "ds": 2, "y": 2}],
        [{"ds": "2024-01-31", "y": 1.0}, {"ds": "2024-02-29", "y": None}],
        [{"ds": "3", "y": "1.5", "event": "none"}, {"ds": "4", "y": "", "event": "fair"}],
        [{"ds": 0, "y": 1.0, "x": None}, {"ds": 1, "y": 2.0, "x": None}],
        [{"ds": 0, "y": 1.0}, {"ds": 1, "y": 2.0, "x": 3}],
    ],
)
def test_json_rows_have_the_types_of_a_csv_file(rows: list[dict[str, object]]) -> None:
    table = with_times(rows_table(rows, "'series'"), "'series'")
    text = io.StringIO(pd.DataFrame(rows).to_csv(index=False))
    expected = with_times(pd.read_csv(text, keep_default_na=False, na_values=[""]), "csv")
    pd.testing.assert_frame_equal(table, expected)
    with pytest.raises(DataError, match="'series' holds no rows"):
        rows_table([], "'series'")

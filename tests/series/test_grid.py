"""The time step: inferred, continued, and its gaps found."""

from __future__ import annotations

import pandas as pd
import pytest

from asr.errors import DataError
from asr.series import split_series
from asr.series.grid import Grid


def test_numbered_series_have_gaps_too() -> None:
    numbered = pd.DataFrame({"ds": [0, 2, 4, 8], "y": [1.0, 2, 3, 4]})
    with pytest.raises(DataError, match="1 step.* of 2 are missing, the first at 6"):
        split_series(numbered)


@pytest.mark.parametrize("freq", ["h", "D", "MS", "ME", "QS", "W-SUN", "15min", "B", "YS"])
def test_the_time_step_is_found_and_continued(freq: str) -> None:
    ds = pd.date_range("2020-02-03", periods=20, freq=freq)
    grid = Grid.infer(ds[:15], "a")
    assert list(grid.ahead(ds[14], 5)) == list(ds[15:])
    grid.check(ds, "a")


def test_holidays_are_gaps_of_business_days() -> None:
    ds = pd.date_range("2024-01-01", periods=30, freq="B").delete(7)
    grid = Grid.infer(ds, "a")
    assert grid.freq == "B"
    with pytest.raises(DataError, match="gaps: 1 step"):
        grid.check(ds, "a")

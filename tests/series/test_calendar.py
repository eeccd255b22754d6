"""Calendar columns: points on a circle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from asr.errors import ConfigError, DataError
from asr.series.calendar import calendar_columns, check_calendar


def test_calendar_is_a_circle() -> None:
    ds = pd.date_range("2024-01-01", periods=24, freq="h")
    columns = calendar_columns(ds, ["hour", "weekday"])
    assert columns.shape == (24, 4)
    assert np.hypot(columns[:, 0], columns[:, 1]) == pytest.approx(1)
    steps = np.linalg.norm(np.diff(np.concatenate([columns, columns[:1]])[:, :2], axis=0), axis=1)
    assert steps == pytest.approx(steps[0], rel=1e-4)  # 23 o'clock is as near to midnight as 1 is
    with pytest.raises(ConfigError, match="unknown"):
        check_calendar(["hours"])
    with pytest.raises(DataError, match="need timestamps"):
        calendar_columns(pd.RangeIndex(3), ["hour"])


def test_holidays_and_their_eves() -> None:
    ds = pd.date_range("2024-12-23", "2025-01-02")
    today, tomorrow = calendar_columns(ds, ["holidays:DE"]).T
    assert ds[today == 1].strftime("%m-%d").tolist() == ["12-25", "12-26", "01-01"]
    assert ds[tomorrow == 1].strftime("%m-%d").tolist() == ["12-24", "12-25", "12-31"]
    hours = pd.date_range("2025-01-05 22:00", periods=4, freq="h", tz="Europe/Berlin")
    assert calendar_columns(hours, ["holidays:DE-BY"])[:, 0].tolist() == [0, 0, 1, 1]  # Epiphany
    assert calendar_columns(hours, ["hour", "holidays:DE"]).shape == (4, 4)


def test_holidays_that_cannot_be() -> None:
    for wrong in ("holidays:XX", "holidays:DE-ZZ", "holidays:"):
        with pytest.raises(ConfigError, match="are not known"):
            check_calendar([wrong])
    with pytest.raises(DataError, match="a day or less"):
        calendar_columns(pd.date_range("2024-01-01", periods=3, freq="MS"), ["holidays:DE"])

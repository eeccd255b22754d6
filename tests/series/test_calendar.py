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

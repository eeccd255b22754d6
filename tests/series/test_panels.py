"""Panels: constant series and covariates are refused; the calendar is known ahead."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from asr.errors import DataError
from asr.series import split_series
from asr.series.panels import Layout, fit_layout
from asr.series.scaling import Scaler


def frame(n: int = 6, **columns: object) -> pd.DataFrame:
    ds = pd.date_range("2024-01-01", periods=n, freq="h")
    return pd.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(n, dtype=float), **columns})


def layout(
    table: pd.DataFrame, past: tuple[str, ...] = (), calendar: tuple[str, ...] = ()
) -> Layout:
    return fit_layout(
        split_series(table, past),
        scaling="zscore",
        log=False,
        joint=False,
        past=past,
        calendar=calendar,
    )


def test_a_constant_series_or_covariate_is_refused() -> None:
    with pytest.raises(DataError, match="Series a is constant"):
        layout(frame().assign(y=3.0))
    with pytest.raises(DataError, match="Column x is constant"):
        layout(frame(x=1.0), ("x",))


def test_the_calendar_reaches_ahead() -> None:
    table = frame()
    (panel,) = layout(table, calendar=("hour",)).panels(split_series(table), h=3)
    angle = 2 * np.pi * np.arange(9) / 24
    expected = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    assert panel.future == pytest.approx(expected, abs=1e-6)
    assert len(panel) == 6


def test_a_layout_survives_its_plain_form() -> None:
    fitted = layout(frame(x=np.arange(6.0) ** 2), ("x",), ("hour",))
    again = Layout.from_dict(fitted.as_dict())
    assert again == fitted
    assert isinstance(again.scalers["a"], Scaler)

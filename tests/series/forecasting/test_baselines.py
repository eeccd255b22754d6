"""Baselines: repeated values, and ridge regression in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from asr.errors import ConfigError
from asr.series import (
    fit_baseline,
)
from asr.series.forecasting.baselines import RIDGE

RNG = np.random.default_rng(0)


def test_baselines_that_repeat() -> None:
    history = np.array([1.0, 2, 3, 4, 5])
    assert fit_baseline("repeat_last", [], 3, 1, 1)(history).tolist() == [5, 5, 5]
    assert fit_baseline("seasonal_naive", [], 5, 2, 1)(history).tolist() == [4, 5, 4, 5, 4]
    with pytest.raises(ConfigError, match="unknown"):
        fit_baseline("naive", [], 1, 1, 1)


def test_the_linear_baseline_is_ridge_regression_relative_to_the_last_value() -> None:
    x = np.cumsum(RNG.normal(size=200))
    rows = np.lib.stride_tricks.sliding_window_view(x, 12)
    inputs, outputs = rows[:, :8] - rows[:, 7:8], rows[:, 8:] - rows[:, 7:8]
    penalty = RIDGE * float((inputs**2).sum()) / 8
    augmented = np.c_[inputs, np.full(len(inputs), 1e4)]  # an intercept without penalty, as good as
    oracle = Ridge(penalty, fit_intercept=False).fit(augmented, outputs)
    expected = oracle.predict(np.append(x[-8:] - x[-1], 1e4)[None])[0] + x[-1]
    assert fit_baseline("linear", [x], 4, 1, 8)(x) == pytest.approx(expected, rel=1e-5)


def test_the_linear_baseline_continues_a_sine_exactly() -> None:
    steps = np.arange(300)
    x = np.sin(2 * np.pi * steps / 20)
    forecast = fit_baseline("linear", [x[:280]], 20, 20, 40)(x[:280])
    assert forecast == pytest.approx(x[280:], abs=0.05)


def test_the_linear_baseline_without_windows_repeats_the_last_value() -> None:
    assert fit_baseline("linear", [np.arange(3.0)], 2, 1, 8)(np.arange(3.0)).tolist() == [2, 2]

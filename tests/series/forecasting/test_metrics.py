"""Metrics, autocorrelation and baselines against definitions written out by hand and other
packages.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from asr.errors import ConfigError, DataError
from asr.series import (
    autocorrelation,
    coverage,
    direction_accuracy,
    find_season,
    fit_baseline,
    measure,
    naive_error,
    propose_lookback,
)
from asr.series.forecasting.baselines import RIDGE

RNG = np.random.default_rng(0)


def test_measures_are_those_of_scikit_learn() -> None:
    truth, forecast = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))
    found = measure(truth, forecast, 2.0)
    assert found.mae == pytest.approx(mean_absolute_error(truth, forecast))
    assert found.mse == pytest.approx(mean_squared_error(truth, forecast))
    assert found.r2 == pytest.approx(r2_score(truth.ravel(), forecast.ravel()))
    assert found.mase == pytest.approx(found.mae / 2)


def test_naive_error_and_coverage() -> None:
    assert naive_error(np.array([1.0, 2, 4, 8])) == pytest.approx((1 + 2 + 4) / 3)
    assert naive_error(np.array([1.0, 2, 4, 8]), 2) == pytest.approx((3 + 6) / 2)
    assert coverage(
        np.array([1.0, 2, 3]), np.array([0.0, 3, 3]), np.array([2.0, 4, 3])
    ) == pytest.approx(2 / 3)


def test_direction_accuracy_with_its_interval() -> None:
    change = np.array([1.0, 1, -1, 0, -1, 1])
    found = direction_accuracy(change, np.array([2.0, -1, -3, 5, 1, 1]))
    assert (found.value, found.count, found.always_up) == (0.6, 5, 0.6)
    # Wilson's interval of 3 in 5, as in Agresti & Coull 1998
    assert (found.low, found.high) == (
        pytest.approx(0.2307, abs=1e-4),
        pytest.approx(0.8824, abs=1e-4),
    )
    with pytest.raises(DataError, match="never moves"):
        direction_accuracy(np.zeros(3), np.ones(3))


def test_autocorrelation_is_its_definition() -> None:
    x = RNG.normal(size=50)
    centred = x - x.mean()
    expected = [
        float((centred[: 50 - k] * centred[k:]).sum() / (centred**2).sum()) for k in range(6)
    ]
    assert autocorrelation(x, 5) == pytest.approx(expected)


@pytest.mark.parametrize("season", [7, 12, 24])
def test_the_season_is_found_under_trend_and_noise(season: int) -> None:
    steps = np.arange(12 * season)
    x = 0.1 * steps + np.sin(2 * np.pi * steps / season) + 0.2 * RNG.normal(size=len(steps))
    assert find_season(x) == season
    assert propose_lookback(x, h=3) == 2 * season


def test_lookback_leaves_something_to_learn_from() -> None:
    noise = RNG.normal(size=60)
    assert find_season(noise) == 1
    assert 2 <= propose_lookback(noise, h=10) <= 16
    assert find_season(np.arange(5.0)) == 1


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

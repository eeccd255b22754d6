"""Metrics, autocorrelation and baselines against definitions written out by hand and other
packages.
"""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from asr.errors import DataError
from asr.series import (
    coverage,
    direction_accuracy,
    measure,
    naive_error,
)

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

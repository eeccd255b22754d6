"""Season and lookback from the autocorrelation."""

from __future__ import annotations

import numpy as np
import pytest

from asr.series import (
    autocorrelation,
    find_season,
    propose_lookback,
)

RNG = np.random.default_rng(0)


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

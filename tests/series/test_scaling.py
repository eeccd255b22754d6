"""Scales: applied and inverted; no logarithm of zero."""

from __future__ import annotations

import numpy as np
import pytest

from asr.errors import DataError
from asr.series.scaling import Scaler, grows_with_level


@pytest.mark.parametrize("kind", ["zscore", "minmax", "none"])
@pytest.mark.parametrize("log", [False, True])
def test_scales_are_undone(kind: str, log: bool) -> None:
    values = np.array([1.0, 2, 5, 9])
    scaler = Scaler.fit(values, kind, "a", log)
    scaled = scaler.apply(values, "a")
    assert scaler.invert(scaled) == pytest.approx(values, rel=1e-5)
    if kind == "minmax":
        assert (scaled.min(), scaled.max()) == (0, 1)
    if kind == "zscore":
        assert (scaled.mean(), scaled.std()) == (pytest.approx(0, abs=1e-6), pytest.approx(1))


def test_no_logarithm_of_zero() -> None:
    with pytest.raises(DataError, match="no logarithm"):
        Scaler.fit(np.array([0.0, 1.0]), "zscore", "a", log=True)


def test_logarithms_are_proposed_where_swings_grow_with_the_level() -> None:
    rng, steps = np.random.default_rng(0), np.arange(144)
    season = np.sin(2 * np.pi * steps / 12)
    growing = np.exp(0.01 * steps + 0.2 * season + 0.02 * rng.normal(size=144))
    steady = 100 + 2 * steps + 20 * season + rng.normal(size=144)
    assert grows_with_level(growing, 12)
    assert not grows_with_level(steady, 12)
    assert not grows_with_level(growing - 3, 12)  # not positive
    assert not grows_with_level(growing[:30], 12)

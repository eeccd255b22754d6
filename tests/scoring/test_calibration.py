"""Calibration of confidences; the oracle is the definition, word by word."""

from __future__ import annotations

import numpy as np
import pytest

from asr.scoring.calibration import calibrate


def test_the_error_is_the_mean_difference_by_tenth() -> None:
    rng = np.random.default_rng(3)
    confidences = rng.uniform(size=400)
    right = rng.uniform(size=400) < confidences**2
    expected = 0.0
    for tenth in range(10):
        inside = [n for n, c in enumerate(confidences) if tenth / 10 <= c < (tenth + 1) / 10]
        sure = sum(confidences[n] for n in inside) / len(inside)
        share = sum(bool(right[n]) for n in inside) / len(inside)
        expected += abs(sure - share) * len(inside) / 400
    found = calibrate(confidences, right)
    assert found.error == pytest.approx(expected)
    assert sum(b.words for b in found.bins) == found.words == 400
    assert found.right == pytest.approx(right.mean())


def test_extremes() -> None:
    assert calibrate([1.0, 1.0, 0.0], [True, True, False]).error == 0.0
    assert calibrate([1.0], [False]).error == 1.0
    none = calibrate([], [])
    assert (none.words, none.error) == (0, 0.0)

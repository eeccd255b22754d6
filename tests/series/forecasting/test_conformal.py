"""Conformal margins hold what they promise, on errors that are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from asr.series.forecasting.conformal import (
    Calibration,
    KnownWindows,
    interval_scores,
    margins,
    margins_over,
)

LEVELS = (0.8, 0.95)


def test_the_score_is_what_the_interval_lacks() -> None:
    # truth 5 beside the quantiles 1, 2, 3, 4, 6: inside the outer interval by 1, outside the inner
    errors = 5.0 - np.array([[[1.0, 2.0, 3.0, 4.0, 6.0]]])
    assert interval_scores(errors, 2)[0, :, 0].tolist() == [1.0, -1.0]
    assert interval_scores(np.array([[[-2.0]]]), 2)[0, :, 0].tolist() == [2.0, 2.0]  # no quantiles


def test_the_margin_is_the_usual_order_statistic() -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, 100))[:, None, None]
    for level in (0.5, 0.8, 0.95):
        assert margins(scores, [level])[0, 0] == np.ceil(100 * level)
    few = np.arange(1.0, 11)[:, None, None]  # ten cannot tell 95 %: the largest
    assert margins(few, [0.95])[0, 0] == 10


def test_few_windows_borrow_from_the_neighbouring_steps() -> None:
    scores = np.random.default_rng(0).exponential(size=(10, 1, 12))
    found = margins(scores, [0.95])[0]
    assert (found > np.quantile(scores, 0.9)).all()  # alone, some of 12 maxima of 10 are below
    many = np.tile(scores, (8, 1, 1))
    alone = [margins(many[:, :, [step]], [0.95])[0, 0] for step in range(12)]
    assert margins(many, [0.95])[0].tolist() == alone


def test_neighbouring_steps_make_no_more_windows() -> None:
    # 30 windows whose steps are alike: the margin is that of 30 scores, not of 60 or 90
    windows = np.random.default_rng(0).permutation(np.arange(1.0, 31))
    alike = np.tile(windows[:, None, None], (1, 1, 3))
    assert margins(alike, [0.95])[0].tolist() == 3 * [np.ceil(31 * 0.95)]


@pytest.mark.parametrize("kind", ["normal", "skewed", "heavy"])
def test_split_margins_cover_new_errors_as_often_as_they_say(kind: str) -> None:
    rng = np.random.default_rng(1)
    draw = {
        "normal": lambda size: rng.normal(size=size),
        "skewed": lambda size: rng.exponential(size=size) - 1,
        "heavy": lambda size: rng.standard_t(3, size=size),
    }[kind]
    found = []
    for _ in range(300):  # the guarantee is a mean over calibrations
        needed = margins(interval_scores(draw((99, 1, 1)), 2), LEVELS)
        inside = interval_scores(draw((200, 1, 1)), 2) <= needed
        found.append(inside.mean(axis=(0, 2)))
    assert np.mean(found, axis=0) == pytest.approx(LEVELS, abs=0.01)


@pytest.mark.parametrize(("method", "tolerance"), [("rolling", 0.06), ("adaptive", 0.02)])
def test_when_errors_grow_the_later_ones_count(method: str, tolerance: float) -> None:
    rng, h, steps = np.random.default_rng(2), 3, 600
    calibration = Calibration(rng.normal(size=(60, h, 1)))
    growing = rng.normal(size=(steps, h, 1)) * np.linspace(1, 5, steps)[:, None, None]
    origins = np.arange(-steps, 0)
    found = margins_over(calibration, KnownWindows(growing, origins), origins, LEVELS, method)
    needed = np.stack([found[at] for at in origins])
    inside = (interval_scores(growing, 2) <= needed).mean(axis=(0, 2))
    assert inside == pytest.approx(LEVELS, abs=tolerance)
    once = margins_over(calibration, KnownWindows(), origins, LEVELS, "split")
    assert (interval_scores(growing, 2) <= once[-1]).mean() < 0.6


def test_nothing_that_comes_later_decides() -> None:
    rng, origins = np.random.default_rng(3), np.arange(-40, 1)
    calibration, errors = Calibration(rng.normal(size=(50, 4, 3))), rng.normal(size=(41, 4, 3))
    errors.sort(axis=-1)
    changed = errors.copy()
    changed[-10:] += 100.0  # their truth is known from the step -31 + 10 + 4 on
    for method in ("rolling", "adaptive"):
        both = [
            margins_over(calibration, KnownWindows(e, origins), origins, LEVELS, method)
            for e in (errors, changed)
        ]
        same = [np.array_equal(both[0][at], both[1][at]) for at in origins]
        assert all(same[:34])
        assert not any(same[-3:])


def test_a_long_horizon_does_not_make_the_level_swing() -> None:
    """What is asked for shows h windows later; errors of one kind need the same margins always."""
    rng, h, count = np.random.default_rng(0), 48, 600
    calibration = Calibration(rng.normal(size=(200, h, 1)))
    errors = rng.normal(size=(count, h, 1)) * (1 + 0.3 * (np.arange(count) > 100))[:, None, None]
    known = KnownWindows(errors, np.arange(-count - h, -h))
    origins = range(-300, -h)
    found = margins_over(calibration, known, origins, [0.8], "adaptive")
    inside = [np.mean(np.abs(errors[at + count + h]) <= found[at][0][:, None]) for at in origins]
    assert 0.75 < np.mean(inside) < 0.85
    assert np.std(inside) < 0.12

"""Equal error rate and detection cost against a search over all thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import DataError
from asr.scoring.verification import error_rates, fit_log_odds, pair_scores, score_pairs

PAIRS = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=40).filter(
    lambda pairs: len({same for _, same in pairs}) == 2
)


@given(PAIRS)
def test_error_rates_are_those_of_counting(pairs: list[tuple[int, bool]]) -> None:
    scores, same = (np.array(column) for column in zip(*pairs, strict=True))
    thresholds, misses, false_alarms = error_rates(scores, same)
    for threshold, miss, alarm in zip(thresholds, misses, false_alarms, strict=True):
        accepted = scores >= threshold
        assert miss == pytest.approx((~accepted[same]).mean())
        assert alarm == pytest.approx(accepted[~same].mean())


@given(PAIRS)
def test_the_equal_error_rate_lies_between_the_rates_beside_it(
    pairs: list[tuple[int, bool]],
) -> None:
    scores, same = (np.array(column) for column in zip(*pairs, strict=True))
    score = score_pairs(scores, same)
    _, misses, false_alarms = error_rates(scores, same)
    assert np.maximum(misses, false_alarms).min() >= score.eer - 1e-9
    assert score.eer >= np.minimum(misses, false_alarms)[np.argmin(np.abs(misses - false_alarms))]
    costs = 0.01 * misses + 0.99 * false_alarms
    assert score.min_dcf == pytest.approx(costs.min() / 0.01)
    assert 0 <= score.min_dcf <= 1 + 1e-9


def test_scores_that_tell_all_apart_have_no_errors() -> None:
    score = score_pairs([0.9, 0.8, 0.1, 0.2], [True, True, False, False])
    assert score.eer == 0
    assert score.min_dcf == 0
    assert 0.2 < score.threshold <= 0.8


def test_scores_that_say_nothing_are_wrong_half_the_time() -> None:
    assert score_pairs([1, 1, 1, 1], [True, True, False, False]).eer == pytest.approx(0.5)


def test_three_quarters_right() -> None:
    # of four each, one is on the wrong side
    same, different = [4, 5, 6, 1.5], [0, 1, 2, 4.5]
    score = score_pairs(same + different, [True] * 4 + [False] * 4)
    assert score.eer == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("scores", "same"), [([1, 2], [True, True]), ([1, 2], [False, False]), ([np.nan, 1], [1, 0])]
)
def test_pairs_that_cannot_be_scored(scores: list[float], same: list[bool]) -> None:
    with pytest.raises(DataError):
        score_pairs(scores, same)


def test_every_pair_is_compared_once() -> None:
    cosines, same = pair_scores([[2, 0], [0, 3], [1, 1]], ["a", "b", "a"])
    assert cosines == pytest.approx([0, np.sqrt(0.5), np.sqrt(0.5)])
    assert same.tolist() == [False, True, False]


def test_log_odds_of_two_normal_distributions() -> None:
    # of means 1 and 0 and deviation 0.5 the log-odds are (x - 0.5) / 0.25
    rng = np.random.default_rng(0)
    scores = np.r_[rng.normal(1, 0.5, 20_000), rng.normal(0, 0.5, 200_000)]
    scale, shift = fit_log_odds(scores, np.arange(len(scores)) < 20_000)
    assert scale == pytest.approx(4, abs=0.1)
    assert shift == pytest.approx(-2, abs=0.1)

"""Phrases in log-probabilities. Oracle: every way to place a phrase, one by one."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from asr.decoding.spotting import FLOOR, Spot, Spotter, threshold_for
from asr.errors import DecodingError


def best_score(log_probs: np.ndarray, tokens: list[int]) -> float:
    """Return the score of the best path of a phrase anywhere, by trying all of them."""
    ratios = log_probs - log_probs.max(1, keepdims=True)
    best = -math.inf
    for start, stop in itertools.combinations(range(len(log_probs) + 1), 2):
        length = stop - start
        for labels in itertools.product([0, *set(tokens)], repeat=length):
            spoken = [k for k, _ in itertools.groupby(labels)]
            if labels[0] == 0 or labels[-1] == 0 or [k for k in spoken if k] != tokens:
                continue
            best = max(best, sum(ratios[start + n, k] for n, k in enumerate(labels)))
    return math.exp(best / len(tokens))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("tokens", [[1], [1, 2], [2, 2]])
def test_the_best_path_is_found(seed: int, tokens: list[int]) -> None:
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.ones(4), 6)).astype(np.float32)
    spotter = Spotter({"it": [tokens]}, 0.0)
    spots = spotter.push(log_probs) + spotter.finish()
    expected = best_score(log_probs, tokens)
    found = max((spot.score for spot in spots), default=0.0)
    assert found == pytest.approx(expected if expected >= FLOOR else 0.0, abs=1e-5)


def spoken(*tokens: int) -> np.ndarray:
    """Return log-probabilities in which tokens are clearly heard, one a frame."""
    probs = np.full((len(tokens), 5), 0.02)
    probs[np.arange(len(tokens)), tokens] = 0.92
    return np.log(probs).astype(np.float32)


def test_phrases_are_found_where_they_are_in_pieces_too() -> None:
    heard = spoken(0, 1, 0, 2, 0, 0, 3, 0, 1, 2, 0, 0, 0, 4, 0)
    phrases = {"one two": [[1, 2]], "four": [[4], [3, 4]], "two one": [[2, 1]]}
    whole = Spotter(phrases, 0.5)
    spots = whole.push(heard) + whole.finish()
    places = sorted((s.phrase, s.start_frame, s.end_frame) for s in spots)
    assert places == [("four", 13, 14), ("one two", 1, 4), ("one two", 8, 10)]
    assert all(spot.score == pytest.approx(1.0) for spot in spots)
    pieces = Spotter(phrases, 0.5)
    one_by_one = [s for frame in heard for s in pieces.push(frame[None])] + pieces.finish()
    assert sorted(one_by_one, key=str) == sorted(spots, key=str)


def test_a_spot_comes_as_soon_as_it_is_settled() -> None:
    spotter = Spotter({"it": [[1, 2]]}, 0.5)
    assert spotter.push(spoken(1, 2)) == []
    assert [s.phrase for s in spotter.push(spoken(0, 0, 0))] == ["it"]
    assert spotter.finish() == []


def test_a_phrase_behind_which_its_word_goes_on_is_less_probable() -> None:
    starts = np.array([False, True, False, False, True])  # 1 and 4 begin words
    phrases = {"one two": [[1, 2]]}

    def score(*tokens: int, **given: object) -> float:
        spotter = Spotter(phrases, 0.0, **given)  # type: ignore[arg-type]
        spots = spotter.push(spoken(*tokens)) + spotter.finish()
        return max(spot.score for spot in spots)

    ends = [(1, 2, 2, 0, 4), (1, 2), (1, 2, 2, 0), (0, 1, 2, 1, 2)]
    assert [score(*tokens, starts_word=starts) for tokens in ends] == [1.0] * 4
    margin = math.log(0.92 / 0.02)
    for tokens in ((1, 2, 3), (1, 2, 2, 3, 4), (1, 0, 2, 0, 3, 0)):
        expected = math.exp(-min(0.2 * margin, 1.0))
        assert score(*tokens, starts_word=starts) == pytest.approx(expected, abs=1e-5)
        assert score(*tokens) == 1.0
    strict = Spotter(phrases, 0.9, starts)
    (spot,) = strict.push(spoken(1, 2, 3, 0, 0, 0, 1, 2, 0, 0)) + strict.finish()
    assert spot == Spot("one two", 6, 8, spot.score)
    assert spot.score == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(6))
def test_pieces_make_no_difference_to_the_ends_of_words(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probs = np.log(rng.dirichlet(np.full(6, 0.3), 120)).astype(np.float32)
    starts = np.array([False, True, True, False, False, False])
    phrases = {"a": [[1, 3], [2, 3]], "b": [[2, 4, 5]], "c": [[1]]}
    whole = Spotter(phrases, 0.1, starts)
    spots = whole.push(log_probs) + whole.finish()
    pieces = Spotter(phrases, 0.1, starts)
    one_by_one = [s for frame in log_probs for s in pieces.push(frame[None])] + pieces.finish()
    assert sorted(one_by_one, key=str) == sorted(spots, key=str)
    assert len(spots) > 5
    plain = Spotter(phrases, 0.1)
    assert len(plain.push(log_probs) + plain.finish()) > len(spots)


def test_a_threshold_lets_so_many_false_alarms_through() -> None:
    scores = [0.1, 0.9, 0.4, 0.7, 0.2]
    for allowed in range(6):
        threshold = threshold_for(scores, hours=2.0, per_hour=allowed / 2)
        assert sum(score >= threshold for score in scores) == allowed
    assert threshold_for([], 1.0, 1.0) == FLOOR
    with pytest.raises(DecodingError, match="no speech"):
        threshold_for([], 0.0, 1.0)


def test_what_cannot_be_searched() -> None:
    with pytest.raises(DecodingError, match="no phrase"):
        Spotter({})
    with pytest.raises(DecodingError, match="no phrase"):
        Spotter({"it": [[]]})
    with pytest.raises(DecodingError, match="threshold is 2"):
        Spotter({"it": [[1]]}, 2.0)

"""Anchors and bands: against a brute-force search, and texts of which parts are missing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.speech.viterbi.band import anchors, band_around, rising_row
from asr.speech.viterbi.graph import text_graph
from asr.speech.viterbi.search import LogProbs, best_path

V = 41


@given(st.lists(st.integers(0, 6), max_size=8))
def test_the_longest_rising_row(values: list[int]) -> None:
    row = rising_row(np.array(values, np.int64))
    rising = [values[i] for i in row]
    assert rising == sorted(set(rising))
    assert list(row) == sorted(row)
    rows = (r for n in range(len(values) + 1) for r in itertools.combinations(values, n))
    assert len(row) == max(len(r) for r in rows if list(r) == sorted(set(r)))


def heard(tokens: np.ndarray, errors: float, seed: int) -> np.ndarray:
    """Tokens with substitutions."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(tokens)) < errors
    return np.where(wrong, rng.integers(1, V, len(tokens)), tokens)


@pytest.mark.parametrize("repeats", [1, 5])
def test_anchors_are_on_the_diagonal(repeats: int) -> None:
    tokens = np.tile(np.random.default_rng(0).integers(1, V, 3000), repeats)
    left_out = np.delete(tokens, slice(700, 1100))
    pairs = anchors(left_out, heard(tokens, 0.1, 1), V)
    expected = pairs[:, 0] + np.where(pairs[:, 0] >= 700, 400, 0)
    assert len(pairs) > 500 * repeats
    assert (pairs[:, 1] == expected).mean() > 0.99


def test_nothing_in_common_has_no_anchors() -> None:
    rng = np.random.default_rng(0)
    assert len(anchors(rng.integers(1, V, 5000), rng.integers(1, V, 5000), V)) == 0
    assert len(anchors(rng.integers(1, V, 3), rng.integers(1, V, 5000), V)) == 0


def test_the_band_holds_the_best_path() -> None:
    rng = np.random.default_rng(2)
    words = [[rng.integers(1, V, 4).tolist()] for _ in range(400)]
    said = [i for i in range(400) if not 100 <= i < 250]  # and 60 words that are not in the text
    tokens = [t for i in said[:200] for t in words[i][0]] + rng.integers(1, V, 240).tolist()
    tokens += [t for i in said[200:] for t in words[i][0]]
    frames = np.repeat(heard(np.array(tokens), 0.1, 3), 2)
    frames[1::2] = 0
    probs = np.full((len(frames), V), 0.002, np.float32)
    probs[np.arange(len(frames)), frames] = 0.92
    emissions = LogProbs([np.log(probs)], star_cost=1.0)
    graph = text_graph(words, V, np.full(400, 8, np.float32), 6.0)
    whole = best_path(emissions, graph)
    band, anchored = band_around(graph, emissions.best(), V)
    assert anchored > 100
    np.testing.assert_array_equal(best_path(emissions, graph, band), whole)
    assert whole is not None
    assert set(graph.word_of[whole][~graph.is_star[whole]]).isdisjoint(range(110, 240))

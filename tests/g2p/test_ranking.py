"""Reranking of pronunciations. Oracles: finite differences, and a spelling rule."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from random import Random

import numpy as np
import pytest

from asr.errors import LanguageModelError
from asr.g2p import features
from asr.g2p.evaluation import hold_out, score_g2p
from asr.g2p.hashing import BITS
from asr.g2p.model import G2P, estimate_g2p, estimate_ranking, ranking_path, train_g2p
from asr.g2p.neighbours import known_words
from asr.g2p.ranking import Ranking
from asr.text.pronunciations import Phones


def far_rule() -> dict[str, list[Phones]]:
    """Words whose first vowel depends on their last letter, four letters later."""
    said = {}
    for letters in itertools.product("fgklmnprstvz", "a", "bd", "pt", "bd", "eo"):
        word = "".join(letters)
        vowel = "EY" if word.endswith("e") else "AE"
        said[word] = [(word[0].upper(), vowel, *word[2:5].upper(), "AH")]
    return said


def loss(scores: np.ndarray, right: np.ndarray) -> float:
    """-log of the share of right pronunciations."""
    shares = np.exp(scores)
    return -math.log(shares[right > 0].sum() / shares.sum())


def test_gradients_are_finite_differences() -> None:
    rng = np.random.default_rng(0)
    scores, right = rng.normal(size=5), np.array([0, 1, 0, 1, 0], np.uint8)
    scores[4] = -np.inf  # there is none
    gradients = np.empty(5)
    assert features._gradients(scores, right, gradients) == pytest.approx(loss(scores, right))
    for n in range(4):
        step = np.eye(5)[n] * 1e-5
        difference = loss(scores + step, right) - loss(scores - step, right)
        assert gradients[n] == pytest.approx(difference / 2e-5, abs=1e-6)
    assert gradients[4] == 0


def test_letters_far_behind_decide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asr.g2p.ranking.RARE", 3)
    known, test = hold_out(far_rule(), 0.2)
    model = estimate_g2p(known, 2)
    ranking = estimate_ranking(known, 2)
    assert score_g2p(G2P(model), test).word_error_rate > 0.3
    ranked = G2P(model, ranking, known)
    assert score_g2p(ranked, test).word_error_rate < 0.05
    ranking.save(tmp_path / "a.ranking.npz")
    loaded = Ranking.load(tmp_path / "a.ranking.npz")
    np.testing.assert_array_equal(loaded.weights, ranking.weights)
    words = list(test)
    assert G2P(model, loaded, known)(words, 3) == ranked(words, 3)
    shares = [saying.probability for saying in ranked(words[:1], 8)[0]]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1)


def test_without_weights_nothing_is_chosen_anew() -> None:
    known = far_rule()
    model = estimate_g2p(known, 3)
    none = Ranking(np.zeros(1 << BITS, np.int8), np.array([1.0, 1.0]))
    words = Random(0).sample(sorted(known), 20)
    phones = [[s.phones for s in sayings] for sayings in G2P(model)(words, 3)]
    assert [[s.phones for s in sayings] for sayings in G2P(model, none)(words, 3)] == phones


def test_files_lie_side_by_side(tmp_path: Path) -> None:
    path = tmp_path / "g2p.lmz"
    words = far_rule()
    others = {word: [ways[0][::-1]] for word, ways in [*words.items()][::2]}
    train_g2p(words, path, 2, ranked=True, lexicon=words | others)
    assert ranking_path(path) == tmp_path / "g2p.ranking.npz"
    assert G2P.load(path)(["kabpbe"])[0]
    trusted = Ranking.load(ranking_path(path)).trusted  # where the lexicon says the same
    assert len(known_words(others, trusted).backward) < 0.1 * len(others)
    assert len(known_words(words, trusted).backward) >= len(words) - len(others)
    ranking_path(path).write_bytes(b"PK no archive")
    with pytest.raises(LanguageModelError, match="holds no weights"):
        G2P.load(path)
    assert G2P.load(path, ranked=False)(["kabpbe"])[0]
    train_g2p(far_rule(), path, 2)
    assert not ranking_path(path).exists()

"""Letters to sounds. Oracle: all divisions of a word, scored by the n-gram model one by one."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import asr.g2p.model
from asr.decoding.automaton import compile_model
from asr.errors import DataError, LanguageModelError
from asr.g2p import kernels
from asr.g2p.chunks import parse_chunk
from asr.g2p.evaluation import hold_out, score_g2p
from asr.g2p.model import G2P, estimate_g2p, train_g2p
from asr.lm import estimate, write_compact
from asr.text.pronunciations import Phones

SOUNDS = {"a": "AA", "e": "EH", "b": "B", "t": "T", "s": "S"}


def dictionary() -> dict[str, list[Phones]]:
    """Return words of five letters at most: "th" is TH, "x" is K S, a last "e" is silent."""
    said: dict[str, list[Phones]] = {}
    for length in (2, 3, 4):
        for letters in itertools.product(["a", "e", "b", "t", "s", "th", "x"], repeat=length):
            phones = [
                "TH" if letter == "th" else "K S" if letter == "x" else SOUNDS[letter]
                for letter in letters
            ]
            if letters[-1] == "e":
                phones.pop()
            said["".join(letters)] = [tuple(" ".join(phones).split())]
    return said


@pytest.fixture(scope="module")
def g2p() -> G2P:
    return G2P(estimate_g2p(dictionary()))


def test_probabilities_are_those_of_all_divisions(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "the DH AH/tea T IY/hat HH AE T/eat IY T/ate EY T/heath HH IY TH"
    words = [line.split() for line in said.split("/")]
    model = estimate_g2p({word: [tuple(phones)] for word, *phones in words}, 3)
    monkeypatch.setattr(asr.g2p.model, "BEAM", kernels.Beam(room=4000, threshold=200.0))
    automaton = compile_model(model)

    def divisions(word: str) -> Iterator[list[str]]:
        if not word:
            yield []
        for chunk in model.words[3:]:
            letters = parse_chunk(chunk)[0]
            if word.startswith(letters):
                for rest in divisions(word[len(letters) :]):
                    yield [chunk, *rest]

    for word in ("heat", "teeth", "a"):
        totals: defaultdict[Phones, float] = defaultdict(float)
        for chunks in divisions(word):
            phones = [phone for chunk in chunks for phone in parse_chunk(chunk)[1]]
            totals[tuple(phones)] += math.exp(automaton.score(chunks))
        best = sorted(totals.items(), key=lambda item: -item[1])[:5]
        total = sum(totals.values())
        sayings = G2P(model)([word], n_best=5)[0]
        expected = [share / total for _, share in best if _]
        assert [p for _, p in sayings] == pytest.approx(expected[: len(sayings)], rel=1e-4)
        assert sayings[0].phones == best[0][0]


def test_a_regular_spelling_is_learned(g2p: G2P) -> None:
    known, held_out = hold_out(dictionary())
    score = score_g2p(G2P(estimate_g2p(known)), held_out)
    assert score.words == len(held_out) > 100
    assert score.word_error_rate < 0.02
    assert g2p(["bathe", "xat"])[0][0].phones == ("B", "AA", "TH")


def test_words_that_cannot_be_said(g2p: G2P) -> None:
    accent, sign, digit, script, none = g2p(["bát", "ba-t", "b2", "犬", ""])
    assert accent[0].phones == sign[0].phones == ("B", "AA", "T")
    assert digit == script == none == []
    assert g2p([]) == []


def test_alternatives_have_shares(g2p: G2P) -> None:
    sayings = g2p(["thex"], n_best=3)[0]
    assert sayings[0].phones == ("TH", "EH", "K", "S")
    shares = [saying.probability for saying in sayings]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1.0001


def test_a_file_says_the_same(tmp_path: Path, g2p: G2P) -> None:
    train_g2p(dictionary(), tmp_path / "g2p.lmz")
    words = ["bathe", "exab", "saste"]
    loaded = G2P.load(tmp_path / "g2p.lmz")
    assert [s[0].phones for s in loaded(words)] == [s[0].phones for s in g2p(words)]
    smaller = estimate_g2p(dictionary(), max_ngrams=200)
    assert sum(smaller.counts) <= 200


def test_other_models_are_refused(tmp_path: Path) -> None:
    write_compact(estimate([["a b", "a c"]], 2, notify=lambda _: None), tmp_path / "lm.lmz")
    with pytest.raises(LanguageModelError, match="no model of letters and sounds"):
        G2P.load(tmp_path / "lm.lmz")
    with pytest.raises(LanguageModelError, match="No word"):
        estimate_g2p({"a": [("D", "AH", "B")]})
    with pytest.raises(DataError, match="A share"):
        hold_out({"a": [("AA",)]})

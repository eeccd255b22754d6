"""Words beyond a language model. Oracles: sums over all words of the class, and a full build."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest

import asr.decoding.new_words as module
from asr.decoding import NgramAutomaton
from asr.decoding.automaton import compile_model
from asr.decoding.kernels.automaton import query
from asr.decoding.known_words import know_sounds
from asr.decoding.new_words import ExtendedAutomaton, with_new_words
from asr.decoding.vocabulary import Vocabulary
from asr.errors import LanguageModelError
from asr.lm import estimate
from asr.text.pronunciations import Pronunciations

TEXT = [
    "the cat sat on the mat",
    "the dog sat on the rug",
    "a cat and a dog ran",
    "the rat ran on the mat and sat",
    "a bird sang on a rug",
    "the cat ran and the bird sat",
]


@pytest.fixture
def lm() -> NgramAutomaton:
    return compile_model(estimate([TEXT], order=3))


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every context gets an entry, however little it lists."""
    monkeypatch.setattr(module, "_LEAST", 0)
    monkeypatch.setattr(module, "_TOLERANCE", -1.0)
    monkeypatch.setenv("ASR_CACHE_DIR", "")


def extended(lm: NgramAutomaton, **words: str) -> ExtendedAutomaton:
    model = with_new_words(lm, words)
    assert isinstance(model, ExtendedAutomaton)
    return model


def states_of(lm: NgramAutomaton) -> list[int]:
    states = {lm.begin(), lm.null_state}
    for line in TEXT:
        state = lm.begin()
        for word in line.split():
            state = lm.step(state, word)[1]
            states.add(state)
    return sorted(states)


@pytest.mark.usefixtures("exact")
def test_a_new_word_is_as_probable_as_its_class_in_every_context(lm: NgramAutomaton) -> None:
    model = extended(lm, zebra="")
    members, unigram = module._members(lm.unigrams)
    ids = np.flatnonzero(members)
    assert 0 < len(ids) < len(lm.unigrams)

    def mass(state: int) -> float:
        return math.fsum(math.exp(query(state, int(i), lm.arrays)[0]) for i in ids)

    for state in states_of(lm):
        expected = unigram + math.log(mass(state) / mass(0))
        assert model.step(state, "zebra")[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.usefixtures("exact")
def test_what_follows_a_new_word_is_what_follows_its_class(lm: NgramAutomaton) -> None:
    model = extended(lm, zebra="")
    ids = np.flatnonzero(module._members(lm.unigrams)[0])
    shares = np.exp(lm.unigrams[ids].astype(np.float64))
    state = model.step(model.begin(), "zebra")[1]
    for word in [*lm.words[2:], "</s>"]:
        each = [math.exp(lm.step(int(lm.after[i]), word)[0]) for i in ids]
        expected = math.log(np.dot(shares, each) / shares.sum())
        assert model.step(state, word)[0] == pytest.approx(expected, abs=1e-4)


def test_known_words_keep_their_probabilities(lm: NgramAutomaton) -> None:
    model = extended(lm, zebra="", gnu="")
    for state, word in itertools.product(states_of(lm), lm.words):
        assert model.step(state, word) == lm.step(state, word)
    assert "zebra" in model
    assert "gnu" in model.words
    assert "zebra" not in lm


def test_a_word_is_used_like_another(lm: NgramAutomaton) -> None:
    model = extended(lm, zebra="cat")
    for state in states_of(lm):
        assert model.step(state, "zebra") == lm.step(state, "cat")
    with pytest.raises(LanguageModelError, match="used like 'lion'"):
        with_new_words(lm, {"zebra": "lion"})


def test_nothing_new_is_the_same_model(lm: NgramAutomaton) -> None:
    assert with_new_words(lm, {"cat": ""}) is lm
    twice = with_new_words(extended(lm, zebra=""), {"gnu": "dog"})
    assert "zebra" in twice
    assert "gnu" in twice


def test_a_model_of_hardly_any_words() -> None:
    model = extended(compile_model(estimate([["a"]], order=2)), zebra="")
    assert math.isfinite(model.score("a zebra a"))


def test_further_sounds_are_those_of_the_whole_dictionary(
    lm: NgramAutomaton, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASR_CACHE_DIR", str(tmp_path / "cache"))
    said = {"cat": "K AE T", "sat": "S AE T", "mat": "M AE T", "kat": "K AE T", "mates": "M EY S"}
    (tmp_path / "lexicon.txt").write_text("".join(f"{w} {way}\n" for w, way in said.items()))
    base = Pronunciations.load(tmp_path / "lexicon.txt")
    more = Pronunciations(
        {
            "catt": [("K", "AE", "T")],
            "zat": [("S", "AE")],
            "mat": [("M", "AE", "T"), ("M", "EY", "T")],
        }
    )
    phones = sorted({p for way in said.values() for p in way.split()})
    vocabulary = Vocabulary(["<blank>", *(f"▁{p}" for p in phones), *phones])
    model = extended(lm, catt="", zat="")
    joined = base.updated(more)
    sounds, known = know_sounds(joined, vocabulary, model)
    whole = Pronunciations({word: joined[word] for word in joined})
    all_sounds, all_known = know_sounds(whole, vocabulary, model)
    assert sounds.spellings == all_sounds.spellings
    assert known.lexicon.words == all_known.lexicon.words
    for name in ("parents", "ends", "edge_first", "edges"):
        assert np.array_equal(getattr(known.lexicon, name), getattr(all_known.lexicon, name))
    assert np.array_equal(known.unigrams, all_known.unigrams)
    alike = [_group(known, i) for i in known.ids]
    assert alike == [_group(all_known, i) for i in all_known.ids]


def _group(known: object, number: int) -> list[int]:
    groups = known.homophones  # type: ignore[attr-defined]
    if number > -2:
        return [int(number)]
    first = -2 - int(number)
    return groups[first + 1 : first + 1 + groups[first]].tolist()

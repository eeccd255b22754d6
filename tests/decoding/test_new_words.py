"""Words beyond a language model. Oracles: sums over all words of the class, and a full build."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import asr.decoding.new_words as module
from asr.decoding import NgramAutomaton
from asr.decoding.automaton import compile_model
from asr.decoding.kernels.automaton import EMPTY, query
from asr.decoding.kernels.new_words import copy_entries
from asr.decoding.known_words import know_sounds
from asr.decoding.lexicon import Lexicon, build_lexicon
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
    order = [known.lexicon.words.index(sound) for sound in all_known.lexicon.words]
    assert len(order) == len(known.lexicon.words)
    assert np.array_equal(known.unigrams[order], all_known.unigrams)
    alike = [_group(known, i) for i in known.ids[order]]
    assert alike == [_group(all_known, i) for i in all_known.ids]
    assert _paths(known.lexicon) == _paths(all_known.lexicon)


def _paths(lexicon: Lexicon) -> dict[tuple[int, ...], str]:
    """Return the word of each sequence of tokens that the trie has, and check its arrays."""
    E, first = lexicon.edges, lexicon.edge_first
    assert len(E) == first[-1]
    assert (lexicon.parents[1:] < np.arange(1, len(lexicon.parents))).all()
    paths: dict[tuple[int, ...], str] = {}
    stack: list[tuple[int, tuple[int, ...]]] = [(0, ())]
    while stack:
        node, tokens = stack.pop()
        rows = E[first[node] : first[node + 1]]
        assert rows[:, 0].tolist() == sorted(set(rows[:, 0].tolist()))
        mask = sum(1 << token for token in {int(t) % 64 for t in rows[:, 0]})
        assert lexicon.masks[node] == mask
        if lexicon.ends[node] >= 0:
            paths[tokens] = lexicon.words[lexicon.ends[node]]
        for token, target in rows[:, :2].tolist():
            assert lexicon.parents[target] == node
            stack.append((target, (*tokens, token)))
    return paths


def test_a_trie_that_grows_is_the_trie_of_all_words() -> None:
    letters = "abcdefgh"
    vocabulary = Vocabulary(["<blank>", *(f"▁{c}" for c in letters), *letters])
    words = sorted({"".join(w) for n in (1, 2, 3, 4) for w in itertools.product("aceg", repeat=n)})
    words += ["b", "bbb", "hh", "aaaaaaaaab", "aaaaaaaaac"]
    old, new = words[::3], [word for i, word in enumerate(words) if i % 3]
    grown = build_lexicon(old, vocabulary).extended(new, vocabulary)
    assert _paths(grown) == _paths(build_lexicon(words, vocabulary))
    assert grown.words == [*sorted(old), *new]
    scores = {word: -float(len(word)) - i / 7 for i, word in enumerate(words)}
    both = [
        trie.weighted(np.array([scores[word] for word in trie.words]))
        for trie in (grown, build_lexicon(words, vocabulary))
    ]
    assert sorted(both[0].factors) == sorted(both[1].factors)
    assert grown.extended([], vocabulary) is grown


def test_a_model_is_saved_without_the_words_that_it_was_given(
    lm: NgramAutomaton, tmp_path: Path
) -> None:
    model = extended(lm, zebra="")
    assert model.slots is lm.slots or len(model.slots) > len(lm.slots)
    roomy = replace(lm, slots=_larger(lm.slots))
    assert extended(roomy, zebra="").slots is roomy.slots
    roomy.save(tmp_path / "lm.bin")
    loaded = NgramAutomaton.load(tmp_path / "lm.bin")
    for state, word in itertools.product(states_of(lm), lm.words):
        assert loaded.step(state, word) == lm.step(state, word) == roomy.step(state, word)
    assert np.count_nonzero(loaded.slots[:, 0] != EMPTY) == np.count_nonzero(
        lm.slots[:, 0] != EMPTY
    )


def _larger(slots: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    larger = np.full((4 * len(slots), 4), EMPTY, np.uint32)
    copy_entries(slots, larger, larger.view(np.float32))
    return larger


def _group(known: object, number: int) -> list[int]:
    groups = known.homophones  # type: ignore[attr-defined]
    if number > -2:
        return [int(number)]
    first = -2 - int(number)
    return groups[first + 1 : first + 1 + groups[first]].tolist()

"""Words that a language model lacks, given the probabilities of a class of its words.

A new word has no n-grams. As an unknown word it would lose against any listed one; with a fixed
score it would be inserted anywhere. So it gets the place of a class: of words that are neither
frequent nor so rare that the model has seen them in one context only. In each context it is as
probable, relative to its unigram, as the words of the class are together there (Brown et al. 1992,
"Class-Based n-gram Models of Natural Language"), and after it come the words that come after them.
A new word may instead be said to be used like one known word; then it has that one's n-grams.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from asr.cache import Arrays, cache_path, cached_arrays
from asr.decoding.automaton import NgramAutomaton
from asr.decoding.kernels import new_words as kernels
from asr.decoding.kernels.automaton import EMPTY
from asr.decoding.language_models import AnyModel
from asr.errors import LanguageModelError
from asr.lm.model import EOS, UNK

__all__ = ["ExtendedAutomaton", "with_class", "with_new_words"]

CLASS_RANKS = (5_000, 50_000)
"""Words of the class: from the one rank of frequency to the other."""
NEW_RANK = 20_000
"""The unigram of a new word is that of the word of this rank."""
_VERSION = "1"  # of the cached arrays
_LEAST = 3  # members that an entry rests on
_TOLERANCE = 0.3  # natural log, what an answer without an entry may be wrong
_MAX_LOAD = 0.75


@dataclass(frozen=True, eq=False)
class ExtendedAutomaton(NgramAutomaton):
    """An automaton with the context of a class of words, and words that stand for it.

    The class is the last id, and its context the last state.

    Attributes:
        base: the automaton without them.
        further: new word -> id: of the class, or of the word that it is used like.
    """

    base: NgramAutomaton | None = None
    further: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def words(self) -> list[str]:
        """Return the words of the automaton, and the new ones at the end."""
        assert self.base is not None
        return [*self.base.words, *self.further]

    @cached_property
    def ids(self) -> dict[str, int]:
        """Return the id of each word."""
        assert self.base is not None
        return {**self.base.ids, **self.further}

    @property
    def class_id(self) -> int:
        """Return the id of the class."""
        return len(self.unigrams) - 1


_made: WeakKeyDictionary[NgramAutomaton, ExtendedAutomaton] = WeakKeyDictionary()
_lock = threading.Lock()  # the entries of a class are inserted once


def with_new_words(lm: AnyModel, words: Mapping[str, str]) -> AnyModel:
    """Return a language model with further words; those that it knows stay as they are.

    Args:
        lm: an automaton. Models with the same one share their arrays.
        words: new word -> a word of the model that it is used like, or empty: as its class.

    Raises:
        LanguageModelError: the model is a KenLM binary, or lacks a word that another is used like.
    """
    given = {word: like for word, like in words.items() if like or word not in lm.ids}
    if not given:
        return lm
    if not isinstance(lm, NgramAutomaton):
        raise LanguageModelError(
            "A KenLM binary cannot be given new words.", "Use the ARPA file that it was built from."
        )
    base = lm.base if isinstance(lm, ExtendedAutomaton) and lm.base is not None else lm
    extended = with_class(base)
    further = dict(lm.further) if isinstance(lm, ExtendedAutomaton) else {}
    class_id = extended.class_id
    for word, like in given.items():
        place = base.ids.get(like, UNK) if like else class_id
        if place == UNK:
            raise LanguageModelError(
                f"{word!r} is to be used like {like!r}, which the language model does not know.",
                "Name a word of the model, or none.",
            )
        further[word] = place
    return replace(extended, base=base, further=further)


def with_class(base: NgramAutomaton) -> ExtendedAutomaton:
    """Return an automaton with the class of new words, made once for each automaton."""
    with _lock:
        if base not in _made:
            _made[base] = _extend(base)
        return _made[base]


def _extend(base: NgramAutomaton) -> ExtendedAutomaton:
    _, start = _members(base.unigrams)
    state, word = len(base.backoffs), len(base.unigrams)
    # From all that decides: two models that differ in their entries differ in their back-offs.
    key = (base.text.tobytes(), base.unigrams.tobytes(), base.backoffs.tobytes())
    stored = cached_arrays(
        cache_path("class", _VERSION, *key, suffix=".npz"), lambda: _class_arrays(base)
    )
    slots = _table(base, len(stored["states"]) + len(stored["words"]))
    probs = slots.view(np.float32)
    entries = stored["states"], stored["ratios"]
    kernels.insert_class(slots, probs, (word, state), entries, start)
    follow = stored["words"], stored["log_probs"]
    kernels.insert_following(slots, probs, state, follow, base.after)
    return ExtendedAutomaton(
        slots=slots,
        unigrams=np.append(base.unigrams, np.float32(start)),
        after=np.append(base.after, np.int32(state)),
        backoffs=np.append(base.backoffs, stored["backoff"].astype(np.float32)),
        shorter=np.append(base.shorter, np.int32(0)),
        text=base.text,
        order=base.order,
        bos_state=base.bos_state,
    )


def _class_arrays(base: NgramAutomaton) -> Arrays:
    """Return the entries of the class: where it differs from backing off, and what follows it."""
    members, _ = _members(base.unigrams)
    none = {"states": np.int32, "ratios": np.float32, "words": np.int32, "log_probs": np.float32}
    if not members.any():  # a model of hardly any words
        return {"backoff": np.zeros(1), **{name: np.zeros(0, t) for name, t in none.items()}}
    arrays = base.arrays
    mass, counts = kernels.class_masses(members, arrays)
    states, ratios = kernels.class_entries(mass, counts, arrays, _LEAST, _TOLERANCE)
    weights = _context_weights(base, members, mass.item(0))
    backoff, words, log_probs = kernels.following(weights, arrays, _LEAST, _TOLERANCE)
    values = np.array([backoff]), states, ratios, words, log_probs
    return dict(zip(("backoff", *none), values, strict=True))


def _members(unigrams: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.bool_], float]:
    """Return which words belong to the class, (W,), and the unigram of a new word."""
    ranked = EOS + 1 + np.argsort(-unigrams[EOS + 1 :], kind="stable")
    W = len(ranked)
    first = min(CLASS_RANKS[0], W // 2)
    members = np.zeros(len(unigrams), np.bool_)
    members[ranked[first : CLASS_RANKS[1]]] = True
    if not W:
        return members, float(unigrams[UNK])
    return members, float(unigrams[ranked[min(NEW_RANK, W - 1 - W // 4)]])


def _context_weights(
    base: NgramAutomaton, members: npt.NDArray[np.bool_], mass: float
) -> npt.NDArray[np.float64]:
    """Return the share of the class of each state that is the context of a member, (S,)."""
    ids = np.flatnonzero(members)
    shares = np.exp(base.unigrams[ids].astype(np.float64)) / mass
    weights = np.zeros(len(base.backoffs))
    np.add.at(weights, base.after[ids], shares)
    return weights


def _table(base: NgramAutomaton, further: int) -> npt.NDArray[np.uint32]:
    """Return a hash table with room for further entries.

    It is that of ``base``, where that has room: no query of ``base`` can meet an entry of the class
    or of its state, and of a mapped file only the pages are copied that get one.
    """
    step = max(1, len(base.slots) >> 16)  # a sample: to count all takes longer than to insert
    load = float(np.mean(base.slots[::step, 0] != EMPTY)) + further / len(base.slots)
    if load <= _MAX_LOAD and base.slots.flags.writeable:
        return base.slots
    used = int(np.count_nonzero(base.slots[:, 0] != EMPTY)) + further
    size = max(len(base.slots), 1 << math.ceil(math.log2((used + 1) / _MAX_LOAD)))
    slots = np.full((size, 4), EMPTY, np.uint32)
    kernels.copy_entries(base.slots, slots, slots.view(np.float32))
    return slots

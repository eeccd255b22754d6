"""Probabilities of a class of words in every context of an n-gram automaton.

M(s) is the sum of p(m | s) over the members m of the class. A context lists some members; the
others back off. So with b(s) the back-off weight of s and s' the next shorter context

    M(s) = sum of listed p(m | s) + b(s) * (M(s') - sum over the listed members of p(m | s')),

which is exact. A context needs an entry only where this differs from b(s) * M(s'), what a query
without an entry answers. States: see kernels/automaton.py.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels.automaton import EMPTY, F32, I32, U32, Ngrams, insert, query
from asr.kernels import kernel

F64 = npt.NDArray[np.float64]
BOOL = npt.NDArray[np.bool_]


@kernel
def class_masses(members: BOOL, m: Ngrams) -> tuple[F64, I32]:
    """Return M(s) of every state, and how many members each state lists.

    Args:
        members: (W,), whether a word belongs to the class.
        m: the automaton.
    """
    S = len(m.backoffs)
    mass, shorter_mass = np.zeros(S), np.zeros(S)
    counts = np.zeros(S, np.int32)
    for slot in range(m.slots.shape[0]):
        if m.slots[slot, 0] == EMPTY or not members[m.slots[slot, 1]]:
            continue
        state, word = np.int64(m.slots[slot, 0]), np.int64(m.slots[slot, 1])
        mass[state] += np.exp(m.probs[slot, 2])
        shorter_mass[state] += np.exp(query(m.shorter[state], word, m)[0])
        counts[state] += 1
    for word in range(len(members)):
        if members[word]:
            mass[0] += np.exp(m.unigrams[word])
    for state in range(1, S):  # a shorter context has a smaller number
        rest = max(mass[m.shorter[state]] - shorter_mass[state], 1e-30)
        mass[state] += np.exp(m.backoffs[state]) * rest
    return mass, counts


@kernel
def class_entries(
    mass: F64, counts: I32, m: Ngrams, least: int, tolerance: float
) -> tuple[I32, F32]:
    """Return the states that need an entry, and log(M(state) / M(empty context)) of each.

    Args:
        mass: from :func:`class_masses`.
        counts: from :func:`class_masses`.
        m: the automaton.
        least: members that a context must list; fewer say little about another word.
        tolerance: what an answer by backing off may be wrong, natural log.
    """
    S = len(m.backoffs)
    value = np.zeros(S)  # what a query with the entries so far answers
    states, log_ratios = np.empty(S, np.int32), np.empty(S, np.float32)
    n = 0
    for state in range(1, S):
        value[state] = m.backoffs[state] + value[m.shorter[state]]
        if counts[state] < least:
            continue
        exact = np.log(mass[state] / mass[0])
        if abs(exact - value[state]) > tolerance:
            value[state] = exact
            states[n], log_ratios[n] = state, exact
            n += 1
    return states[:n].copy(), log_ratios[:n].copy()


@kernel
def following(weights: F64, m: Ngrams, least: int, tolerance: float) -> tuple[float, I32, F32]:
    """Return what follows a word of the class: back-off weight, words, log p(word | class).

    The context of the class is the mean of the contexts of its members.

    Args:
        weights: (S,), share of the class of each state that is the context of a member.
        m: the automaton.
        least: members that must list a word.
        tolerance: what an answer by backing off may be wrong, natural log.
    """
    W = len(m.unigrams)
    more, counts = np.zeros(W), np.zeros(W, np.int32)
    kept = 0.0  # the part of the class's probability that backs off
    for state in range(len(weights)):
        if weights[state] > 0.0:
            kept += weights[state] * np.exp(m.backoffs[state])
    for slot in range(m.slots.shape[0]):
        if m.slots[slot, 0] == EMPTY or weights[m.slots[slot, 0]] == 0.0:
            continue
        state, word = np.int64(m.slots[slot, 0]), np.int64(m.slots[slot, 1])
        backed = np.exp(m.backoffs[state] + m.unigrams[word])
        more[word] += weights[state] * (np.exp(m.probs[slot, 2]) - backed)
        counts[word] += 1
    words, log_probs = np.empty(W, np.int32), np.empty(W, np.float32)
    n = 0
    for word in range(W):
        backed = kept * np.exp(np.float64(m.unigrams[word]))
        if counts[word] < least or more[word] + backed <= 0.0 or backed <= 0.0:
            continue
        if abs(np.log((more[word] + backed) / backed)) > tolerance:
            words[n], log_probs[n] = word, np.log(more[word] + backed)
            n += 1
    return np.log(kept) if kept > 0.0 else 0.0, words[:n].copy(), log_probs[:n].copy()


@kernel
def copy_entries(old: U32, new: U32, probs: F32) -> None:
    """Put the entries of a table into an empty one; ``probs``: it viewed as float32."""
    values = old.view(np.float32)
    for slot in range(old.shape[0]):
        if old[slot, 0] != EMPTY:
            ngram = (np.int64(old[slot, 0]), np.int64(old[slot, 1]))
            insert(new, probs, ngram, values[slot, 2], np.int64(old[slot, 3]))


@kernel
def insert_class(
    slots: U32, probs: F32, word: tuple[int, int], entries: tuple[I32, F32], base: float
) -> None:
    """Insert log p(word | state) = base + ratio for each (state, ratio).

    ``word``: its id, and the state that follows it.
    """
    states, ratios = entries
    for i in range(len(states)):
        insert(slots, probs, (np.int64(states[i]), word[0]), ratios[i] + base, word[1])


@kernel
def insert_following(
    slots: U32, probs: F32, state: int, entries: tuple[I32, F32], after: I32
) -> None:
    """Insert log p(word | state) for each (word, log p), followed by the state after the word."""
    words, log_probs = entries
    for i in range(len(words)):
        word = np.int64(words[i])
        insert(slots, probs, (state, word), log_probs[i], np.int64(after[word]))

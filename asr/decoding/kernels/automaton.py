"""Build, check and query the n-gram automaton.

A back-off model answers p(word | context) with the longest n-gram that it lists. If it does not
list (context, word), it multiplies the back-off weight of the context and asks again without the
context's first word (Katz 1987). The automaton makes each of these steps one table look-up: a state
stands for a context, and each listed n-gram is an entry (state, word) -> (log-probability, next
state). The next state is the longest suffix of context + word that the model knows as a context.

It is built from a trie of the n-grams in three steps:

1. ``link_suffixes`` links every node to the node without its first word, as the failure links of
   Aho and Corasick do for strings.
2. ``number_states`` gives a state to every node that matters as a context. A node without
   continuations and without a back-off weight does not: a query there always backs off, for free,
   to its longest suffix. So that suffix is its state, and the automaton gets smaller.
3. ``link_states`` writes the back-off links, ``fill`` the entries.

S states (contexts), W words, C slots of the hash table. A slot is four 32-bit numbers: state, word,
log-probability (float32 bits) and next state; an empty slot has state ``EMPTY``. A slot holds all
that a query needs, so a query that hits at once costs one cache line.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

U32 = npt.NDArray[np.uint32]
F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EMPTY = 0xFFFFFFFF
NONE = -1


class Ngrams(NamedTuple):
    """Arrays of an n-gram automaton; log-probabilities are natural."""

    slots: U32  # (C, 4): state, word, log-probability, next state
    probs: F32  # the slots viewed as float32
    unigrams: F32  # (W,)
    after: I32  # (W,) state after a word that only the unigrams list
    backoffs: F32  # (S,)
    shorter: I32  # (S,) state without the first word of its context


@kernel(error_model="numpy", _nrt=False, inline="always")
def slot_of(state: int, word: int, mask: int) -> int:
    """Return the first slot to probe for (state, word)."""
    h = np.uint64(state) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(word) * np.uint64(
        0xC2B2AE3D27D4EB4F
    )
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    return np.int64((h >> np.uint64(32)) & np.uint64(mask))


@kernel(error_model="numpy", _nrt=False)
def query(state: int, word: int, m: Ngrams) -> tuple[float, int]:
    """Return log p(word | state) and the next state.

    State 0 is the empty context. A context that does not list the word backs off: its back-off
    weight is added, and the context without its first word is queried.
    """
    mask = m.slots.shape[0] - 1  # the number of slots is a power of two
    total = 0.0
    while state > 0:
        slot = slot_of(state, word, mask)
        while m.slots[slot, 0] != EMPTY:  # open addressing: the next slot after a collision
            if m.slots[slot, 0] == state and m.slots[slot, 1] == word:
                return total + m.probs[slot, 2], np.int64(m.slots[slot, 3])
            slot = (slot + 1) & mask
        total += m.backoffs[state]
        state = m.shorter[state]
    return total + m.unigrams[word], np.int64(m.after[word])


@kernel(_nrt=False)
def score_words(words: I32, state: int, m: Ngrams, out: npt.NDArray[np.float64]) -> int:
    """Write the log-probability of each word id into ``out``; return the state after the last."""
    for i in range(len(words)):
        out[i], state = query(state, words[i], m)
    return state


@kernel(_nrt=False, inline="always")
def put(
    slots: U32, probs: F32, slot: int, ngram: tuple[int, int], value: tuple[float, int]
) -> None:
    """Write an n-gram (state, word), its probability and the next state into a slot."""
    slots[slot, 0] = ngram[0]
    slots[slot, 1] = ngram[1]
    probs[slot, 2] = value[0]
    slots[slot, 3] = value[1]


@kernel(_nrt=False)
def insert(slots: U32, probs: F32, ngram: tuple[int, int], prob: float, following: int) -> None:
    """Put an n-gram (state, word) into the first free slot of its probe sequence."""
    state, word = ngram
    mask = slots.shape[0] - 1
    slot = slot_of(state, word, mask)
    while slots[slot, 0] != EMPTY:
        slot = (slot + 1) & mask
    put(slots, probs, slot, ngram, (prob, following))


@kernel(_nrt=False)
def link_suffixes(
    last_words: I32, first_child: I64, first: int, end: int, out: npt.NDArray[np.int32]
) -> None:
    """Link the children of the nodes ``first`` to ``end`` of an n-gram trie to their longest listed
    proper suffixes. Those of all shorter n-grams are known; that of a unigram is NONE.

    The suffix of an n-gram "a b c" is "b c", if that is listed, which is a child of the suffix of
    "a b". If it is not (pruned models lack it), the next shorter suffix of "a b" is tried, and at
    last the unigram "c", which is always there.
    """
    for parent in range(first, end):
        for child in range(first_child[parent], first_child[parent + 1]):
            word = last_words[child]
            context = out[parent]
            longest = word  # the unigram: its node has the number of its word
            while context != NONE:
                # Binary search of the word among the children, which are sorted by word.
                low, end = first_child[context], first_child[context + 1]
                high = end
                while low < high:
                    middle = (low + high) >> 1
                    if last_words[middle] < word:
                        low = middle + 1
                    else:
                        high = middle
                if low < end and last_words[low] == word:
                    longest = low
                    break
                context = out[context]
            out[child] = longest


@kernel(_nrt=False)
def number_states(first_child: I64, backoffs: F32, suffix: I32, bos: int, state_of: I32) -> int:
    """Fill in the state of every node; return the number of states S.

    A node gets a state of its own if it matters as a context: something follows it, it has a
    back-off weight, or it is the beginning of a sentence. Otherwise a query at the node could only
    back off to its longest suffix, without any weight, so it shares the state of that suffix.
    Suffixes are shorter, so they come first and have their states already.
    """
    n_states = 1  # state 0 is the empty context
    for node in range(len(suffix)):
        useful = node == bos
        if node < len(first_child) - 1:  # n-grams of the highest order have neither
            useful = useful or first_child[node] < first_child[node + 1] or backoffs[node] != 0.0
        if useful:
            state_of[node] = n_states
            n_states += 1
        else:
            state_of[node] = 0 if suffix[node] == NONE else state_of[suffix[node]]
    return n_states


class Trie(NamedTuple):
    """Arrays of :class:`asr.lm.trie.Trie`: a node is an n-gram, its children have one word more."""

    last_words: I32
    first_child: I64
    log10_probs: F32
    log10_backoffs: F32


@kernel(_nrt=False)
def link_states(trie: Trie, suffix: I32, state_of: I32, m: Ngrams) -> None:
    """Fill in the back-offs of an automaton (natural logs) from the trie."""
    ln10 = np.log(10.0)
    previous = 0
    for node in range(len(trie.first_child) - 1):
        state = state_of[node]
        # States were numbered in the order of their nodes, so a new state is the previous one + 1;
        # any other number is the shared state of a suffix.
        if state == previous + 1:
            previous = state
            m.backoffs[state] = trie.log10_backoffs[node] * ln10
            m.shorter[state] = 0 if suffix[node] == NONE else state_of[suffix[node]]


@kernel(_nrt=False)
def fill(trie: Trie, state_of: I32, slots: tuple[int, int], m: Ngrams, late: Bools) -> None:
    """Clear and fill a range of the hash table (natural logs) from the trie; several threads, a
    range each.

    The children of a node are the entries of its state. Children exist only where the node is a
    context that matters, so every entry belongs to a node with a state of its own.

    Args:
        trie: the n-grams.
        state_of: state of each node.
        slots: first and end of the range: entries that are looked up there first are put there.
        m: the automaton.
        late: is set for children that the end of the range has no room for: ``fill_late``.
    """
    ln10 = np.log(10.0)
    first, end = slots
    mask = m.slots.shape[0] - 1
    m.slots[first:end] = EMPTY
    for node in range(len(trie.first_child) - 1):
        state = state_of[node]
        for child in range(trie.first_child[node], trie.first_child[node + 1]):
            slot = slot_of(state, trie.last_words[child], mask)
            if first <= slot < end:
                while slot < end and m.slots[slot, 0] != EMPTY:
                    slot += 1
                if slot < end:
                    ngram = (state, trie.last_words[child])
                    value = (trie.log10_probs[child] * ln10, state_of[child])
                    put(m.slots, m.probs, slot, ngram, value)
                else:
                    late[child] = True


@kernel(_nrt=False)
def fill_late(trie: Trie, state_of: I32, m: Ngrams, late: Bools) -> None:
    """Put the entries into the hash table that found no room in the range of their thread."""
    ln10 = np.log(10.0)
    for node in range(len(trie.first_child) - 1):
        for child in range(trie.first_child[node], trie.first_child[node + 1]):
            if late[child]:
                ngram = (state_of[node], trie.last_words[child])
                insert(m.slots, m.probs, ngram, trie.log10_probs[child] * ln10, state_of[child])


@kernel(_nrt=False)
def is_sound(m: Ngrams) -> bool:
    """Return whether every query ends, stays inside the arrays and meets only finite numbers."""
    slots, probs, unigrams, after, backoffs, shorter = m
    S, W = np.uint32(len(backoffs)), np.uint32(len(unigrams))
    empty, bad = 0, 0
    for i in range(slots.shape[0]):
        if slots[i, 0] == EMPTY:
            empty += 1
        else:
            bad += (
                (slots[i, 0] >= S)
                | (slots[i, 1] >= W)
                | (slots[i, 3] >= S)
                | (not abs(probs[i, 2]) < 1e30)
            )
    for w in range(len(unigrams)):
        bad += (not abs(unigrams[w]) < 1e30) | (after[w] < 0) | (after[w] >= len(backoffs))
    bad += shorter[0] != 0
    for s in range(1, len(backoffs)):
        # A shorter context has a smaller number: so backing off always ends at state 0.
        bad += (shorter[s] < 0) | (shorter[s] >= s) | (not abs(backoffs[s]) < 1e30)
    return bad == 0 and empty > 0  # a probe ends at an empty slot


@kernel(_nrt=False)
def checksum(data: npt.NDArray[np.uint64]) -> int:
    """Return a 64-bit checksum of 8-byte words that detects every change within one word.

    Each step is a bijection, so two inputs that differ in one word never collide. Four lanes, so
    that the multiplications overlap.
    """
    prime = np.uint64(0x9E3779B185EBCA87)
    a, b, c, d = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
    n = len(data) // 4 * 4
    for i in range(0, n, 4):
        a = (a ^ data[i]) * prime
        b = (b ^ data[i + 1]) * prime
        c = (c ^ data[i + 2]) * prime
        d = (d ^ data[i + 3]) * prime
        a ^= a >> np.uint64(31)
        b ^= b >> np.uint64(31)
        c ^= c >> np.uint64(31)
        d ^= d >> np.uint64(31)
    for i in range(n, len(data)):
        a = (a ^ data[i]) * prime
        a ^= a >> np.uint64(31)
    for lane in (b, c, d, np.uint64(len(data))):
        a = (a ^ lane) * prime
        a ^= a >> np.uint64(29)
    return a

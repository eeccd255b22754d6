"""Building, checking and querying the n-gram automaton.

S states (contexts), W words, C slots of the hash table. A slot is four 32-bit numbers: state, word,
log-probability (float32 bits) and next state; an empty slot has state ``EMPTY``. One slot holds all
that a query needs, so a query that finds its n-gram costs one cache line.
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

EMPTY = 0xFFFFFFFF
NONE = -1


class Ngrams(NamedTuple):
    """An n-gram model as the search asks it; log-probabilities are natural."""

    slots: U32  # (C, 4): state, word, log-probability, next state
    probs: F32  # slots seen as float32
    unigrams: F32  # (W,)
    after: I32  # (W,) state after a word that no context knows
    backoffs: F32  # (S,)
    shorter: I32  # (S,) state without the first word of its context


@kernel(error_model="numpy", _nrt=False, inline="always")
def slot_of(state: int, word: int, mask: int) -> int:
    """First slot to probe for (state, word)."""
    h = np.uint64(state) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(word) * np.uint64(
        0xC2B2AE3D27D4EB4F
    )
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    return np.int64((h >> np.uint64(32)) & np.uint64(mask))


@kernel(error_model="numpy", _nrt=False)
def query(state: int, word: int, m: Ngrams) -> tuple[float, int]:
    """Return log p(word | state) and the next state.

    State 0 is the empty context. A context that has not seen the word backs off: its back-off
    weight is added, and the context without its first word is asked.
    """
    mask = m.slots.shape[0] - 1
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


@kernel
def score_words(words: I32, state: int, m: Ngrams, out: npt.NDArray[np.float64]) -> int:
    """Score word ids one after the other into ``out``; return the state after them."""
    for i in range(len(words)):
        out[i], state = query(state, words[i], m)
    return state


@kernel
def insert(slots: U32, probs: F32, ngram: tuple[int, int], prob: float, following: int) -> None:
    """Put an n-gram (state, word) into the first free slot of its probe sequence."""
    state, word = ngram
    mask = slots.shape[0] - 1
    slot = slot_of(state, word, mask)
    while slots[slot, 0] != EMPTY:
        slot = (slot + 1) & mask
    slots[slot, 0] = state
    slots[slot, 1] = word
    probs[slot, 2] = prob
    slots[slot, 3] = following


@kernel
def suffixes(
    last_words: I32, first_child: I64, n_unigrams: int, out: npt.NDArray[np.int32]
) -> None:
    """For every node of an n-gram trie the node of its longest listed proper suffix, NONE for
    unigrams.
    """
    for node in range(n_unigrams):
        out[node] = NONE
    for parent in range(len(first_child) - 1):
        for child in range(first_child[parent], first_child[parent + 1]):
            word = last_words[child]
            context = out[parent]
            found = word  # the unigram
            while context != NONE:
                low, end = first_child[context], first_child[context + 1]
                high = end
                while low < high:
                    middle = (low + high) >> 1
                    if last_words[middle] < word:
                        low = middle + 1
                    else:
                        high = middle
                if low < end and last_words[low] == word:
                    found = low
                    break
                context = out[context]
            out[child] = found


@kernel
def number_states(first_child: I64, backoffs: F32, suffix: I32, bos: int, state_of: I32) -> int:
    """State of every node: its own if it can matter as a context, else that of its longest suffix;
    returns S.
    """
    n_states = 1  # state 0 is the empty context
    for node in range(len(suffix)):
        useful = node == bos
        if node < len(first_child) - 1:
            useful = useful or first_child[node] < first_child[node + 1] or backoffs[node] != 0.0
        if useful:
            state_of[node] = n_states
            n_states += 1
        else:
            state_of[node] = 0 if suffix[node] == NONE else state_of[suffix[node]]
    return n_states


class Trie(NamedTuple):
    """Arrays of :class:`asr.lm.trie.Trie`: a node is an n-gram, its children are a word longer."""

    last_words: I32
    first_child: I64
    log10_probs: F32
    log10_backoffs: F32


@kernel
def fill(trie: Trie, suffix: I32, state_of: I32, m: Ngrams) -> None:
    """Fill table and back-offs of an automaton (natural logs) from the trie."""
    ln10 = np.log(10.0)
    previous = 0
    for node in range(len(trie.first_child) - 1):
        state = state_of[node]
        if state == previous + 1:  # states were numbered in the order of their nodes
            previous = state
            m.backoffs[state] = trie.log10_backoffs[node] * ln10
            m.shorter[state] = 0 if suffix[node] == NONE else state_of[suffix[node]]
        for child in range(trie.first_child[node], trie.first_child[node + 1]):
            ngram = (state, trie.last_words[child])
            insert(m.slots, m.probs, ngram, trie.log10_probs[child] * ln10, state_of[child])


@kernel
def is_sound(m: Ngrams) -> bool:
    """Whether no query can leave the arrays or run for ever, and every number is finite."""
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
        bad += (shorter[s] < 0) | (shorter[s] >= s) | (not abs(backoffs[s]) < 1e30)
    return bad == 0 and empty > 0


@kernel
def checksum(data: npt.NDArray[np.uint64]) -> int:
    """64-bit checksum of 8-byte words: every step is a bijection, so a change within one word never
    goes unseen.

    Four lanes, so that the multiplications overlap.
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

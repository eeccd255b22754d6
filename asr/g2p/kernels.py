"""Chunks of letters and phones: expectation-maximisation, best division, and search.

A chunk (Bisani and Ney call it a graphone) pairs one or two letters with the phones that they
stand for: none, one or two, but not two with two. A word and a pronunciation are divided into
chunks from left to right; a division is a path through a lattice with a node for i letters and
j phones. W words, A letters, P phones, H hypotheses.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

# The kinds of chunks: letters and phones of each.
STEPS = np.array([[1, 0], [1, 1], [1, 2], [2, 1]], np.int64)
NO_STEP = -1


class Pairs(NamedTuple):
    """Words with pronunciations, as numbers of letters, phones and neighbouring pairs of each.

    Of a word, letter i is ``letters[letter_first[w] + i]``, and the pair of letters i and i + 1 is
    ``letter_pairs`` of the same place; phones alike.
    """

    letters: I32
    letter_pairs: I32
    letter_first: I64  # (W + 1,)
    phones: I32
    phone_pairs: I32
    phone_first: I64  # (W + 1,)
    num_letters: int  # A, distinct
    num_phones: int  # P, distinct
    num_phone_pairs: int  # distinct


@kernel(inline="always")
def chunk_of(pairs: Pairs, step: int, a: int, b: int) -> int:
    """Return the number of the chunk that a step makes, from place a of letters and b of phones."""
    width = 1 + pairs.num_phones + pairs.num_phone_pairs
    if step == 0:
        return pairs.letters[a] * width
    if step == 1:
        return pairs.letters[a] * width + 1 + pairs.phones[b]
    if step == 2:
        return pairs.letters[a] * width + 1 + pairs.num_phones + pairs.phone_pairs[b]
    return pairs.num_letters * width + pairs.letter_pairs[a] * pairs.num_phones + pairs.phones[b]


@kernel
def expect(pairs: Pairs, probs: F64, counts: F64) -> int:
    """Add the expected number of each chunk to ``counts``; return how many words no path divides.

    Forward and backward sums over all divisions of each word; ``probs`` and ``counts`` have an
    entry a chunk.
    """
    undivided = 0
    for w in range(len(pairs.letter_first) - 1):
        a, b = pairs.letter_first[w], pairs.phone_first[w]
        n, m = pairs.letter_first[w + 1] - a, pairs.phone_first[w + 1] - b
        forward = np.zeros((n + 1, m + 1))
        backward = np.zeros((n + 1, m + 1))
        forward[0, 0], backward[n, m] = 1.0, 1.0
        for i in range(n):
            for j in range(m + 1):
                if forward[i, j] == 0.0:
                    continue
                for step in range(len(STEPS)):
                    x, y = i + STEPS[step, 0], j + STEPS[step, 1]
                    if x <= n and y <= m:
                        p = probs[chunk_of(pairs, step, a + i, b + j)]
                        forward[x, y] += forward[i, j] * p
        total = forward[n, m]
        if total <= 0.0:
            undivided += 1
            continue
        for i in range(n - 1, -1, -1):
            for j in range(m, -1, -1):
                for step in range(len(STEPS)):
                    x, y = i + STEPS[step, 0], j + STEPS[step, 1]
                    if x <= n and y <= m:
                        chunk = chunk_of(pairs, step, a + i, b + j)
                        part = probs[chunk] * backward[x, y]
                        backward[i, j] += part
                        counts[chunk] += forward[i, j] * part / total
    return undivided


@kernel
def divide(pairs: Pairs, probs: F64, steps: npt.NDArray[np.int8]) -> None:
    """Write the best division of each word into ``steps``, at the places of its letters.

    A step stands at its first letter; what is left is -1, as is all of a word that no path divides.
    """
    steps[:] = NO_STEP
    for w in range(len(pairs.letter_first) - 1):
        a, b = pairs.letter_first[w], pairs.phone_first[w]
        n, m = pairs.letter_first[w + 1] - a, pairs.phone_first[w + 1] - b
        best = np.full((n + 1, m + 1), -np.inf)
        back = np.zeros((n + 1, m + 1), np.int8)
        best[0, 0] = 0.0
        for i in range(n):
            for j in range(m + 1):
                if best[i, j] == -np.inf:
                    continue
                for step in range(len(STEPS)):
                    x, y = i + STEPS[step, 0], j + STEPS[step, 1]
                    if x > n or y > m:
                        continue
                    p = probs[chunk_of(pairs, step, a + i, b + j)]
                    if p > 0.0 and best[i, j] + np.log(p) > best[x, y]:
                        best[x, y] = best[i, j] + np.log(p)
                        back[x, y] = step
        i, j = n, m
        while i > 0 and best[n, m] > -np.inf:
            step = back[i, j]
            i, j = i - STEPS[step, 0], j - STEPS[step, 1]
            steps[a + i] = step


class Chunks(NamedTuple):
    """The n-gram model over W chunks; those that follow a context stand side by side, by letters.

    There are N n-grams, of which C have longer ones behind them; see :class:`asr.lm.trie.Trie`. A
    context is the number of an n-gram, -1 the empty one. Logarithms are natural.
    """

    phones: I32  # (W, 2) phones of each chunk, -1: none
    # entries: the n-grams sorted by context, then by the key of the last chunk
    keys: I32  # (N,) see `key_of`
    lasts: I32  # (N,) last chunk
    log_probs: F32  # (N,)
    after: I32  # (N,) context behind the n-gram
    first: I64  # (C + 1,) first entry of each context
    root_first: I32  # (keys + 1,) first entry of each key without context
    backoffs: F32  # (C,)
    shorter: I32  # (C,) context without its first chunk
    num_letters: int  # A
    start: int  # context at the start of a word


@kernel(inline="always")
def key_of(first: int, second: int, num_letters: int) -> int:
    """Return the key of a chunk's letters; ``second`` is -1 where there is one letter."""
    return first * (num_letters + 1) + second + 1


@kernel(error_model="numpy", _nrt=False, inline="always")
def _first_entry(c: Chunks, context: int, key: int) -> int:
    """Return the first entry of a context whose key is this one or larger."""
    if context < 0:
        return np.int64(c.root_first[key])
    low, high = c.first[context], c.first[context + 1]
    while low < high:
        middle = (low + high) >> 1
        if c.keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low


class Hypotheses(NamedTuple):
    """Hypotheses at all places of a word; those at place i are rows i * room, i * room + 1, ..."""

    counts: I64  # hypotheses at each place
    best: F64  # best logarithm at each place
    log_p: F64
    context: I32
    parent: I32  # row of the hypothesis before
    chunk: I32
    sound: U64  # hash of all phones so far
    seen: I64  # (W,) the last hypothesis that each chunk was added to


class Beam(NamedTuple):
    """Hypotheses kept at each place, and how much worse than the best one they may be."""

    room: int
    threshold: float

    def hypotheses(self, longest: int, num_chunks: int) -> Hypotheses:
        """Return memory for words of up to ``longest`` letters: :func:`say` allocates none."""
        size = (longest + 3) * self.room
        return Hypotheses(
            counts=np.zeros(longest + 3, np.int64),
            best=np.zeros(longest + 3),
            log_p=np.empty(size),
            context=np.empty(size, np.int32),
            parent=np.empty(size, np.int32),
            chunk=np.empty(size, np.int32),
            sound=np.empty(size, np.uint64),
            seen=np.empty(num_chunks, np.int64),
        )


@kernel(error_model="numpy", _nrt=False, inline="always")
def _sound_after(c: Chunks, sound: int, chunk: int) -> int:
    x = np.uint64(sound)
    for i in range(2):
        if c.phones[chunk, i] >= 0:
            x = (x ^ np.uint64(c.phones[chunk, i] + 1)) * np.uint64(0xD6E8FEB86659FD93)
            x ^= x >> np.uint64(32)
    return x


@kernel(error_model="numpy", _nrt=False)
def _store(
    h: Hypotheses, beam: Beam, place: int, log_p: float, new: tuple[int, int, int, int]
) -> None:
    """Add a hypothesis at a place, or its probability to one of the same context and sound."""
    context, parent, chunk, sound = new
    low, high = place * beam.room, place * beam.room + h.counts[place]
    worst = low
    for k in range(low, high):
        if h.sound[k] == sound and h.context[k] == context:
            if log_p > h.log_p[k]:
                h.parent[k], h.chunk[k] = parent, chunk
            larger, smaller = max(log_p, h.log_p[k]), min(log_p, h.log_p[k])
            h.log_p[k] = larger + np.log1p(np.exp(smaller - larger))
            h.best[place] = max(h.best[place], h.log_p[k])
            return
        if h.log_p[k] < h.log_p[worst]:
            worst = k
    row = high
    if high - low < beam.room:
        h.counts[place] += 1
    elif h.log_p[worst] < log_p:  # full: the worst one gives way
        row = worst
    else:
        return
    h.log_p[row], h.context[row], h.parent[row] = log_p, context, parent
    h.chunk[row], h.sound[row] = chunk, sound
    h.best[place] = max(h.best[place], log_p)


@kernel(error_model="numpy", _nrt=False)
def _extend(c: Chunks, h: Hypotheses, beam: Beam, row: int, step: tuple[int, int, int]) -> None:
    """Extend a hypothesis by all chunks of a key that lead to a place and are probable enough.

    ``step``: key, place, and a number that no other call for this hypothesis or key has. An n-gram
    that the model lists counts; other chunks back off, context by context. At the end of the word
    the context is forgotten, so that equal pronunciations meet.
    """
    key, place, call = step
    context, total = np.int64(h.context[row]), h.log_p[row]
    while total >= h.best[place] - beam.threshold:
        end = np.int64(c.root_first[key + 1]) if context < 0 else c.first[context + 1]
        entry = _first_entry(c, context, key)
        while entry < end and c.keys[entry] == key:
            chunk, log_p = c.lasts[entry], total + c.log_probs[entry]
            if h.seen[chunk] != call and log_p >= h.best[place] - beam.threshold:
                sound = _sound_after(c, h.sound[row], chunk)
                _store(h, beam, place, log_p, (c.after[entry], np.int32(row), chunk, sound))
            h.seen[chunk] = call  # a shorter context may list it too
            entry += 1
        if context < 0:
            break
        total += c.backoffs[context]
        context = np.int64(c.shorter[context])


@kernel(error_model="numpy", _nrt=False)
def _advance(c: Chunks, h: Hypotheses, beam: Beam, place: int, how: tuple[I32, int]) -> int:
    """Extend the hypotheses at a place, the best one first: it sets the threshold for the others.

    ``how``: the letters of the word, and the number of the next call of :func:`_extend`, which is
    returned anew.
    """
    word, call = how
    low, high = place * beam.room, place * beam.room + h.counts[place]
    best = low
    for row in range(low, high):
        if h.log_p[row] > h.log_p[best]:
            best = row
    # the end of the word is a chunk of its own, of the letter number A
    first = np.int64(word[place]) if place < len(word) else np.int64(c.num_letters)
    for k in range(low - 1, high):
        row = k if k >= low else best
        if row >= high or (k == best) or h.log_p[row] < h.best[place] - beam.threshold:
            continue
        _extend(c, h, beam, row, (key_of(first, -1, c.num_letters), place + 1, call))
        if place + 1 < len(word):
            key = key_of(first, np.int64(word[place + 1]), c.num_letters)
            _extend(c, h, beam, row, (key, place + 2, call + 1))
        call += 2
    return call


class Sayings(NamedTuple):
    """The best pronunciations of W words, N of each, best first."""

    chunks: I32  # (W, N, longest)
    lengths: I32  # (W, N) chunks of each, -1: there is none
    probs: F64  # (W, N) share among all pronunciations that were found


@kernel(error_model="numpy", _nrt=False)
def say(
    letters: I32, letter_first: I64, c: Chunks, h: Hypotheses, beam_out: tuple[Beam, Sayings]
) -> None:
    """Fill in the pronunciations of words.

    Word w has ``letters[letter_first[w] : letter_first[w + 1]]``. Hypotheses with the same phones
    and the same context are one, whose probability is the sum; so, unless the beam cuts something
    off, all divisions of a word into chunks count for a pronunciation.
    """
    beam, out = beam_out
    call = 0
    h.seen[:] = -1
    for w in range(len(letter_first) - 1):
        word = letters[letter_first[w] : letter_first[w + 1]]
        h.counts[:] = 0
        h.best[:] = -np.inf
        h.counts[0], h.log_p[0], h.context[0], h.chunk[0] = 1, 0.0, c.start, -1
        h.best[0], h.sound[0] = 0.0, np.uint64(0)
        for i in range(len(word) + 1):
            call = _advance(c, h, beam, i, (word, call))
        _finish(h, (len(word) + 1) * beam.room, h.counts[len(word) + 1], (w, out))


@kernel(error_model="numpy", _nrt=False)
def _finish(h: Hypotheses, first: int, count: int, result: tuple[int, Sayings]) -> None:
    """Write the best of the hypotheses first..first+count-1 as the pronunciations of word w."""
    w, out = result
    best = -np.inf
    for row in range(first, first + count):
        best = max(best, h.log_p[row])
    total = 0.0
    for row in range(first, first + count):
        total += np.exp(h.log_p[row] - best)
    for n in range(out.lengths.shape[1]):
        out.lengths[w, n] = -1
        likeliest = first
        for row in range(first, first + count):
            if h.log_p[row] > h.log_p[likeliest]:
                likeliest = row
        probability = np.exp(h.log_p[likeliest] - best) if count else 0.0
        if probability > 0.0:
            out.probs[w, n] = probability / total
            h.log_p[likeliest] = -np.inf
            out.lengths[w, n] = _trace(h, likeliest, out.chunks[w, n])


@kernel(error_model="numpy", _nrt=False)
def _trace(h: Hypotheses, last: int, chunks: I32) -> int:
    """Write the chunks of a hypothesis; return their number. The last one, the end, is left out."""
    length, row = -1, last
    while h.chunk[row] >= 0:
        length += 1
        row = h.parent[row]
    row, place = h.parent[last], length
    while place > 0:
        place -= 1
        chunks[place] = h.chunk[row]
        row = h.parent[row]
    return length

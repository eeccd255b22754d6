"""Features of a pronunciation: how well its chunks fit the letters and phones around them.

An n-gram of chunks knows what stands before a chunk. These features know the letters behind it too,
and phones whatever their letters. A feature is a hash of what it says, and has a weight in a table
(Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning"). W words, N
pronunciations of each, C chunks that a model knows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]

BITS = 22  # of the table: 2 ** 22 places
REACH = 5  # letters on either side of a chunk
PAST = 5  # phones before a chunk
MOST = (REACH + 1) ** 2 + 3 * PAST  # features of a chunk
SMALLEST = 1e-3  # of a gradient that is worth a step
_OUTSIDE = -1  # before the first and after the last letter, phone and chunk


class Choices(NamedTuple):
    """Pronunciations among which to choose.

    Attributes:
        letters: of all words, one after the other.
        first: (W + 1,) the first letter of each word.
        chunks: (W, N, longest) of each pronunciation.
        lengths: (W, N) chunks of each, -1: there is none.
        log_probs: (W, N) of the n-gram.
    """

    letters: I32
    first: I64
    chunks: I32
    lengths: I32
    log_probs: F64


class Pieces(NamedTuple):
    """Chunks as features see them: the same number for the same chunk in every model.

    Attributes:
        codes: (C,) of the chunks.
        phones: (C, 2) codes of their phones, -1: none.
        sizes: (C,) letters of each.
    """

    codes: I64
    phones: I64
    sizes: I32


@kernel(error_model="numpy", _nrt=False, inline="always")
def _mixed(h: int, x: int) -> int:
    y = (np.uint64(h) ^ np.uint64(np.int64(x) + 2)) * np.uint64(0x9E3779B97F4A7C15)
    return y ^ (y >> np.uint64(29))


@kernel(error_model="numpy", _nrt=False, inline="always")
def _add(h: int, out: U32, count: int) -> int:
    out[count] = np.uint32((h * np.uint64(0xD6E8FEB86659FD93)) >> np.uint64(64 - BITS))
    return count + 1


@kernel(error_model="numpy", _nrt=False, inline="always")
def _letter(word: I32, i: int) -> int:
    return np.int64(word[i]) if 0 <= i < len(word) else np.int64(_OUTSIDE)


@kernel(error_model="numpy", _nrt=False)
def _letter_features(word: I32, start: int, stop: int, code: int, out: tuple[U32, int]) -> int:
    """Write a chunk with up to five letters before and behind it; return the number of features.

    ``start`` and ``stop`` are of the chunk's own letters. ``out``: the list, and what it has.
    """
    found, count = out
    left = np.uint64(3)
    for a in range(REACH + 1):
        if a > 0:
            left = _mixed(left, _letter(word, start - a))
        h = _mixed(_mixed(np.uint64(1), code), np.int64(left >> np.uint64(33)))
        for b in range(REACH + 1):
            if b > 0:
                h = _mixed(h, _letter(word, stop + b - 1))
            count = _add(h, found, count)
            if stop + b > len(word):
                break
        if a > start:
            break
    return count


@kernel(error_model="numpy", _nrt=False)
def _phone_features(
    after: tuple[int, int], past: I64, code: int, said: int, out: tuple[U32, int]
) -> int:
    """Write a chunk and its phones behind up to five phones; return the number of features.

    ``after``: the two letters behind it. ``said``: a code of its phones, -1: none.
    """
    found, count = out
    spoken = np.uint64(5)
    for k in range(PAST):
        spoken = _mixed(spoken, past[k])
        behind = np.int64(spoken >> np.uint64(33))
        h = _mixed(_mixed(np.uint64(1), code), behind)
        count = _add(h, found, count)
        if k < 2:
            h = _mixed(h, after[0])
            count = _add(h, found, count)
            count = _add(_mixed(h, after[1]), found, count)
        if said != _OUTSIDE or code == _OUTSIDE:
            count = _add(_mixed(_mixed(np.uint64(7), said), behind), found, count)
    return count


@kernel(error_model="numpy")
def list_features(word: I32, chunks: I32, pieces: Pieces, found: U32) -> int:
    """Write the places of a pronunciation's features in the table; return how many.

    Args:
        word: (L,) letters.
        chunks: (M,) of the pronunciation.
        pieces: what chunks are.
        found: at least MOST * (M + 1).
    """
    count, start = 0, 0
    past = np.full(PAST, _OUTSIDE, np.int64)  # phones, the last one first
    for chunk in chunks:
        code, stop = pieces.codes[chunk], start + np.int64(pieces.sizes[chunk])
        count = _letter_features(word, start, stop, code, (found, count))
        said = np.int64(_OUTSIDE)
        for phone in pieces.phones[chunk]:
            if phone >= 0:
                said = np.int64(_mixed(np.uint64(11), phone + 31 * said) >> np.uint64(33))
        after = (_letter(word, stop), _letter(word, stop + 1))
        count = _phone_features(after, past, code, said, (found, count))
        for phone in pieces.phones[chunk]:
            if phone >= 0:
                past[1:] = past[:-1].copy()
                past[0] = phone
        start = stop
    outside = np.int64(_OUTSIDE)
    return _phone_features((outside, outside), past, outside, outside, (found, count))


@kernel(error_model="numpy")
def rescore(choices: Choices, pieces: Pieces, weights: I8, scales: F64, scores: F64) -> None:
    """Write the score of each pronunciation (W, N): its features' weights and its n-grams'.

    ``scales``: what multiplies the n-grams' logarithm, and the weights. -inf where there is none.
    """
    W, N, longest = choices.chunks.shape
    found = np.empty(MOST * (longest + 1), np.uint32)
    for w in range(W):
        word = choices.letters[choices.first[w] : choices.first[w + 1]]
        for n in range(N):
            scores[w, n] = -np.inf
            if choices.lengths[w, n] >= 0:
                chunks = choices.chunks[w, n, : choices.lengths[w, n]]
                total = 0
                for k in range(list_features(word, chunks, pieces, found)):
                    total += np.int64(weights[found[k]])
                scores[w, n] = scales[0] * choices.log_probs[w, n] + scales[1] * total


@kernel(error_model="numpy")
def count_features(choices: Choices, pieces: Pieces, counts: U8) -> None:
    """Add to each place of the table in how many words its features are, up to 255."""
    W, N, longest = choices.chunks.shape
    found = np.empty(MOST * (longest + 1), np.uint32)
    last = np.full(len(counts), -1, np.int32)
    for w in range(W):
        word = choices.letters[choices.first[w] : choices.first[w + 1]]
        for n in range(N):
            if choices.lengths[w, n] < 0:
                continue
            chunks = choices.chunks[w, n, : choices.lengths[w, n]]
            for k in range(list_features(word, chunks, pieces, found)):
                place = found[k]
                if last[place] != w and counts[place] < 255:
                    last[place] = w
                    counts[place] += 1


class Learning(NamedTuple):
    """What AdaGrad reads and changes (Duchi et al. 2011).

    Attributes:
        weights: (table,) of features.
        squares: (table,) sums of squared gradients.
        used: (table,) 1 where a feature has a weight.
        scale: (2,) of the n-grams' logarithm, and its sum of squares.
    """

    weights: F32
    squares: F32
    used: U8
    scale: F64


@kernel(error_model="numpy", _nrt=False)
def _gradients(scores: F64, right: U8, gradients: F64) -> float:
    """Write the gradient of the log-linear loss by each score; return the loss.

    The loss is -log p(one of the right pronunciations); a score of -inf is of none.
    """
    best, best_right = -np.inf, -np.inf
    for n in range(len(scores)):
        best = max(best, scores[n])
        if right[n]:
            best_right = max(best_right, scores[n])
    total, total_right = 0.0, 0.0
    for n in range(len(scores)):
        total += np.exp(scores[n] - best)
        if right[n]:
            total_right += np.exp(scores[n] - best_right)
    for n in range(len(scores)):
        gradients[n] = np.exp(scores[n] - best) / total
        if right[n]:
            gradients[n] -= np.exp(scores[n] - best_right) / total_right
    return best + np.log(total) - best_right - np.log(total_right)


@kernel(error_model="numpy", _nrt=False)
def _step(places: U32, gradient: float, by: Learning, rate: float) -> None:
    for place in places:
        if by.used[place]:
            by.squares[place] += np.float32(gradient * gradient)
            step = rate * gradient / np.sqrt(1.0 + by.squares[place])
            by.weights[place] -= np.float32(step)


@kernel(error_model="numpy")
def learn(
    choices: Choices, pieces: Pieces, right_order: tuple[U8, I64], by: Learning, rate: float
) -> float:
    """Go once over words; return the summed loss.

    ``right_order``: (W, N) 1 for the pronunciations of the dictionary, and the words to read in
    their order: each has a right pronunciation and a wrong one.
    """
    right, order = right_order
    _, N, longest = choices.chunks.shape
    found = np.empty((N, MOST * (longest + 1)), np.uint32)
    counts, scores, gradients = np.zeros(N, np.int64), np.zeros(N), np.zeros(N)
    loss = 0.0
    for w in order:
        word = choices.letters[choices.first[w] : choices.first[w + 1]]
        for n in range(N):
            scores[n] = -np.inf
            if choices.lengths[w, n] >= 0:
                chunks = choices.chunks[w, n, : choices.lengths[w, n]]
                counts[n] = list_features(word, chunks, pieces, found[n])
                scores[n] = by.scale[0] * choices.log_probs[w, n]
                for k in range(counts[n]):
                    scores[n] += by.weights[found[n, k]]
        loss += _gradients(scores, right[w], gradients)
        of_scale = 0.0
        for n in range(N):
            if choices.lengths[w, n] >= 0 and abs(gradients[n]) > SMALLEST:
                of_scale += gradients[n] * choices.log_probs[w, n]
                _step(found[n, : counts[n]], gradients[n], by, rate)
        by.scale[1] += of_scale * of_scale
        by.scale[0] -= rate * of_scale / np.sqrt(1.0 + by.scale[1])
    return loss

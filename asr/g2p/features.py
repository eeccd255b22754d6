"""Features of a pronunciation: how well its chunks fit the letters and phones around them.

An n-gram of chunks knows what stands before a chunk. These features know the letters behind it too,
phones whatever their letters, and words of the dictionary that begin or end alike
(:mod:`asr.g2p.analogies`). A feature has a weight in a table (:mod:`asr.g2p.hashing`). W words, N
pronunciations of each, C chunks that a model knows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.g2p.analogies import ANALOGIES, Near, analogy_features
from asr.g2p.hashing import OUTSIDE, add, letter_at, mixed
from asr.g2p.neighbours import NEAR, START, Known, agreement, neighbours
from asr.kernels import kernel

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
U32 = npt.NDArray[np.uint32]

REACH = 5  # letters on either side of a chunk
PAST = 5  # phones before a chunk
MOST = (REACH + 1) ** 2 + 3 * PAST  # features of a chunk
SMALLEST = 1e-3  # of a gradient that is worth a step


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


@kernel(error_model="numpy", _nrt=False)
def _letter_features(word: I32, start: int, stop: int, code: int, out: tuple[U32, int]) -> int:
    """Write a chunk with up to five letters before and behind it; return the number of features.

    ``start`` and ``stop`` are of the chunk's own letters. ``out``: the list, and what it has.
    """
    found, count = out
    left = np.uint64(3)
    for a in range(REACH + 1):
        if a > 0:
            left = mixed(left, letter_at(word, start - a))
        h = mixed(mixed(np.uint64(1), code), np.int64(left >> np.uint64(33)))
        for b in range(REACH + 1):
            if b > 0:
                h = mixed(h, letter_at(word, stop + b - 1))
            count = add(h, found, count)
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
        spoken = mixed(spoken, past[k])
        behind = np.int64(spoken >> np.uint64(33))
        h = mixed(mixed(np.uint64(1), code), behind)
        count = add(h, found, count)
        if k < 2:
            h = mixed(h, after[0])
            count = add(h, found, count)
            count = add(mixed(h, after[1]), found, count)
        if said != OUTSIDE or code == OUTSIDE:
            count = add(mixed(mixed(np.uint64(7), said), behind), found, count)
    return count


class Room(NamedTuple):
    """Memory to work in: kernels that are compiled ahead of time allocate none.

    Attributes:
        found: (MOST * (longest + 1) + ANALOGIES,) places of features.
        phones: (2 * longest,) of a pronunciation.
        past: (PAST,) phones, the last one first.
        near: (2 * NEAR, 3) words that begin or end alike.
    """

    found: U32
    phones: I64
    past: I64
    near: I64


def room_for(choices: Choices) -> Room:
    """Return memory for the features of any of these pronunciations."""
    longest = choices.chunks.shape[2]
    return Room(
        found=np.empty(MOST * (longest + 1) + ANALOGIES, np.uint32),
        phones=np.empty(2 * longest, np.int64),
        past=np.empty(PAST, np.int64),
        near=np.empty((2 * NEAR, 3), np.int64),
    )


@kernel(error_model="numpy", _nrt=False)
def list_features(word: I32, chunks: I32, pieces: Pieces, near: Near, room: Room) -> int:
    """Write the places of a pronunciation's features in the table; return how many.

    Args:
        word: (L,) letters.
        chunks: (M,) of the pronunciation.
        pieces: what chunks are.
        near: words that begin or end as the word does.
        room: whose ``found`` gets the places.
    """
    count, start, spoken = 0, 0, 0
    found, phones, past = room.found, room.phones, room.past
    for k in range(PAST):
        past[k] = OUTSIDE
    for chunk in chunks:
        code, stop = pieces.codes[chunk], start + np.int64(pieces.sizes[chunk])
        count = _letter_features(word, start, stop, code, (found, count))
        said = np.int64(OUTSIDE)
        for phone in pieces.phones[chunk]:
            if phone >= 0:
                said = np.int64(mixed(np.uint64(11), phone + 31 * said) >> np.uint64(33))
        after = (letter_at(word, stop), letter_at(word, stop + 1))
        count = _phone_features(after, past, code, said, (found, count))
        for phone in pieces.phones[chunk]:
            if phone >= 0:
                for k in range(PAST - 1, 0, -1):
                    past[k] = past[k - 1]
                past[0] = phone
                phones[spoken] = phone
                spoken += 1
        start = stop
    outside = np.int64(OUTSIDE)
    count = _phone_features((outside, outside), past, outside, outside, (found, count))
    for k in range(near.filled):
        neighbour = near.rows[k]
        agreed = agreement(phones[:spoken], near.known, neighbour)
        covered = _covered(chunks, pieces, neighbour[0], agreed)
        count = analogy_features(word, near.known, neighbour, covered, (found, count))
    return count


@kernel(error_model="numpy", _nrt=False)
def _covered(chunks: I32, pieces: Pieces, side: int, phones: int) -> int:
    """Return how many letters from a side have chunks within so many phones from that side."""
    letters, spoken = 0, 0
    for i in range(len(chunks)):
        chunk = chunks[i] if side == START else chunks[len(chunks) - 1 - i]
        for phone in pieces.phones[chunk]:
            spoken += phone >= 0
        if spoken > phones:
            break
        letters += np.int64(pieces.sizes[chunk])
    return letters


@kernel(error_model="numpy", _nrt=False)
def rescore(
    choices: Choices,
    pieces: Pieces,
    known: Known,
    weights: tuple[I8, F64],
    room_scores: tuple[Room, F64],
) -> None:
    """Write the score of each pronunciation (W, N): its features' weights and its n-grams'.

    ``weights``: of the table, and what multiplies the n-grams' logarithm, and the weights. -inf
    where there is none.
    """
    W, N, _ = choices.chunks.shape
    table, scales = weights
    room, scores = room_scores
    for w in range(W):
        word = choices.letters[choices.first[w] : choices.first[w + 1]]
        near = Near(known, room.near, neighbours(word, known, room.near))
        for n in range(N):
            scores[w, n] = -np.inf
            if choices.lengths[w, n] >= 0:
                chunks = choices.chunks[w, n, : choices.lengths[w, n]]
                total = 0
                for k in range(list_features(word, chunks, pieces, near, room)):
                    total += np.int64(table[room.found[k]])
                scores[w, n] = scales[0] * choices.log_probs[w, n] + scales[1] * total


@kernel(error_model="numpy")
def count_features(choices: Choices, pieces: Pieces, known: Known, room: Room, counts: U8) -> None:
    """Add to each place of the table in how many words its features are, up to 255."""
    W, N, _ = choices.chunks.shape
    last = np.full(len(counts), -1, np.int32)
    for w in range(W):
        word = choices.letters[choices.first[w] : choices.first[w + 1]]
        near = Near(known, room.near, neighbours(word, known, room.near))
        for n in range(N):
            if choices.lengths[w, n] < 0:
                continue
            chunks = choices.chunks[w, n, : choices.lengths[w, n]]
            for k in range(list_features(word, chunks, pieces, near, room)):
                place = room.found[k]
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
    choices: Choices,
    pieces_known: tuple[Pieces, Known],
    right_order: tuple[U8, I64],
    room: Room,
    by_rate: tuple[Learning, float],
) -> float:
    """Go once over words; return the summed loss.

    ``pieces_known``: the chunks of the n-gram model, and the words that it has seen.
    ``right_order``: (W, N) 1 for the pronunciations of the dictionary, and the words to read in
    their order: each has a right pronunciation and a wrong one.
    """
    right, order = right_order
    pieces, known = pieces_known
    by, rate = by_rate
    N = choices.chunks.shape[1]
    found = np.empty((N, len(room.found)), np.uint32)
    counts, scores, gradients = np.zeros(N, np.int64), np.zeros(N), np.zeros(N)
    loss = 0.0
    for w in order:
        word = choices.letters[choices.first[w] : choices.first[w + 1]]
        near = Near(known, room.near, neighbours(word, known, room.near))
        for n in range(N):
            scores[n] = -np.inf
            if choices.lengths[w, n] >= 0:
                chunks = choices.chunks[w, n, : choices.lengths[w, n]]
                places = Room(found[n], room.phones, room.past, room.near)
                counts[n] = list_features(word, chunks, pieces, near, places)
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

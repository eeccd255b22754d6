"""Where in a long recording the words of a long text can be.

Runs of tokens that occur once in the text and once in what the network hears are anchors (as in
Moreno et al. 1998, "A recursive algorithm for the forced alignment of very long audio segments",
with the unique runs of Bram Cohen's patience diff). Their longest increasing row gives the band of
the search: some words and frames around it, and all that lies between two anchors.

Legend: T frames, R tokens of the text, H tokens heard, W words.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asr.speech.viterbi.graph import Ints, TextGraph

__all__ = ["anchors", "band_around", "band_cells", "collapsed", "text_tokens"]

RUN_BITS = 55.0  # of a run of tokens, were all as frequent: chance makes none of it twice
SUPPORT = 300  # tokens within which another anchor must agree
AGREEMENT = 0.25  # share by which the tokens between two anchors may differ
MARGIN = 40  # words on either side
MARGIN_FRAMES = 100

Longs = npt.NDArray[np.int64]


def collapsed(path: Ints) -> tuple[Longs, Longs]:
    """Return the tokens of the path (T,) of single frames, (H,), and the frame of each."""
    begins = np.flatnonzero((path != 0) & (path != np.append(-1, path[:-1])))
    return path[begins].astype(np.int64), begins


def text_tokens(graph: TextGraph) -> tuple[Longs, Longs]:
    """Return the tokens of a text by the first pronunciations, (R,), and the word of each."""
    arrays = graph.arrays
    usual = arrays.ways[:-1]
    pairs = zip(arrays.first[usual].tolist(), arrays.last[usual].tolist(), strict=True)
    parts = [arrays.labels[begin : end + 1 : 2] for begin, end in pairs]
    sizes = [len(part) for part in parts]
    tokens = np.concatenate(parts) if parts else np.zeros(0, np.int32)
    return tokens.astype(np.int64), np.repeat(np.arange(len(parts)), sizes)


def anchors(text: Longs, heard: Longs, vocabulary_size: int) -> Longs:
    """Return the places (N, 2) in the text and in what was heard that belong together, rising.

    Args:
        text: tokens, (R,).
        heard: tokens, (H,).
        vocabulary_size: V.
    """
    length = max(4, round(RUN_BITS / math.log2(max(vocabulary_size, 2))))
    places, runs = _unique_runs(text, length)
    others, heard_runs = _unique_runs(heard, length)
    _, left, right = np.intersect1d(runs, heard_runs, assume_unique=True, return_indices=True)
    pairs = np.stack([places[left], others[right]], 1)
    pairs = pairs[np.argsort(pairs[:, 0])]
    return _supported(pairs[_longest_rising(pairs[:, 1].tolist())], length)


def _unique_runs(tokens: Longs, length: int) -> tuple[Longs, npt.NDArray[np.uint64]]:
    """Return the beginnings of all runs of so many tokens that occur once, and their hashes."""
    count = len(tokens) - length + 1
    if count < 1:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    hashes = np.zeros(count, np.uint64)
    for shift in range(length):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15) + tokens[shift : shift + count].astype(
            np.uint64
        )
        hashes ^= hashes >> np.uint64(29)
    values, begins, counts = np.unique(hashes, return_index=True, return_counts=True)
    return begins[counts == 1], values[counts == 1]


def _longest_rising(values: Sequence[int]) -> list[int]:
    """Return the indices of the longest rising row."""
    tails, ends, before = list[int](), list[int](), list[int]()
    for index, value in enumerate(values):
        place = bisect.bisect_left(tails, value)
        before.append(ends[place - 1] if place else -1)
        tails[place : place + 1], ends[place : place + 1] = [value], [index]
    row, index = list[int](), ends[-1] if ends else -1
    while index >= 0:
        row.append(index)
        index = before[index]
    return row[::-1]


def _supported(pairs: Longs, length: int) -> Longs:
    """Return those pairs that another one, not far from them, agrees with."""
    kept = np.zeros(len(pairs), np.bool_)
    for shift in (1, 2, 4, 8, 16, 32, 64):
        steps = pairs[shift:] - pairs[:-shift]
        apart = steps.max(1)
        agree = np.abs(steps[:, 0] - steps[:, 1]) <= AGREEMENT * apart
        agree &= (steps.min(1) >= length) & (apart <= SUPPORT)
        kept[shift:] |= agree
        kept[:-shift] |= agree
    return pairs[kept]


def band_around(graph: TextGraph, path: Ints, vocabulary_size: int) -> tuple[Ints, int]:
    """Return the band of a text in a recording, see :func:`asr.speech.viterbi.search.best_path`,
    and the number of words that have an anchor.

    Args:
        graph: the text.
        path: most probable token of each frame, (T,).
        vocabulary_size: V.
    """
    tokens, words = text_tokens(graph)
    heard, frames = collapsed(path)
    pairs = anchors(tokens, heard, vocabulary_size)
    at_word, at_frame = words[pairs[:, 0]], frames[pairs[:, 1]]
    times = np.arange(len(path))
    # the last anchor before a frame and the first behind it, margins included
    last = np.searchsorted(at_frame, times - MARGIN_FRAMES, side="right")
    following = np.searchsorted(at_frame, times + MARGIN_FRAMES, side="left")
    low = np.append(-graph.num_words, at_word)[last] - MARGIN
    high = np.append(at_word, 2 * graph.num_words)[following] + MARGIN
    band = np.stack([low, high], 1).clip(0, graph.num_words).astype(np.int32)
    return band, len(np.unique(at_word))


def band_cells(graph: TextGraph, band: Ints) -> int:
    """Return the number of states and frames in a band."""
    ends = np.append(graph.arrays.nodes[1:], graph.num_states).astype(np.int64)
    return int((ends[band[:, 1]] - graph.arrays.nodes[band[:, 0]]).sum())

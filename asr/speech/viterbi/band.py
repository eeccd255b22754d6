"""Where in a long recording the words of a long text can be.

Runs of tokens that occur in the text and in what the network hears are anchors (as words in Moreno
et al. 1998, "A recursive algorithm for the forced alignment of very long audio segments"), the
rarest first. Their longest row that rises in both gives the band of the search: some words and
frames around it, and all that lies between two anchors.

Legend: T frames, R tokens of the text, H tokens heard, W words.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asr.speech.viterbi.graph import Ints, TextGraph
from asr.speech.viterbi.kernels import longest_rising

__all__ = ["anchors", "band_around", "band_cells", "collapsed", "rising_row", "text_tokens"]

RUN_BITS = 55.0  # of a run of tokens, were all as frequent: chance makes none of it twice
SUPPORT = 300  # tokens within which another anchor must agree
AGREEMENT = 0.25  # share by which the tokens between two anchors may differ
MAX_PAIRS = 2_000_000  # of runs that are looked at; what is repeated makes many
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
    pairs = _equal_runs(_runs(text, length), _runs(heard, length))
    # of the pairs of one place in the text, the last comes first, so that a row has one of them
    pairs = pairs[np.lexsort((-pairs[:, 1], pairs[:, 0]))]
    return _supported(pairs[rising_row(pairs[:, 1])], length)


def rising_row(values: Longs) -> Longs:
    """Return the indices of the longest increasing subsequence of values (N,)."""
    ends, before, row = np.empty((3, len(values)), np.int64)
    return row[: longest_rising(np.ascontiguousarray(values), ends, before, row)]


def _runs(tokens: Longs, length: int) -> npt.NDArray[np.uint64]:
    """Return the hash of each run of so many tokens, by its beginning."""
    count = max(0, len(tokens) - length + 1)
    hashes = np.zeros(count, np.uint64)
    for shift in range(length):
        hashes = hashes * np.uint64(0x9E3779B97F4A7C15)
        hashes += tokens[shift : shift + count].astype(np.uint64)
        hashes ^= hashes >> np.uint64(29)
    return hashes


def _equal_runs(text: npt.NDArray[np.uint64], heard: npt.NDArray[np.uint64]) -> Longs:
    """Return the beginnings (N, 2) of equal runs, those of the rarest runs."""
    orders = [np.argsort(runs, kind="stable") for runs in (text, heard)]
    (left, first, few), (right, begin, many) = (
        np.unique(runs[order], return_index=True, return_counts=True)
        for runs, order in zip((text, heard), orders, strict=True)
    )
    _, in_left, in_right = np.intersect1d(left, right, assume_unique=True, return_indices=True)
    first, few, begin, many = first[in_left], few[in_left], begin[in_right], many[in_right]
    rarest = np.argsort(few * many, kind="stable")
    rarest = rarest[np.cumsum((few * many)[rarest]) <= MAX_PAIRS]
    first, few, begin, many = first[rarest], few[rarest], begin[rarest], many[rarest]
    sizes = few * many
    run = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(run)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    own = orders[0][first[run] + place // many[run]]
    return np.stack([own, orders[1][begin[run] + place % many[run]]], 1).astype(np.int64)


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

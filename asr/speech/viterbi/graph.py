"""The states of a text: what may be said, in which order, and what leaving out costs.

The text is a row of W words. Before each word, and behind the last, lies a boundary. It has three
states: a node without a frame of its own, silence (the blank), and the star, which stands for
speech that is not in the text. Behind the boundary come the pronunciations of its word; each is a
row of tokens with optional blanks in between, as in CTC (Graves et al. 2006, section 3.1). Nodes
are joined by arcs that skip a word.

Legend: W words, P pronunciations, S states, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["BOUNDARY", "SILENCE", "STAR", "GraphArrays", "TextGraph", "text_graph"]

BOUNDARY = 3  # states of a boundary: its node, then these two
SILENCE, STAR = 1, 2

Ints = npt.NDArray[np.int32]
Spelling = Sequence[Sequence[int]]  # the pronunciations of a word, each a row of token ids


class GraphArrays(NamedTuple):
    """A text as arrays for compiled loops.

    Attributes:
        labels: token of each state, (S,); 0 is the blank, and stands for a node's none; V the star.
        jumps: 0 where a token may follow the one before it without a blank, (S,), else infinite.
        nodes: node of each boundary, (W + 1,).
        ways: number of the first pronunciation of each word, (W + 1,).
        first: first state of each pronunciation, (P,).
        last: last state of each pronunciation, (P,).
        skips: cost of leaving a word out, (W,), natural log; infinite where it must be said.
        star_open: cost of beginning a stretch that is not in the text; infinite for none.
    """

    labels: Ints
    jumps: npt.NDArray[np.float32]
    nodes: Ints
    ways: Ints
    first: Ints
    last: Ints
    skips: npt.NDArray[np.float32]
    star_open: float


class TextGraph:
    """A text as states.

    Args:
        arrays: its arrays.

    Attributes:
        arrays: its arrays.
        word_of: number of the word whose boundary or pronunciation a state belongs to, (S,).
    """

    def __init__(self, arrays: GraphArrays) -> None:
        self.arrays = arrays
        sizes = np.diff(arrays.nodes, append=len(arrays.labels))
        self.word_of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)

    @property
    def num_words(self) -> int:
        """W."""
        return len(self.arrays.skips)

    @property
    def num_states(self) -> int:
        """S."""
        return len(self.arrays.labels)

    @property
    def is_star(self) -> npt.NDArray[np.bool_]:
        """Whether a state is the star of a boundary, (S,)."""
        starred = np.zeros(self.num_states, np.bool_)
        starred[self.arrays.nodes + STAR] = True
        return starred

    def min_frames(self) -> int:
        """Return how many frames a path through all words that have to be said takes at least."""
        arrays, total, previous = self.arrays, 0, -1
        for word in np.flatnonzero(np.isinf(arrays.skips)).tolist():
            ways = range(int(arrays.ways[word]), int(arrays.ways[word + 1]))
            rows = [arrays.labels[arrays.first[w] : arrays.last[w] + 1 : 2] for w in ways]
            needed = min(len(row) + int((row[1:] == row[:-1]).sum()) for row in rows)
            if len(rows) == 1:  # of several, another may need no blank before or behind it
                needed += int(rows[0][0] == previous)
            previous = int(rows[0][-1]) if len(rows) == 1 else -1
            total += needed
        return total


def text_graph(
    words: Sequence[Spelling],
    star: int,
    skips: npt.NDArray[np.float32] | None = None,
    star_open: float = np.inf,
) -> TextGraph:
    """Return the states of a text.

    Args:
        words: the pronunciations of each word, at least one of at least one token id.
        star: id of the star, V.
        skips: see :class:`GraphArrays`; None: all words have to be said.
        star_open: see :class:`GraphArrays`.
    """
    labels: list[int] = []
    nodes, ways, first, last = list[int](), [0], list[int](), list[int]()
    for spelling in words:
        nodes.append(len(labels))
        labels += (0, 0, star)
        for tokens in spelling:
            first.append(len(labels))
            for token in tokens:
                labels += (token, 0)
            labels.pop()
            last.append(len(labels) - 1)
        ways.append(len(first))
    nodes.append(len(labels))
    labels += (0, 0, star)
    states = np.array(labels, np.int32)
    jumps = np.full(len(labels), np.inf, np.float32)
    jumps[2:][(states[2:] != 0) & (states[:-2] != states[2:])] = 0
    never = np.full(len(words), np.inf, np.float32)
    return TextGraph(
        GraphArrays(
            states,
            jumps,
            nodes=np.array(nodes, np.int32),
            ways=np.array(ways, np.int32),
            first=np.array(first, np.int32),
            last=np.array(last, np.int32),
            skips=never if skips is None else skips,
            star_open=float(star_open),
        )
    )

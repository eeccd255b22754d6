"""The n-grams of a model as one trie of flat arrays, and look-ups in it.

Node numbers run through all orders: unigrams first (node = word id), then bigrams, and so on. The
children of a node (the n-grams that extend it by one word) are the nodes ``first_child[node] :
first_child[node + 1]``, sorted by their last word.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel
from asr.lm.model import NgramModel

__all__ = ["Trie", "build_trie", "find_child", "find_rows", "next_nodes", "score_rows", "trie_rows"]


@dataclass(frozen=True, eq=False)
class Trie:
    """Flat arrays over all nodes of all orders.

    Attributes:
        last_words: int32 (nodes,), last word of each n-gram.
        first_child: int64 (nodes below the highest order + 1,).
        log10_probs: float32 (nodes,).
        log10_backoffs: float32 (nodes,).
        offsets: int64 (order + 1,), first node of each order.
    """

    last_words: npt.NDArray[np.int32]
    first_child: npt.NDArray[np.int64]
    log10_probs: npt.NDArray[np.float32]
    log10_backoffs: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]

    @property
    def order(self) -> int:
        """The longest n-grams have this many words."""
        return len(self.offsets) - 1


@kernel
def _count_children(
    parents: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
    first_child: npt.NDArray[np.int64],
    start: int,
) -> int:
    """Fill ``first_child`` of the parents, whose children begin at node ``start``; the first orphan
    row or -1.
    """
    row, columns = 0, parents.shape[1]
    for parent in range(len(parents)):
        first_child[parent] = start + row
        while row < len(rows):
            same = True
            for i in range(columns):
                if rows[row, i] != parents[parent, i]:
                    same = False
                    break
            if not same:
                break
            row += 1
    return -1 if row == len(rows) else row


def build_trie(model: NgramModel) -> Trie:
    """The trie of a model; O(number of n-grams)."""
    offsets = np.concatenate([[0], np.cumsum(model.counts)]).astype(np.int64)
    first_child = np.empty(offsets[-2] + 1, np.int64)
    first_child[-1] = offsets[-1]
    for n in range(1, model.order):
        part = first_child[offsets[n - 1] : offsets[n]]
        orphan = _count_children(model.ngrams[n - 1], model.ngrams[n], part, int(offsets[n]))
        assert orphan < 0, f"{n + 1}-gram {orphan} has no prefix, or rows are not sorted"
    return Trie(
        np.concatenate([rows[:, -1] for rows in model.ngrams]),
        first_child,
        np.concatenate(model.log10_probs),
        np.concatenate(model.log10_backoffs),
        offsets,
    )


def trie_rows(trie: Trie) -> list[npt.NDArray[np.int32]]:
    """The n-grams of each order as rows (count, n) of word ids, in the order of their nodes."""
    rows: list[npt.NDArray[np.int32]] = []
    for n, (low, high) in enumerate(itertools.pairwise(trie.offsets.tolist()), 1):
        lasts = trie.last_words[low:high, None]
        if n == 1:
            rows.append(lasts.copy())
            continue
        children = np.diff(trie.first_child[trie.offsets[n - 2] : trie.offsets[n - 1] + 1])
        rows.append(np.concatenate([np.repeat(rows[-1], children, axis=0), lasts], axis=1))
    return rows


@kernel(inline="always")
def find_child(last_words: npt.NDArray[np.int32], low: int, high: int, word: int) -> int:
    """The node with this last word among the nodes low..high-1, or -1."""
    end = high
    while low < high:
        middle = (low + high) >> 1
        if last_words[middle] < word:
            low = middle + 1
        else:
            high = middle
    return low if low < end and last_words[low] == word else -1


@kernel
def find_rows(
    rows: npt.NDArray[np.int32],
    last_words: npt.NDArray[np.int32],
    first_child: npt.NDArray[np.int64],
    out: npt.NDArray[np.int64],
) -> None:
    """Node of each row (count, columns) of word ids, or -1; ids outside the model's vocabulary are
    given as -1.
    """
    leaves = len(first_child) - 1
    for row in range(len(rows)):
        node = np.int64(rows[row, 0])
        for i in range(1, rows.shape[1]):
            if node < 0 or node >= leaves:
                node = np.int64(-1)
                break
            node = find_child(last_words, first_child[node], first_child[node + 1], rows[row, i])
        out[row] = node


@kernel
def next_nodes(
    nodes: npt.NDArray[np.int64],
    word: int,
    last_words: npt.NDArray[np.int32],
    first_child: npt.NDArray[np.int64],
    log10_probs: npt.NDArray[np.float32],
    log10_backoffs: npt.NDArray[np.float32],
) -> float:
    """log10 p(word | context); moves the context on.

    ``nodes[k]`` is the node of the last ``k + 1`` words (k = 0 ... order - 2), or -1 where they are
    no n-gram; it is changed to what holds after ``word``.
    """
    found, score = -1, 0.0
    for k in range(len(nodes) - 1, -1, -1):
        child = np.int64(-1)
        if nodes[k] >= 0:
            child = find_child(last_words, first_child[nodes[k]], first_child[nodes[k] + 1], word)
            if found < 0:
                if child >= 0:
                    found, score = k, score + log10_probs[child]
                else:
                    score += log10_backoffs[nodes[k]]
        if k + 1 < len(nodes):
            nodes[k + 1] = child
    if len(nodes) > 0:
        nodes[0] = word
    return score if found >= 0 else score + log10_probs[word]


@kernel
def score_rows(
    rows: npt.NDArray[np.int32],
    first: int,
    last_words: npt.NDArray[np.int32],
    first_child: npt.NDArray[np.int64],
    log10_probs: npt.NDArray[np.float32],
    log10_backoffs: npt.NDArray[np.float32],
    out: npt.NDArray[np.float64],
) -> None:
    """log10 p(last word | the words of its row (count, n) from column ``first`` on)."""
    last, leaves = rows.shape[1] - 1, len(first_child) - 1
    for row in range(len(rows)):
        score, word = 0.0, rows[row, last]
        for start in range(first, last):
            node = np.int64(rows[row, start])
            for i in range(start + 1, last):
                if node < 0 or node >= leaves:
                    break
                node = find_child(
                    last_words, first_child[node], first_child[node + 1], rows[row, i]
                )
            if node < 0 or node >= leaves:  # a context longer than the model's
                continue
            child = find_child(last_words, first_child[node], first_child[node + 1], word)
            if child >= 0:
                score += log10_probs[child]
                break
            score += log10_backoffs[node]
        else:
            score += log10_probs[word]
        out[row] = score

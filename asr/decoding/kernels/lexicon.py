"""Lexicon as a trie of characters with edges by token.

A node is a beginning of a word, the root (node 0) the empty one. An edge leads from a node by a
token to the node that the token's characters reach. So a word can be spelled by every sequence of
tokens that yields its characters. The edges of a node lie side by side, sorted by token: columns
token, target, gain (float32 bits), unused.

N nodes, E edges.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


class Edges(NamedTuple):
    """Edges of all nodes by token."""

    first: I32  # (N + 1,) first row of each node
    rows: I32  # (E, 4): token, target, gain (float32 bits), unused; sorted by token within a node
    masks: npt.NDArray[np.uint64]  # (N,) bit k: the node has a token with number k modulo 64


@kernel(error_model="numpy", _nrt=False, inline="always")
def popcount(x: int) -> int:
    """Return the number of set bits of a 64-bit number; LLVM knows this form, and uses POPCNT."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (x * np.uint64(0x0101010101010101)) >> np.uint64(56)


@kernel(_nrt=False)
def build_trie(codes: I32, offsets: I64, nodes: tuple[I32, I32, I32], path: I32) -> int:
    """Build the trie of sorted distinct words, numbered depth first; return the number of nodes N.

    Word w has the characters ``codes[offsets[w] : offsets[w + 1]]``. Fills in, per node, its
    parent, its last character, and the word that ends there (-1: none). ``path`` is workspace, one
    longer than the longest word; it begins with 0.
    """
    parents, chars, ends = nodes
    parents[0], chars[0], ends[0] = -1, -1, -1
    n_nodes = 1
    for w in range(len(offsets) - 1):
        start, length = offsets[w], offsets[w + 1] - offsets[w]
        # Words are sorted, so a word shares the longest beginning with the word before it; the
        # nodes of that beginning are on ``path``.
        depth = 0
        if w > 0:
            before, other = offsets[w - 1], offsets[w] - offsets[w - 1]
            while depth < min(length, other) and codes[start + depth] == codes[before + depth]:
                depth += 1
        for i in range(depth, length):
            parents[n_nodes], chars[n_nodes], ends[n_nodes] = path[i], codes[start + i], -1
            path[i + 1] = n_nodes
            n_nodes += 1
        ends[path[length]] = w
    return n_nodes


class Children(NamedTuple):
    """A trie of characters: the children of each node, and the last character of each node."""

    first: I32  # (N + 1,)
    nodes: I32  # (N - 1,) sorted by character within a node
    chars: I32  # (N,)


@kernel(_nrt=False)
def _insert_edge(edges: I32, first: int, end: int, edge: tuple[int, int]) -> None:
    """Insert an edge (token, target) behind ``edges[first:end]``, which are sorted by token."""
    place = end
    while place > first and edges[place - 1, 0] > edge[0]:
        edges[place, 0], edges[place, 1] = edges[place - 1, 0], edges[place - 1, 1]
        place -= 1
    edges[place, 0], edges[place, 1] = edge


@kernel(_nrt=False)
def _push_common_children(words: Children, pieces: Children, stack: I32, size: int) -> int:
    """Replace the pair of nodes just taken off the stack by its pairs of children.

    A pair of children has the same character in both tries. Returns the new size of the stack.
    """
    here, piece = stack[size, 0], stack[size, 1]
    a, b = words.first[here], pieces.first[piece]
    while a < words.first[here + 1] and b < pieces.first[piece + 1]:
        x, y = words.nodes[a], pieces.nodes[b]
        if words.chars[x] == pieces.chars[y]:
            stack[size, 0], stack[size, 1] = x, y
            size += 1
            a += 1
            b += 1
        elif words.chars[x] < pieces.chars[y]:
            a += 1
        else:
            b += 1
    return size


@kernel(_nrt=False)
def link_tokens(
    words: Children,
    pieces: Children,
    tokens: tuple[I32, I32],
    edges: tuple[I32, I32],
    stack: I32,
) -> int:
    """Fill in the edges of every node; return E. Without rows for them they are only counted.

    ``tokens``: for each node of the trie of pieces, the token that ends there and continues a word,
    and the token that ends there and starts a word (-1: none). Only the root has edges by tokens
    that start a word.

    From each node of the trie of words, both tries are walked down together: where a piece ends,
    its token leads to the node of the words that has been reached. ``edges``: the first edge of
    each node, and the edges. ``stack`` (N + 1, 2) is workspace.
    """
    inner, starting = tokens
    edge_first, rows = edges
    n_edges = 0
    for node in range(len(words.first) - 1):
        edge_first[node] = n_edges
        stack[0, 0], stack[0, 1] = node, 0
        size = 1
        while size > 0:
            size -= 1
            here, piece = stack[size, 0], stack[size, 1]
            for which in range(2):
                token = inner[piece] if which == 0 else starting[piece]
                if token < 0 or piece == 0 or (which == 1 and node != 0):
                    continue
                if len(rows) > 0:
                    _insert_edge(rows, edge_first[node], n_edges, (token, here))
                n_edges += 1
            size = _push_common_children(words, pieces, stack, size)
    edge_first[len(words.first) - 1] = n_edges
    return n_edges


@kernel(_nrt=False)
def fill_masks(edge_first: I32, edges: I32, masks: npt.NDArray[np.uint64]) -> None:
    """Write, per node, the set of its tokens modulo 64."""
    for node in range(len(masks)):
        masks[node] = 0
        for e in range(edge_first[node], edge_first[node + 1]):
            masks[node] |= np.uint64(1) << np.uint64(edges[e, 0] & 63)


@kernel(_nrt=False)
def look_ahead(
    trie: tuple[I32, I32], word_scores: F64, edges: Edges, gains: F32, best: F64
) -> None:
    """Write the look-ahead factor of every node into ``best``; fill in the gain of every edge.

    The factor of a node is exp of the best score of a word in its subtree, 1 at the root. The gain
    of an edge, factor(target) / factor(node), is what the search multiplies by when it takes the
    edge; ``gains`` are the rows of the edges viewed as float32. ``trie``: parents and ends.
    """
    parents, ends = trie
    for node in range(len(parents)):
        best[node] = -np.inf
    for node in range(len(parents) - 1, 0, -1):  # children have larger numbers than their parents
        if ends[node] >= 0:
            best[node] = max(best[node], word_scores[ends[node]])
        if parents[node] > 0:
            best[parents[node]] = max(best[parents[node]], best[node])
    best[0] = 0.0
    for node in range(len(parents)):
        for e in range(edges.first[node], edges.first[node + 1]):
            gains[e, 2] = math.exp(best[edges.rows[e, 1]] - best[node])
    for node in range(len(parents)):
        best[node] = math.exp(best[node])


@kernel(error_model="numpy", _nrt=False, inline="always")
def find_edge(edges: Edges, node: int, token: int, exact: bool) -> int:
    """Return the edge of ``node`` by ``token``, or -1.

    ``exact``: there are at most 64 tokens, so every token has its own bit in the masks.
    """
    bit = np.uint64(1) << np.uint64(token & 63)
    mask = edges.masks[node]
    if not mask & bit:
        return -1
    low = np.int64(edges.first[node])
    if exact:  # the edge's position is the number of smaller tokens that the node has
        return low + np.int64(popcount(mask & (bit - np.uint64(1))))
    high = np.int64(edges.first[node + 1])
    end = high
    while low < high:
        middle = (low + high) >> 1
        if edges.rows[middle, 0] < token:
            low = middle + 1
        else:
            high = middle
    return low if low < end and edges.rows[low, 0] == token else -1

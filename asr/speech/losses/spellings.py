"""All ways to spell a transcript in labels: every word by each of its pronunciations.

Legend: B batch, V vocabulary, N nodes, A arcs.

A transcript becomes a graph: a node is a label, arcs lead to the labels that may follow. Where a
label model weighs the spellings, nodes that it would go on from differently are kept apart, so that
a path's weight is the product of its arcs' (the composition of graph and model; Mohri 2009,
"Weighted Automata Algorithms").
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asr.text.tokenizers import Tokenizer

__all__ = ["LabelModel", "Speller", "Spelling", "Spellings", "spell"]

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Words = Sequence[Sequence[Sequence[int]]]


class LabelModel(Protocol):
    """What weighs spellings: a state after every label, S states in all."""

    @property
    def begin(self) -> int:
        """State before the first label."""

    @property
    def scores(self) -> F64:
        """(S, V) probability of every label after each state, in column 0 of the end."""

    @property
    def following(self) -> I64:
        """(S, V) state after every label."""


@dataclass(frozen=True)
class Spelling:
    """The spellings of one transcript, N nodes and A arcs; an arc leads to a later node.

    Attributes:
        labels: (N,) label of each node.
        first: (N + 1,) the arcs to node n are ``first[n]`` to ``first[n + 1]``.
        sources: (A,) node that an arc comes from, N for the beginning.
        weights: (A,) probability of each.
        ends: (N,) probability that the transcript ends after each node.
        log_weight: natural logarithm of the probability of all spellings together.
    """

    labels: I64
    first: I64
    sources: I64
    weights: F64
    ends: F64
    log_weight: float


@dataclass(frozen=True)
class Spellings:
    """The spellings of a batch one after the other: arrays of :class:`Spelling`, joined.

    Attributes:
        log_weights: (B,) natural logarithm of the probability of all spellings of each together.
        nodes: (B + 1,) the nodes of utterance b are ``nodes[b]`` to ``nodes[b + 1]``.
        arcs: (B + 1,) its arcs, likewise; its part of ``first`` begins at ``nodes[b] + b``.
    """

    labels: I64
    first: I64
    sources: I64
    weights: F64
    ends: F64
    log_weights: F64
    nodes: I64
    arcs: I64

    @classmethod
    def of(cls, spellings: Sequence[Spelling]) -> Spellings:
        """Return a batch."""
        return cls(
            labels=np.concatenate([s.labels for s in spellings]),
            first=np.concatenate([s.first for s in spellings]),
            sources=np.concatenate([s.sources for s in spellings]),
            weights=np.concatenate([s.weights for s in spellings]),
            ends=np.concatenate([s.ends for s in spellings]),
            log_weights=np.array([s.log_weight for s in spellings]),
            nodes=np.cumsum([0, *(len(s.labels) for s in spellings)]),
            arcs=np.cumsum([0, *(len(s.sources) for s in spellings)]),
        )

    def __len__(self) -> int:
        return len(self.nodes) - 1

    def __getitem__(self, b: int) -> Spelling:
        nodes, arcs = slice(*self.nodes[b : b + 2]), slice(*self.arcs[b : b + 2])
        return Spelling(
            labels=self.labels[nodes],
            first=self.first[nodes.start + b : nodes.stop + b + 1],
            sources=self.sources[arcs],
            weights=self.weights[arcs],
            ends=self.ends[nodes],
            log_weight=float(self.log_weights[b]),
        )

    def take(self, rows: Iterable[int]) -> Spellings:
        """Return those of some utterances."""
        return Spellings.of([self[b] for b in rows])


def spell(words: Words, model: LabelModel | None = None) -> Spelling:
    """Return the graph of a transcript, of each word its ways to be spelled.

    Without ``model`` every spelling has the weight 1.
    """
    labels: list[int] = []
    arcs: list[dict[int, float]] = []
    # nodes that end a word, -1 the beginning, each with the model's state there; an ordered set
    frontier = {(-1, model.begin if model else 0): None}
    for ways in words:
        reached: dict[tuple[int, int], None] = {}
        for way in ways:
            here: Iterable[tuple[int, int]] = frontier
            for label in way:
                nodes: dict[int, int] = {}  # state -> node
                for node, state in here:
                    after = int(model.following[state, label]) if model else 0
                    if after not in nodes:
                        nodes[after] = len(labels)
                        labels.append(label)
                        arcs.append({})
                    arcs[nodes[after]][node] = float(model.scores[state, label]) if model else 1.0
                here = [(node, state) for state, node in nodes.items()]
            reached.update(dict.fromkeys(here))
        frontier = reached
    ends = np.zeros(len(labels))
    for node, state in frontier:
        ends[node] = float(model.scores[state, 0]) if model else 1.0
    sources = np.array([node for arc in arcs for node in arc], np.int64)
    sources[sources < 0] = len(labels)
    first = np.cumsum([0, *map(len, arcs)])
    weights = np.array([w for a in arcs for w in a.values()])
    total = _log_weight(arcs, ends)
    return Spelling(
        labels=np.array(labels, np.int64),
        first=first,
        sources=sources,
        weights=weights,
        ends=ends,
        log_weight=total,
    )


def _log_weight(arcs: Sequence[dict[int, float]], ends: F64) -> float:
    """The logarithm of the sum over all paths, each a product that floats may not hold."""
    reaching = {-1: 0.0}
    for node, arc in enumerate(arcs):
        reaching[node] = _log_sum([reaching[n] + math.log(weight) for n, weight in arc.items()])
    return _log_sum([reaching[n] + math.log(ends[n]) for n in np.flatnonzero(ends).tolist()])


def _log_sum(terms: Sequence[float]) -> float:
    highest = max(terms)
    return highest + math.log(sum(math.exp(term - highest) for term in terms))


@dataclass(frozen=True)
class Speller:
    """Makes the graph of a text.

    Attributes:
        tokenizer: knows the spellings of every word.
        model: weighs them.
    """

    tokenizer: Tokenizer
    model: LabelModel | None = None

    def __call__(self, text: str) -> Spelling:
        """Return the graph of ``text``."""
        return spell(self.tokenizer.spellings(text), self.model)

"""An n-gram of labels as the weighted automaton that CTC-CRF sums over.

Legend: V vocabulary, the blank 0 included; S states. A state is a history of at least one label:
CTC writes two equal labels with a blank between, so the label before has to be known.

Arcs are exact: the sum over all ways from a state by a label is the model's probability. A state
that backs off to a shorter history lists only what it predicts otherwise, as the difference; the
rest flows through the arc of the back-off. (Of an interpolated model the difference is the
discounted relative frequency.) Where a label leads on to a longer history than after backing off,
there are two arcs, one of them negative, which takes back what flows to the shorter one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.lm import BOS, EOS, UNK, NgramModel

__all__ = ["Arcs", "LabelGraph"]

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]
History = tuple[int, ...]

LEAST_WEIGHT = 1e-9  # an arc of less is none


@dataclass(frozen=True)
class Arcs:
    """Arcs by one of their ends: a sparse matrix in rows (CSR).

    Attributes:
        first: (rows + 1,) the arcs of row i are ``first[i]`` to ``first[i + 1]``.
        other: (arcs,) the other end of each.
        weights: (arcs,) of each.
    """

    first: U32
    other: U32
    weights: F32

    @classmethod
    def by(cls, rows: I64, other: I64, weights: F64, count: int) -> Arcs:
        """Return arcs sorted by ``rows``, which are below ``count``."""
        order = np.lexsort((other, rows))
        first = np.searchsorted(rows[order], np.arange(count + 1)).astype(np.uint32)
        return cls(first, other[order].astype(np.uint32), weights[order].astype(np.float32))


@dataclass(frozen=True, eq=False)
class LabelGraph:
    """An n-gram of labels, its states sorted from short histories to long ones.

    Attributes:
        begin: state before the first label.
        label: (S,) label that leads to each state, V for ``begin``.
        backoff: (S,) state that a state backs off to, with the same label; -1 for none.
        backoff_weight: (S,) of that.
        final: (S,) probability that the sequence ends after each state.
        incoming: arcs by target; the other end is the source s, or S + s where both have one label.
        outgoing: the same arcs by such a source, 2S rows; the other end is the target.
        scores: (S, V) probability of every label after each state, in column 0 of the end.
        following: (S, V) state after every label.

    Example:
        >>> from asr.lm import estimate
        >>> model = estimate([["a b a", "b a", "a"]], order=2, notify=lambda note: None)
        >>> graph = LabelGraph.of(model, ["<blank>", "a", "b"])
        >>> len(graph.label), round(graph.perplexity([[1, 2, 1], [2, 1]]), 1)
        (3, 2.9)
    """

    begin: int
    label: I64
    backoff: I64
    backoff_weight: F32
    final: F32
    incoming: Arcs
    outgoing: Arcs
    scores: F64
    following: I64

    @classmethod
    def of(cls, model: NgramModel, tokens: Sequence[str]) -> LabelGraph:
        """Return the graph of an n-gram whose words are ``tokens``, the first of them the blank.

        Tokens that the model does not know share the probability of its ``<unk>``.
        """
        return _Builder(model, tokens).graph()

    def log_score(self, labels: Iterable[int]) -> float:
        """Return the natural logarithm of a label sequence's probability, its end included."""
        state, total = self.begin, 0.0
        for label in labels:
            total += math.log(self.scores[state, label])
            state = int(self.following[state, label])
        return total + math.log(self.scores[state, 0])

    def perplexity(self, sequences: Sequence[Sequence[int]]) -> float:
        """Return the perplexity of label sequences, every end counted as one prediction."""
        predictions = sum(len(sequence) + 1 for sequence in sequences)
        return math.exp(-sum(map(self.log_score, sequences)) / predictions)


class _Builder:
    """Turns the lists of a back-off model into states and arcs."""

    def __init__(self, model: NgramModel, tokens: Sequence[str]) -> None:
        self.size = len(tokens)
        # word of each label; -v where the model does not know it
        self.words = [EOS, *(model.ids.get(token, -v) for v, token in enumerate(tokens[1:], 1))]
        self.column = {word: v for v, word in enumerate(self.words)}
        self.listed: dict[History, list[tuple[int, float]]] = {(): []}  # label, probability
        self.backoffs: dict[History, float] = {}
        self._read(model)
        histories = {(word,) for word in self.words[1:]} | {(BOS,)} | {h for h in self.listed if h}
        self.histories = sorted(histories, key=lambda history: (len(history), history))
        self.states = {history: s for s, history in enumerate(self.histories)}

    def _read(self, model: NgramModel) -> None:
        levels = zip(model.ngrams, model.log10_probs, model.log10_backoffs, strict=True)
        for rows, log_probs, log_backoffs in levels:
            probs, backoffs = (10.0 ** x.astype(np.float64) for x in (log_probs, log_backoffs))
            for row, prob, backoff in zip(rows.tolist(), probs, backoffs, strict=True):
                self.backoffs[tuple(row)] = float(backoff)
                if row[-1] in self.column:
                    context = self.listed.setdefault(tuple(row[:-1]), [])
                    context.append((self.column[row[-1]], float(prob)))
        unknown = [v for v, word in enumerate(self.words) if word < 0]
        share = 10.0 ** float(model.log10_probs[0][UNK]) / max(1, len(unknown))
        self.listed[()] += [(v, share) for v in unknown]

    def graph(self) -> LabelGraph:
        """Return the automaton."""
        S, V = len(self.histories), self.size
        scores, following = np.zeros((S, V)), np.zeros((S, V), np.int64)
        backoff, weight = np.full(S, -1), np.zeros(S, np.float32)
        arcs: list[tuple[I64, I64, I64, F64]] = []  # source, label, target, weight
        for s, history in enumerate(self.histories):
            lower, factor = self._lower(history)
            self._fill(s, lower, factor, scores, following)
            own = [_all(scores[s], following[s])]
            if lower >= 0:
                less = factor * scores[lower], following[lower]
                differing = _differing((scores[s], following[s]), less)
                if sum(len(labels) for labels, _, _ in differing) < len(own[0][0]):
                    own, backoff[s], weight[s] = differing, lower, factor
            arcs += [(np.full(len(v), s), v, targets, mass) for v, targets, mass in own]
        source, label, target, mass = (np.concatenate(column) for column in zip(*arcs, strict=True))
        begin = self.states[(BOS,)]
        before = np.array([self.column.get(history[-1], V) for history in self.histories])
        source += S * (before[source] == label)
        return LabelGraph(
            begin=begin,
            label=before,
            backoff=backoff,
            backoff_weight=weight,
            final=scores[:, 0].astype(np.float32),
            incoming=Arcs.by(target, source, mass, S),
            outgoing=Arcs.by(source, target, mass, 2 * S),
            scores=scores,
            following=following,
        )

    def _lower(self, history: History) -> tuple[int, float]:
        """The longest state that ends ``history``, -1 for none, and the weight of backing off."""
        factor = 1.0
        while history:
            factor *= self.backoffs.get(history, 1.0)
            history = history[1:]
            if history in self.states:
                return self.states[history], factor
        return -1, factor

    def _fill(self, s: int, lower: int, factor: float, scores: F64, following: I64) -> None:
        """Fill in row s of both; state ``lower``, where there is one, has its rows."""
        history = self.histories[s]
        if lower >= 0:
            scores[s], following[s] = factor * scores[lower], following[lower]
        else:
            following[s, 1:] = [self.states[(word,)] for word in self.words[1:]]
            for v, prob in self.listed[()]:
                scores[s, v] = factor * prob
        for v, prob in self.listed.get(history, []):
            scores[s, v] = prob
            if v:
                longer = self.states.get((*history, self.words[v]))
                following[s, v] = following[s, v] if longer is None else longer


def _all(row: F64, after: I64) -> tuple[I64, I64, F64]:
    """Labels, targets and weights of all that a state predicts."""
    labels = np.flatnonzero(row[1:]) + 1
    return labels, after[labels], row[labels]


def _differing(own: tuple[F64, I64], less: tuple[F64, I64]) -> list[tuple[I64, I64, F64]]:
    """Labels, targets and weights of what a state predicts otherwise than after backing off."""
    (row, after), (lower, lower_after) = own, less
    moved = after != lower_after
    extra = np.where(moved, row, row - lower)
    extra[0] = 0.0  # the end is no arc
    labels, gone = np.flatnonzero(np.abs(extra) > LEAST_WEIGHT), np.flatnonzero(moved[1:]) + 1
    return [(labels, after[labels], extra[labels]), (gone, lower_after[gone], -lower[gone])]

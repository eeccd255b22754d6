"""Baseline: marks as hidden events of an n-gram model (Stolcke & Shriberg 1996).

Marks are tokens between the words of the training text. In text without them, an exact Viterbi
search finds the marks that make the whole text most probable. Capitals follow a full stop or
question mark; other words have the shape that they have most often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel
from asr.language.punctuation.data import MarkedText
from asr.language.punctuation.marks import MARKS
from asr.lm import UNK, NgramModel, estimate
from asr.lm.trie import Trie, build_trie, next_nodes

TOKENS = ("", "<comma>", "<stop>", "<question>")
LINE = 200  # words in a line of the training text, so that sentence ends are events like any other
ORDER = 4
PRUNE = (0, 0, 1)  # trigrams and longer ones seen once are left out
WORDS = 32_000

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HiddenEvents:
    """The model.

    Attributes:
        model: n-grams of words and marks.
        trie: of its n-grams.
        shapes: most frequent shape of each word.
    """

    model: NgramModel
    trie: Trie
    shapes: dict[str, int]

    @classmethod
    def of(cls, text: MarkedText) -> HiddenEvents:
        """Return the model of a text."""
        model = estimate([list(_lines(text))], ORDER, prune=PRUNE, max_words=WORDS)
        return cls(model, build_trie(model), _usual_shapes(text))

    def predict(self, words: list[str]) -> tuple[Ints, Ints]:
        """Return the classes of mark and shape of running words."""
        ids = np.array([self.model.ids.get(word, UNK) for word in words], np.int32)
        events = np.array([-1, *(self.model.ids[token] for token in TOKENS[1:])], np.int32)
        trie, marks = self.trie, np.zeros(len(ids), np.int64)
        back = np.zeros((len(ids), len(MARKS) ** 2), np.int8)
        _viterbi(
            ids,
            events,
            marks,
            back,
            order=self.model.order,
            last_words=trie.last_words,
            first_child=trie.first_child,
            log10_probs=trie.log10_probs,
            log10_backoffs=trie.log10_backoffs,
        )
        usual = np.array([self.shapes.get(word, 0) for word in words], np.int64)
        begins = np.concatenate([[True], marks[:-1] >= MARKS.index(".")])
        return marks, np.where(begins & (usual == 0), 1, usual)


def _lines(text: MarkedText) -> Iterator[str]:
    marks = text.marks.tolist()
    for start in range(0, len(text), LINE):
        words = text.words[start : start + LINE].tolist()
        events = (TOKENS[mark] for mark in marks[start : start + LINE])
        pairs = zip((text.vocabulary[word] for word in words), events, strict=True)
        yield " ".join(piece for pair in pairs for piece in pair if piece)


def _usual_shapes(text: MarkedText) -> dict[str, int]:
    """The most frequent shape of each word, not counting first words of sentences."""
    inside = np.concatenate([[False], text.marks[:-1] < MARKS.index(".")])
    counts = np.zeros((len(text.vocabulary), 4), np.int64)
    np.add.at(counts, (text.words[inside], text.shapes[inside]), 1)
    return dict(zip(text.vocabulary, counts.argmax(1).tolist(), strict=True))


@kernel
def _viterbi(
    ids: npt.NDArray[np.int32],
    events: npt.NDArray[np.int32],
    marks: npt.NDArray[np.int64],
    back: npt.NDArray[np.int8],
    order: int,
    last_words: npt.NDArray[np.int32],
    first_child: npt.NDArray[np.int64],
    log10_probs: npt.NDArray[np.float32],
    log10_backoffs: npt.NDArray[np.float32],
) -> None:
    """Fill ``marks``. A state is the last two marks: with the word, all that an n-gram model of
    order 4 sees, so that the search is exact.
    """
    M = len(events)
    model = (last_words, first_child, log10_probs, log10_backoffs)
    scores = np.full(M * M, -np.inf)
    nodes = np.full((M * M, order - 1), -1, np.int64)
    scores[0] = 0.0
    nodes[0, 0] = ids[0]
    next_scores, next_states = np.empty(M * M), np.empty((M * M, order - 1), np.int64)
    trial = np.empty(order - 1, np.int64)
    for place in range(len(ids)):
        next_scores[:] = -np.inf
        for state in range(M * M):
            if scores[state] == -np.inf:
                continue
            for mark in range(M):
                trial[:] = nodes[state]
                score = scores[state]
                if mark:
                    score += next_nodes(trial, events[mark], *model)
                if place + 1 < len(ids):
                    score += next_nodes(trial, ids[place + 1], *model)
                target = (state % M) * M + mark
                if score > next_scores[target]:
                    next_scores[target] = score
                    next_states[target] = trial
                    back[place, target] = state // M
        scores, next_scores = next_scores, scores
        nodes, next_states = next_states, nodes
    state = int(np.argmax(scores))
    for place in range(len(ids) - 1, -1, -1):
        marks[place] = state % M
        state = back[place, state] * M + state // M

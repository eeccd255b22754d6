"""Decode with a grammar: its sentences as an automaton in place of an n-gram model.

The graph of words is made deterministic with its weights (Mohri 1997, "Finite-State Transducers in
Language and Speech Processing"), so that the search sees a state and a word as in an n-gram model.
A word that cannot follow has no probability at all. Speech outside the grammar is recognised by how
much worse the sentence fits than the best tokens of each frame do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decoding.automaton import NgramAutomaton
from asr.decoding.beam import BeamDecoder
from asr.decoding.kernels.automaton import EMPTY, insert
from asr.decoding.stream import Stream
from asr.decoding.types import Command, Hypothesis
from asr.errors import DecodingError
from asr.lm.model import EOS, SPECIAL_WORDS
from asr.text.grammars import Grammar

__all__ = ["GRAMMAR_SETTINGS", "THRESHOLD", "GrammarDecoder", "GrammarStream", "compile_grammar"]

THRESHOLD = 0.2
"""Least confidence of a sentence that is accepted."""
GRAMMAR_SETTINGS: dict[str, Any] = {
    "lm_alpha": 1.0,
    "lm_beta": 0.0,
    "lm_boundary": True,
    "lookahead": False,
    # Few words can follow, so a path may be kept through a stretch that is heard badly.
    "beam_threshold": 60.0,
    "token_min_logp": -30.0,
}
_IMPOSSIBLE = -1e4  # log-probability of what the grammar does not allow
_ROUNDED = 6  # digits of the weights by which states are told apart
_MOST_STATES = 1_000_000

Subset = tuple[tuple[int, float], ...]  # nodes of the graph with their share, natural log


def compile_grammar(grammar: Grammar) -> NgramAutomaton:
    """Return the automaton of a grammar.

    Raises:
        DecodingError: the grammar is too large.
    """
    words = [*SPECIAL_WORDS, *grammar.words]
    ids = {word: i for i, word in enumerate(words)}
    arcs, finals = _determinise(grammar)
    entries = len(arcs) + len(finals)
    capacity = 1 << max(2, math.ceil(math.log2((entries + 1) / 0.5)))
    slots = np.full((capacity, 4), EMPTY, np.uint32)
    probs = slots.view(np.float32)
    for (state, word), (target, log_prob) in arcs.items():
        insert(slots, probs, (state, ids[word]), log_prob, target)
    for state, log_prob in finals.items():
        insert(slots, probs, (state, EOS), log_prob, 0)
    states = 1 + max([1, *(target for target, _ in arcs.values())])
    return NgramAutomaton(
        slots=slots,
        unigrams=np.full(len(words), _IMPOSSIBLE, np.float32),
        after=np.zeros(len(words), np.int32),
        backoffs=np.zeros(states, np.float32),
        shorter=np.zeros(states, np.int32),
        text=np.frombuffer("\n".join(words).encode(), np.uint8),
        order=2,
        bos_state=1,
    )


def _determinise(
    grammar: Grammar,
) -> tuple[dict[tuple[int, str], tuple[int, float]], dict[int, float]]:
    """Return (state, word) -> (state, log-probability), and the final states; the first is 1."""
    start = _closed(grammar, {0: 0.0})
    total, subset = _normalised(start)
    numbers: dict[Subset, int] = {subset: 1}
    arcs: dict[tuple[int, str], tuple[int, float]] = {}
    finals: dict[int, float] = {}
    waiting = [subset]
    while waiting:
        subset = waiting.pop()
        state = numbers[subset]
        following: dict[str, dict[int, float]] = {}
        for node, share in subset:
            if node == grammar.final:
                finals[state] = share
            for arc in grammar.arcs[node]:
                if arc.word:
                    nodes = following.setdefault(arc.word, {})
                    nodes[arc.target] = _sum(nodes.get(arc.target), share + arc.log_prob)
        for word, nodes in following.items():
            total, target = _normalised(_closed(grammar, nodes))
            if target not in numbers:
                numbers[target] = len(numbers) + 1
                waiting.append(target)
            arcs[state, word] = numbers[target], total
        if len(numbers) > _MOST_STATES:
            raise DecodingError("The grammar has too many states.", "Shorten its sentences.")
    return arcs, finals


def _closed(grammar: Grammar, nodes: dict[int, float]) -> dict[int, float]:
    """Return the nodes that are reached without a word, with the sum over all paths."""
    order, seen = list[int](), set[int]()
    stack = [(node, False) for node in nodes]
    while stack:  # depth first: a node comes before all that it leads to, once reversed
        node, is_done = stack.pop()
        if is_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(arc.target, False) for arc in grammar.arcs[node] if not arc.word]
    closed = dict(nodes)
    for node in reversed(order):
        for arc in grammar.arcs[node]:
            if not arc.word:
                closed[arc.target] = _sum(closed.get(arc.target), closed[node] + arc.log_prob)
    # what only leads on is left out
    return {
        node: share
        for node, share in closed.items()
        if node == grammar.final or any(arc.word for arc in grammar.arcs[node])
    }


def _sum(a: float | None, b: float) -> float:
    return b if a is None else float(np.logaddexp(a, b))


def _normalised(nodes: dict[int, float]) -> tuple[float, Subset]:
    """Return the log-probability of a set of nodes, and each one's share of it."""
    total = float(np.logaddexp.reduce(list(nodes.values())))
    return total, tuple(
        (node, round(share - total, _ROUNDED)) for node, share in sorted(nodes.items())
    )


class GrammarDecoder:
    """Beam search for the sentences of a grammar, with the interface of the search.

    A sentence that fits too badly is rejected: its hypothesis has no words, and its command says
    how badly.

    Args:
        decoder: the search with the automaton of the grammar.
        grammar: the grammar.
        threshold: least confidence of a sentence that is accepted, 0 to 1.

    Attributes:
        vocabulary: the tokens of the search.
        settings: of the search.
    """

    def __init__(
        self, decoder: BeamDecoder, grammar: Grammar, threshold: float = THRESHOLD
    ) -> None:
        self.decoder, self.grammar, self.threshold = decoder, grammar, threshold
        self.vocabulary, self.settings = decoder.vocabulary, decoder.settings

    def __call__(self, log_probs: Sequence[Any]) -> list[list[Hypothesis]]:
        """Return the hypotheses of each array (T, V) of natural-log probabilities."""
        arrays = list(log_probs)
        lists = self.decoder(arrays)
        return [
            self.judge(hypotheses, np.asarray(array))
            for hypotheses, array in zip(lists, arrays, strict=True)
        ]

    def judge(
        self, hypotheses: Sequence[Hypothesis], log_probs: npt.NDArray[np.float32]
    ) -> list[Hypothesis]:
        """Return hypotheses with what they say, or rejected; ``log_probs`` (T, V) is all they
        heard.
        """
        frames = self.vocabulary.arrange(np.asarray(log_probs, np.float32))
        best = float(frames.max(axis=1).sum(dtype=np.float64)) if len(frames) else 0.0
        return [self._judged(hypothesis, best) for hypothesis in hypotheses]

    def _judged(self, hypothesis: Hypothesis, best: float) -> Hypothesis:
        if not hypothesis.text:
            return hypothesis
        reading = self.grammar.read(hypothesis.text)
        margin = (hypothesis.acoustic_score - best) / max(1, len(hypothesis.tokens))
        confidence = math.exp(min(0.0, margin)) if reading is not None else 0.0
        is_accepted = reading is not None and confidence >= self.threshold
        slots = reading.slots if reading is not None else {}
        command = Command(hypothesis.text, slots, round(confidence, 4), is_accepted)
        if is_accepted:
            return replace(hypothesis, command=command)
        return replace(hypothesis, text="", words=(), tokens=(), token_frames=(), command=command)

    def stream(self) -> GrammarStream:
        """Return a stream, which decodes an utterance in chunks."""
        return GrammarStream(self.decoder.stream(), self)


class GrammarStream:
    """A :class:`asr.decoding.stream.Stream` whose final hypotheses are judged."""

    def __init__(self, stream: Stream, decoder: GrammarDecoder) -> None:
        self._stream, self._decoder = stream, decoder
        self._frames: list[npt.NDArray[np.float32]] = []

    def push(self, log_probs: Any) -> Hypothesis:
        """Take frames (t, V); return the best beginning of a sentence so far."""
        best = self._stream.push(log_probs)
        self._frames.append(np.array(log_probs, np.float32))
        return best

    def finish(self) -> list[Hypothesis]:
        """End the utterance and return its hypotheses, judged by all of its frames."""
        hypotheses = self._stream.finish()
        if not self._frames:
            return hypotheses
        return self._decoder.judge(hypotheses, np.concatenate(self._frames))

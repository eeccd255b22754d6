"""Decode commands and free speech at once: the sentences of a grammar beside an n-gram model.

Both searches hear the same log-probabilities. An utterance that the search of the grammar accepts
is that sentence: each of its tokens is heard about as well as the best token of its frames, which
no other text can beat by much. Everything else is what the open search finds; where its words hold
a sentence of the grammar, the longest one says what is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from asr.decoding.grammar import GrammarDecoder, GrammarStream
from asr.decoding.types import Command, Hypothesis
from asr.text.grammars import Grammar

__all__ = ["JoinedDecoder", "JoinedStream"]


class _Stream(Protocol):
    def push(self, log_probs: Any) -> Hypothesis: ...
    def finish(self) -> list[Hypothesis]: ...


class _Search(Protocol):
    @property
    def vocabulary(self) -> Any: ...
    def __call__(self, log_probs: Sequence[Any]) -> list[list[Hypothesis]]: ...
    def stream(self) -> _Stream: ...


class JoinedDecoder:
    """An open search that also knows the sentences of a grammar, with the interface of the search.

    Args:
        opened: the open search.
        commands: the search for sentences of the grammar.
        n_best: hypotheses that are returned.

    Attributes:
        grammar: the grammar.
        vocabulary: the tokens of the search.
    """

    def __init__(self, opened: _Search, commands: GrammarDecoder, n_best: int = 1) -> None:
        self.opened, self.commands, self.n_best = opened, commands, n_best
        self.grammar: Grammar = commands.grammar
        self.vocabulary = opened.vocabulary

    def __call__(self, log_probs: Sequence[Any]) -> list[list[Hypothesis]]:
        """Return the hypotheses of each array (T, V) of natural-log probabilities."""
        arrays = list(log_probs)
        pairs = zip(self.opened(arrays), self.commands(arrays), strict=True)
        return [self.join(opened, commands) for opened, commands in pairs]

    def join(
        self, opened: Sequence[Hypothesis], commands: Sequence[Hypothesis]
    ) -> list[Hypothesis]:
        """Return the hypotheses of an utterance, best first, with what they say.

        Args:
            opened: of the open search.
            commands: of the grammar, judged.
        """
        told = [self._told(hypothesis) for hypothesis in opened]
        best = commands[0]
        if best.command is None or not best.command.accepted:
            return told
        others = [hypothesis for hypothesis in told if hypothesis.text != best.text]
        return [best, *others][: self.n_best]

    def _told(self, hypothesis: Hypothesis) -> Hypothesis:
        """Return a hypothesis with what the longest sentence of the grammar in it says."""
        words = hypothesis.text.split()
        found = self.grammar.find(words)
        if found is None:
            return hypothesis
        start, end, reading = found
        said = hypothesis.words[start:end]
        confidence = sum(word.confidence for word in said) / max(1, len(said))
        sentence = " ".join(words[start:end])
        command = Command(sentence, reading.slots, round(confidence, 4), accepted=True)
        return replace(hypothesis, command=command)

    def stream(self) -> JoinedStream:
        """Return a stream, which decodes an utterance in chunks."""
        return JoinedStream(self.opened.stream(), self.commands.stream(), self)


class JoinedStream:
    """The streams of both searches; only final hypotheses say what is meant."""

    def __init__(self, opened: _Stream, commands: GrammarStream, decoder: JoinedDecoder) -> None:
        self._opened, self._commands, self._decoder = opened, commands, decoder

    def push(self, log_probs: Any) -> Hypothesis:
        """Take frames (t, V); return the best text of the open search so far."""
        self._commands.push(log_probs)
        return self._opened.push(log_probs)

    def finish(self) -> list[Hypothesis]:
        """End the utterance and return its hypotheses."""
        return self._decoder.join(self._opened.finish(), self._commands.finish())

"""Results of decoding: hypotheses, their words and their scores."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Command", "Hypothesis", "WordSpan"]


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A word with its time and confidence; the spans of a hypothesis are in order, without overlap.

    Attributes:
        word: the word.
        start_frame: output frame of its first token.
        end_frame: output frame after its last token; a word of one frame ends at start_frame + 1.
        confidence: in 0-1.
    """

    word: str
    start_frame: int
    end_frame: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Command:
    """What a sentence of a grammar says.

    Attributes:
        sentence: its words.
        slots: name of each slot -> its value.
        confidence: how well the sentence fits what was heard, beside the best tokens, 0 to 1.
        accepted: whether it fits well enough.
    """

    sentence: str
    slots: dict[str, str]
    confidence: float
    accepted: bool


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One transcript with its scores (natural logarithms; larger is better).

    Attributes:
        text: words with one space between them.
        score: total score, by which hypotheses are ranked.
        acoustic_score: log p(tokens | audio), summed over the alignments that the search kept; of
            the best alignment if merging is ``"max"`` or decoding is greedy.
        lm_score: unweighted log-probability of the language model, end of sentence included; 0.0
            without a model.
        tokens: token ids.
        token_frames: first output frame of each token in the best alignment.
        words: words with frames and confidences.
        command: where a grammar was used, what the sentence says.
    """

    text: str
    score: float
    acoustic_score: float
    lm_score: float
    tokens: tuple[int, ...]
    token_frames: tuple[int, ...]
    words: tuple[WordSpan, ...]
    command: Command | None = None

"""What decoding hands back: hypotheses, their words and their scores."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Hypothesis", "WordSpan"]


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A word and where it stands.

    ``start_frame`` is the output frame of its first token, ``end_frame`` the frame after its last
    one (so a word of one frame has ``end_frame == start_frame + 1``); spans of one hypothesis never
    overlap and never go back in time. ``confidence`` is in 0-1.
    """

    word: str
    start_frame: int
    end_frame: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One transcript with its scores (natural logarithms; larger is better).

    Attributes:
        text: words with one space between them.
        score: by which the search ranked it.
        acoustic_score: log p(tokens | audio), summed over the alignments that the search kept; of
            the best one where merging is ``"max"``, and for greedy.
        lm_score: unweighted log-probability of the language model, end of sentence included; 0.0
            without a model.
        tokens: ids of the tokens.
        token_frames: output frame at which each token is first emitted on the best alignment.
        words: words with frames and confidences.
    """

    text: str
    score: float
    acoustic_score: float
    lm_score: float
    tokens: tuple[int, ...]
    token_frames: tuple[int, ...]
    words: tuple[WordSpan, ...]

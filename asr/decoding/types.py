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

    ``score`` is what the search ranked by. ``acoustic_score`` is log p(tokens | audio), summed over the alignments that
    the search kept (over the best one where merging is ``"max"``, and for greedy). ``lm_score`` is
    the unweighted log probability of the language model, end of sentence included, 0.0 without a
    model. ``token_frames[i]`` is the output frame at which ``tokens[i]`` is first emitted on the
    best alignment.
    """

    text: str
    score: float
    acoustic_score: float
    lm_score: float
    tokens: tuple[int, ...]
    token_frames: tuple[int, ...]
    words: tuple[WordSpan, ...]

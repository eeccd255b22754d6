"""Transcripts of plain words -> text as people write it.

The steps are those of :mod:`asr.text.writing`, in the order in which they need each other: marks
and capitals of a whole transcript first, then numbers, which end at marks and pauses. Plain words
and their times stay beside the written text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from asr.speech.transcript import Segment, Transcript, Word, Written, WrittenToken
from asr.text.writing import SMALL, Token, as_tokens, write_numbers

__all__ = ["PLAIN", "WritingConfig", "write_transcript"]

NUMBER_PAUSE = 1.0  # seconds; a number does not go across such a pause


@dataclass(frozen=True)
class WritingConfig:
    """How words become text.

    Attributes:
        numbers: write English numbers, dates, times, money and spelled letters in figures.
        small_numbers: whole numbers below it stay words; see
            :func:`asr.text.writing.write_numbers`.
    """

    numbers: bool = False
    small_numbers: int = SMALL


PLAIN = WritingConfig()  # words as they are said


def write_transcript(transcript: Transcript, config: WritingConfig) -> Transcript:
    """Return the transcript with :attr:`asr.speech.transcript.Segment.written` of each segment; as
    it is where ``config`` asks for nothing.
    """
    if not config.numbers:
        return transcript
    segments = tuple(
        replace(s, written=_written(_tokens(s, config), s.words)) if s.words else s
        for s in transcript.segments
    )
    return replace(transcript, segments=segments)


def _tokens(segment: Segment, config: WritingConfig) -> list[Token]:
    words = segment.words
    pauses = {
        place
        for place in range(len(words) - 1)
        if words[place + 1].start - words[place].end >= NUMBER_PAUSE
    }
    tokens = as_tokens([word.word for word in words])
    return write_numbers(tokens, small=config.small_numbers, pauses=pauses)


def _written(tokens: Sequence[Token], words: Sequence[Word]) -> Written:
    timed = tuple(_timed(token, words[token.start : token.stop]) for token in tokens)
    return Written(" ".join(token.text for token in timed), timed)


def _timed(token: Token, words: Sequence[Word]) -> WrittenToken:
    return WrittenToken(
        text=str(token),
        start=words[0].start,
        end=words[-1].end,
        confidence=round(sum(word.confidence for word in words) / len(words), 4),
        first_word=token.start,
        stop_word=token.stop,
        mark=token.mark,
    )

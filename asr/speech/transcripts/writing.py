"""Transcripts of plain words -> text as people write it.

The steps are those of :mod:`asr.text.writing`, in the order in which they need each other: marks
and capitals of a whole transcript first, then numbers, which end at marks and pauses. Plain words
and their times stay beside the written text.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from asr.model_folder import Bundle
from asr.speech.transcripts.transcript import Transcript, Word, Written, WrittenToken
from asr.text.chinese import join_words
from asr.text.writing import SMALL, Token, as_tokens, write_numbers

if TYPE_CHECKING:
    from asr.language.punctuation.restorer import Restorer

__all__ = ["AUTO", "PLAIN", "Writer", "WritingConfig", "write_transcript"]

AUTO = "auto"  # the text model that the speech model's folder names under this key:
TEXT_MODEL = "text_model"

END_PAUSE = 5.0  # seconds, after the last word
NUMBER_PAUSE = 1.0  # seconds; a number does not go across such a pause


@dataclass(frozen=True)
class WritingConfig:
    """How words become text.

    Attributes:
        text_model: sets marks and capitals: name of a model that comes with asr, or path of a model
            folder; ``auto`` takes the one that the speech model names, if any; empty: none.
        numbers: write English numbers, dates, times, money and spelled letters in figures.
        small_numbers: whole numbers below it stay words; see
            :func:`asr.text.writing.write_numbers`.
    """

    text_model: str = ""
    numbers: bool = False
    small_numbers: int = SMALL


PLAIN = WritingConfig()  # words as they are said


def write_transcript(transcript: Transcript, config: WritingConfig) -> Transcript:
    """Return the transcript with ``written`` of each segment; as it is where nothing is asked for.

    For many transcripts, keep a :class:`Writer`.

    Raises:
        ModelError: the text model cannot be used.
    """
    return Writer(config).write(transcript)


class Writer:
    """Writes transcripts.

    Args:
        config: how words become text.
        speech_model: opened folder that ``auto`` looks into.

    Attributes:
        config: the same.
        restorer: sets marks and capitals; None where they are not asked for.

    Raises:
        ModelError: the text model cannot be used.
    """

    def __init__(self, config: WritingConfig, speech_model: Bundle | None = None) -> None:
        self.config, self.restorer = config, _restorer(config.text_model, speech_model)

    @property
    def is_plain(self) -> bool:
        """Whether words stay as they are."""
        return self.restorer is None and not self.config.numbers

    def variant(self, punctuation: bool, numbers: bool) -> Writer:
        """Return a writer that shares the text model, with or without marks and numbers."""
        if (punctuation or self.restorer is None) and numbers == self.config.numbers:
            return self
        text_model = self.config.text_model if punctuation else ""
        other = copy.copy(self)
        other.config = replace(self.config, text_model=text_model, numbers=numbers)
        other.restorer = self.restorer if punctuation else None
        return other

    def write(self, transcript: Transcript) -> Transcript:
        """Return the transcript with the written text of each segment."""
        if self.is_plain:
            return transcript
        tokens = self._marked(transcript.words)
        segments, first = [], 0
        for segment in transcript.segments:
            last = first + len(segment.words)
            own = [
                replace(token, start=token.start - first, stop=token.stop - first)
                for token in tokens[first:last]
            ]
            written = self.written(own, segment.words) if own else None
            segments.append(replace(segment, written=written))
            first = last
        return replace(transcript, segments=tuple(segments))

    def stream(self) -> WritingStream:
        """Return a writer of the utterances of a stream."""
        return WritingStream(self)

    def _marked(self, words: Sequence[Word]) -> list[Token]:
        """A token for each word of a whole transcript: what follows decides on its mark."""
        plain = [word.word for word in words]
        if self.restorer is None:
            return as_tokens(plain)
        pauses_s = [b.start - a.end for a, b in itertools.pairwise(words)]
        restored = self.restorer.restore(plain, pauses_s=[*pauses_s, END_PAUSE][: len(words)])
        return [
            Token(word.text, place, place + 1, word.mark) for place, word in enumerate(restored)
        ]

    def written(self, tokens: Sequence[Token], words: Sequence[Word]) -> Written:
        """Return tokens, which have their marks, with numbers in figures and with their times."""
        if self.config.numbers:
            pauses = {
                place
                for place in range(len(words) - 1)
                if words[place + 1].start - words[place].end >= NUMBER_PAUSE
            }
            tokens = write_numbers(tokens, small=self.config.small_numbers, pauses=pauses)
        return _written(tokens, words)


class WritingStream:
    """Writes utterances one after the other; each is read after those before it.

    Args:
        writer: how.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        restorer = writer.restorer
        self._marks = None if restorer is None else restorer.stream()

    def write(self, words: Sequence[Word], ends: bool = True) -> Written | None:
        """Return an utterance as people write it; None where its words stay as they are.

        Args:
            words: of the utterance.
            ends: a sentence ends with it; not where it was cut without a pause.
        """
        if self._writer.is_plain or not words:
            return None
        tokens = as_tokens([word.word for word in words])
        if self._marks is not None:
            restored = self._marks.push([word.word for word in words]) + self._marks.finish(ends)
            tokens = [
                replace(t, text=w.text, mark=w.mark) for t, w in zip(tokens, restored, strict=True)
            ]
        return self._writer.written(tokens, words)


def _restorer(text_model: str, speech_model: Bundle | None) -> Restorer | None:
    if text_model == AUTO:
        text_model = "" if speech_model is None else speech_model.config.get(TEXT_MODEL, "")
    if not text_model:
        return None
    from asr.language.punctuation.restorer import Restorer

    return Restorer.load(text_model)


def _written(tokens: Sequence[Token], words: Sequence[Word]) -> Written:
    timed = tuple(_timed(token, words[token.start : token.stop]) for token in tokens)
    return Written(join_words(token.text for token in timed), timed)


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

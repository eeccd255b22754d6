"""Forced alignment: when each word and each character of a known text is said in a recording, and
the formats it is written in. :mod:`asr.speech.aligner` computes it.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from asr.speech.transcripts.subtitles import SubtitleConfig
from asr.speech.transcripts.transcript import Segment, Transcript, Word, ctm_name

__all__ = [
    "FORMATS",
    "AlignedToken",
    "AlignedWord",
    "ForcedAlignment",
    "Stretch",
    "UnsaidWord",
    "earlier_starts",
]

# Natural log a frame. With the model `en`, right texts of read speech have 0.1 to 0.7, texts of
# which half the words are of another recording 2.7 to 4.2, others 4.3 to 8.6.
DOUBTFUL_GAP = 1.5
# A CTC network emits the first token of a word 50 to 70 ms after the word begins, whatever the
# voice, the speed and the model (measured against the word events of synthesised speech:
# benchmarks/transcription/word_times.py).
ONSET_S = 0.055
SAID_SHARE = 0.5  # of the words; below, most of the text is not said


@dataclass(frozen=True, slots=True)
class AlignedToken:
    """A character, piece or phone of a word.

    Attributes:
        token: as the vocabulary spells it.
        start: in seconds.
        end: in seconds.
        confidence: 0 to 1.
    """

    token: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True, slots=True)
class AlignedWord:
    """A word of a known text.

    Attributes:
        word: as the text spells it.
        start: in seconds.
        end: in seconds.
        confidence: geometric mean of its tokens', 0 to 1.
        tokens: in order of time.
        cost: natural log by which the path of the text is less probable than the best one, from
            here to the next word; some units where something else is said.
    """

    word: str
    start: float
    end: float
    confidence: float
    tokens: tuple[AlignedToken, ...]
    cost: float = 0.0


@dataclass(frozen=True)
class UnsaidWord:
    """A word of the text that is not said.

    Attributes:
        word: as the text spells it.
        position: how many words are said before it.
    """

    word: str
    position: int


@dataclass(frozen=True)
class Stretch:
    """Speech that is not in the text.

    Attributes:
        start: in seconds.
        end: in seconds.
    """

    start: float
    end: float


_Aligned = TypeVar("_Aligned", AlignedToken, AlignedWord, Stretch)


@dataclass(frozen=True)
class ForcedAlignment:
    """When the words of a known text were said.

    Attributes:
        text: the words, with blanks between them.
        duration_s: of the recording.
        words: in order of time.
        score: mean natural log-probability of the frames of its tokens; it is low where something
            else was said.
        model: name of the model.
        gap: by how much the path of the text is less probable than the best one, natural log a
            frame with a token; it is large where something else was said.
        unit: what the tokens of words are: characters, pieces or phones.
        unsaid: words of the text that are not said, where that is allowed.
        other: speech that is not in the text, where that is allowed.
    """

    text: str
    duration_s: float
    words: tuple[AlignedWord, ...]
    score: float
    model: str
    gap: float = 0.0
    unit: str = "characters"
    unsaid: tuple[UnsaidWord, ...] = ()
    other: tuple[Stretch, ...] = ()

    @property
    def doubt(self) -> str:
        """What is to be said where the text does not seem to be what is said, else empty."""
        if len(self.words) < SAID_SHARE * (len(self.words) + len(self.unsaid)):
            return (
                f"most of the text is not said: {len(self.words)} of "
                f"{len(self.words) + len(self.unsaid)} words are"
            )
        if self.gap < DOUBTFUL_GAP:
            return ""
        return (
            f"something else seems to be said than the text: its path is {self.gap:.2f} less "
            f"probable a frame than the best one (natural log; below {DOUBTFUL_GAP} where the text "
            "is right)"
        )

    def later(self, seconds: float) -> ForcedAlignment:
        """Return the alignment by a clock on which the recording begins at ``seconds``."""
        if not seconds:
            return self
        words = tuple(
            replace(_moved(word, seconds), tokens=tuple(_moved(t, seconds) for t in word.tokens))
            for word in self.words
        )
        other = tuple(_moved(stretch, seconds) for stretch in self.other)
        duration_s = round(self.duration_s + seconds, 3)
        return replace(self, words=words, other=other, duration_s=duration_s)

    def to_json(self) -> str:
        """Return JSON of all attributes; each word has its ``tokens``."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1) + "\n"

    def to_ctm(self, name: str = "recording") -> str:
        """Return NIST CTM: recording, channel, start, duration, word, confidence.

        The name of the recording is written as
        :func:`asr.speech.transcripts.transcript.ctm_name` says.
        """
        name = ctm_name(name)
        rows = (
            f"{name} 1 {w.start:.2f} {w.end - w.start:.2f} {w.word} {w.confidence:.3f}\n"
            for w in self.words
        )
        return "".join(rows)

    def to_textgrid(self) -> str:
        """Return a TextGrid of Praat with the tiers ``words`` and :attr:`unit`."""
        words = [(w.start, w.end, w.word) for w in self.words]
        characters = [(t.start, t.end, t.token) for w in self.words for t in w.tokens]
        tiers = [
            _tier(1, "words", words, self.duration_s),
            _tier(2, self.unit, characters, self.duration_s),
        ]
        head = 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
        times = f"xmin = 0\nxmax = {self.duration_s:.3f}\n"
        size = f"tiers? <exists>\nsize = {len(tiers)}\nitem []:\n"
        return head + times + size + "".join(tiers)

    def transcript(self) -> Transcript:
        """Return the words that are said as a transcript of one segment."""
        words = tuple(Word(w.word, w.start, w.end, w.confidence) for w in self.words)
        if not words:
            return Transcript("", self.duration_s, (), self.model)
        confidence = round(sum(word.confidence for word in words) / len(words), 4)
        segment = Segment(words[0].start, words[-1].end, self.text, confidence, words)
        return Transcript(self.text, self.duration_s, (segment,), self.model)

    def render(
        self,
        output_format: str,
        name: str = "recording",
        subtitles: SubtitleConfig | None = None,
    ) -> str:
        """Return the alignment in one of :data:`FORMATS`.

        Args:
            output_format: key of :data:`FORMATS`.
            name: of the recording.
            subtitles: rules of SRT and WebVTT.
        """
        if output_format in ("srt", "vtt"):
            return self.transcript().render(output_format, subtitles=subtitles)
        if output_format == "ctm":
            return self.to_ctm(name)
        return self.to_json() if output_format == "json" else self.to_textgrid()


def _moved(span: _Aligned, seconds: float) -> _Aligned:
    return replace(span, start=round(span.start + seconds, 3), end=round(span.end + seconds, 3))


FORMATS = {
    "textgrid": ".TextGrid",
    "ctm": ".ctm",
    "json": ".json",
    "srt": ".srt",
    "vtt": ".vtt",
}


def _tier(
    number: int, name: str, spans: Sequence[tuple[float, float, str]], duration_s: float
) -> str:
    """An interval tier; Praat wants no gaps, so silence becomes intervals without text."""
    intervals, place = [], 0.0
    for start, end, text in spans:
        if start > place:
            intervals.append((place, start, ""))
        if end > start:
            intervals.append((start, end, text))
        place = max(place, end)
    if place < duration_s or not intervals:
        intervals.append((place, duration_s, ""))
    rows = "".join(
        f"        intervals [{i}]:\n            xmin = {start:.3f}\n            xmax = {end:.3f}\n"
        f"            text = {_quoted(text)}\n"
        for i, (start, end, text) in enumerate(intervals, 1)
    )
    indent = " " * 8
    head = [
        f"    item [{number}]:",
        f'{indent}class = "IntervalTier"',
        f'{indent}name = "{name}"',
        f"{indent}xmin = 0",
        f"{indent}xmax = {duration_s:.3f}",
        f"{indent}intervals: size = {len(intervals)}",
    ]
    return "\n".join(head) + "\n" + rows


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def earlier_starts(
    spans: Sequence[tuple[float, float]], latest_ends: Sequence[float] | None = None
) -> list[tuple[float, float]]:
    """Return the times of words, each start moved from its first token to where the word begins.

    Where the new start lies within the word before, that word ends there, but not before its
    middle. Words in order of time stay so, without overlap.

    Args:
        spans: (start, end) in seconds of the tokens of each word.
        latest_ends: times before which each word must not be ended, instead of its middle.
    """
    moved: list[tuple[float, float]] = []
    for number, (start, end) in enumerate(spans):
        begin = max(0.0, start - ONSET_S)
        if moved:
            first, last = moved[-1]
            bound = (first + last) / 2 if latest_ends is None else latest_ends[number - 1]
            begin = min(start, max(begin, bound))
            moved[-1] = (first, min(last, begin))
        moved.append((begin, end))
    return moved

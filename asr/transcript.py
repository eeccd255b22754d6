"""What recognition returns, and the ways to write it down."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass

__all__ = ["FORMATS", "Segment", "Transcript", "Word"]


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds and its confidence, 0 to 1."""

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Segment:
    """A stretch of speech: times in seconds, text, mean word confidence (0 to 1), words."""

    start: float
    end: float
    text: str
    confidence: float
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Transcript:
    """Text of a recording.

    Attributes:
        text: all of it. duration_s: of the recording. segments: in order of time. model: name of the model.
    """

    text: str
    duration_s: float
    segments: tuple[Segment, ...]
    model: str

    @property
    def words(self) -> tuple[Word, ...]:
        """Words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    def to_json(self) -> str:
        """Return JSON with ``text``, ``duration_s``, ``segments`` and ``model``."""
        return json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=1) + "\n"

    def to_txt(self) -> str:
        """Return the text, one line a segment."""
        return "".join(f"{segment.text}\n" for segment in self.segments) or "\n"

    def to_tsv(self) -> str:
        """Return a table of segments: start and end in seconds, confidence, text."""
        rows = (f"{s.start:.2f}\t{s.end:.2f}\t{s.confidence:.3f}\t{s.text}\n" for s in self.segments)
        return "start\tend\tconfidence\ttext\n" + "".join(rows)

    def to_srt(self) -> str:
        """Return SubRip subtitles."""
        cues = (
            f"{number}\n{_clock(s.start, ',')} --> {_clock(s.end, ',')}\n{s.text}\n"
            for number, s in enumerate(self.segments, 1)
        )
        return "\n".join(cues)

    def to_vtt(self) -> str:
        """Return WebVTT subtitles."""
        cues = (f"\n{_clock(s.start, '.')} --> {_clock(s.end, '.')}\n{s.text}\n" for s in self.segments)
        return "WEBVTT\n" + "".join(cues)

    def to_ctm(self, name: str = "recording") -> str:
        """Return NIST CTM: recording, channel, start, duration, word, confidence."""
        rows = (f"{name} 1 {w.start:.2f} {w.end - w.start:.2f} {w.word} {w.confidence:.3f}\n" for w in self.words)
        return "".join(rows)

    def render(self, output_format: str, name: str = "recording") -> str:
        """Return the transcript in one of :data:`FORMATS`; ``name`` is the recording's, for formats that hold it."""
        if output_format == "ctm":
            return self.to_ctm(name)
        return str(getattr(self, f"to_{output_format}")())


FORMATS = ("txt", "json", "srt", "vtt", "tsv", "ctm")


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"

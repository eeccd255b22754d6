"""What recognition returns, and the ways to write it down."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

__all__ = ["FORMATS", "Alternative", "Segment", "Transcript", "Word", "merge_channels"]

CUE_CHARACTERS, CUE_SECONDS, CUE_GAP = (
    84,
    7.0,
    2.0,
)  # of a subtitle: two lines, as broadcasters do; a pause ends it


@dataclass(frozen=True)
class Word:
    """A word with its times in seconds and its confidence, 0 to 1."""

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Alternative:
    """Another reading of a segment: text, mean word confidence, score of the search (natural log),
    words.
    """

    text: str
    confidence: float
    score: float
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Segment:
    """A stretch of speech.

    Attributes:
        start: in seconds.
        end: in seconds.
        text: what was said.
        confidence: mean of its words, 0 to 1.
        words: in order of time.
        alternatives: where N-best was asked for, the N readings, this one first.
        channel: counted from 0, where channels were recognised apart.
    """

    start: float
    end: float
    text: str
    confidence: float
    words: tuple[Word, ...]
    alternatives: tuple[Alternative, ...] = ()
    channel: int | None = None


@dataclass(frozen=True)
class Transcript:
    """Text of a recording.

    Attributes:
        text: all of it.
        duration_s: of the recording.
        segments: in order of time.
        model: name of the model.
    """

    text: str
    duration_s: float
    segments: tuple[Segment, ...]
    model: str

    @property
    def words(self) -> tuple[Word, ...]:
        """Words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    def to_json(self, recording: str | None = None) -> str:
        """Return JSON with ``text``, ``duration_s``, ``segments`` and ``model``; before them
        ``recording`` if given.

        A segment has ``alternatives`` and ``channel`` only where they were asked for.
        """
        content = ({} if recording is None else {"recording": recording}) | dataclasses.asdict(self)
        content["segments"] = [_without_unasked(segment) for segment in content["segments"]]
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def to_txt(self) -> str:
        """Return the text, one line a segment; after the channel's number where channels were
        recognised apart.
        """
        return "".join(f"{_speaker(segment)}{segment.text}\n" for segment in self.segments) or "\n"

    def to_tsv(self) -> str:
        """Return a table of segments: start and end in seconds, confidence, text; and the channel
        where it is known.
        """
        apart = any(s.channel is not None for s in self.segments)
        rows = (
            f"{s.start:.2f}\t{s.end:.2f}\t{s.confidence:.3f}\t{f'{s.channel}' + chr(9) if apart else ''}{s.text}\n"
            for s in self.segments
        )
        return f"start\tend\tconfidence\t{'channel' + chr(9) if apart else ''}text\n" + "".join(
            rows
        )

    def to_srt(self) -> str:
        """Return SubRip subtitles; long segments become several cues."""
        cues = (
            f"{number}\n{_clock(s.start, ',')} --> {_clock(s.end, ',')}\n{_speaker(s)}{s.text}\n"
            for number, s in enumerate(self._cues(), 1)
        )
        return "\n".join(cues)

    def to_vtt(self) -> str:
        """Return WebVTT subtitles; long segments become several cues."""
        cues = (
            f"\n{_clock(s.start, '.')} --> {_clock(s.end, '.')}\n"
            + ("" if s.channel is None else f"<v Channel {s.channel}>")
            + s.text.replace("&", "&amp;").replace("<", "&lt;")
            + "\n"
            for s in self._cues()
        )
        return "WEBVTT\n" + "".join(cues)

    def to_ctm(self, name: str = "recording") -> str:
        """Return NIST CTM: recording, channel (from 1), start, duration, word, confidence; blanks
        in names become _.
        """
        name = "_".join(name.split())
        rows = (
            f"{name} {(s.channel or 0) + 1} {w.start:.2f} {w.end - w.start:.2f} {w.word} {w.confidence:.3f}\n"
            for s in self.segments
            for w in s.words
        )
        return "".join(rows)

    def render(self, output_format: str, name: str = "recording") -> str:
        """Return the transcript in one of :data:`FORMATS`; ``name`` is the recording's, for formats
        that hold it.
        """
        if output_format == "ctm":
            return self.to_ctm(name)
        return str(getattr(self, f"to_{output_format}")())

    def _cues(self) -> Iterator[Segment]:
        for segment in self.segments:
            yield from _cues(segment)


FORMATS = ("txt", "json", "srt", "vtt", "tsv", "ctm")


def merge_channels(transcripts: list[Transcript]) -> Transcript:
    """Return transcripts of the channels of one recording as one, its segments in order of time
    with their channel.
    """
    segments = [
        replace(s, channel=channel) for channel, t in enumerate(transcripts) for s in t.segments
    ]
    segments.sort(key=lambda s: (s.start, s.channel))
    return replace(
        transcripts[0], text=" ".join(s.text for s in segments), segments=tuple(segments)
    )


def _without_unasked(segment: dict[str, Any]) -> dict[str, Any]:
    optional = ("alternatives", "channel")
    return {
        key: value
        for key, value in segment.items()
        if key not in optional or value not in (None, ())
    }


def _speaker(segment: Segment) -> str:
    return "" if segment.channel is None else f"{segment.channel}: "


def _cues(segment: Segment) -> Iterator[Segment]:
    """The segment in pieces that can be read on a screen: a new one at a long pause, or when a line
    would be too long.

    A segment that has to be cut is cut into parts of about equal length.
    """
    groups: list[list[Word]] = []
    for word in segment.words:
        if not groups or word.start - groups[-1][-1].end > CUE_GAP:
            groups.append([])
        groups[-1].append(word)
    for words in groups:
        yield from (_cue(segment, part) for part in _even_parts(words))
    if not groups:
        yield segment


def _even_parts(words: list[Word]) -> Iterator[list[Word]]:
    length, seconds = len(" ".join(w.word for w in words)), words[-1].end - words[0].start
    if len(words) < 2 or (length <= CUE_CHARACTERS and seconds <= CUE_SECONDS):
        yield words
        return
    parts = max(2, -(-length // CUE_CHARACTERS), int(-(-seconds // CUE_SECONDS)))
    target, spelled, first = length / parts, 0, 0
    for place, word in enumerate(words[:-1], 1):
        spelled += len(word.word) + 1
        late = words[place].end - words[first].start > CUE_SECONDS
        if spelled >= target or late or spelled + len(words[place].word) > CUE_CHARACTERS:
            yield words[first:place]
            first, spelled = place, 0
    yield words[first:]


def _cue(segment: Segment, words: list[Word]) -> Segment:
    return replace(
        segment, start=words[0].start, end=words[-1].end, text=" ".join(w.word for w in words)
    )


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(seconds * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"

"""The result of recognition, and the formats to write it in."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

__all__ = [
    "FORMATS",
    "Alternative",
    "Segment",
    "Transcript",
    "Word",
    "ctm_name",
    "merge_channels",
    "read_transcript",
]

# Of a subtitle cue: at most two lines of text and so many seconds, as broadcasters do; a pause of
# CUE_GAP seconds ends it.
CUE_CHARACTERS, CUE_SECONDS, CUE_GAP = 84, 7.0, 2.0


@dataclass(frozen=True)
class Word:
    """A word of a transcript.

    Attributes:
        word: as it is written.
        start: in seconds.
        end: in seconds.
        confidence: 0 to 1.
    """

    word: str
    start: float
    end: float
    confidence: float


@dataclass(frozen=True)
class Alternative:
    """One of the N best readings of a segment.

    Attributes:
        text: of the reading.
        confidence: mean of its words, 0 to 1.
        score: of the search (natural log).
        words: in order of time.
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
        notes: what is to be said about the recording, a sentence each: that it is clipped, quiet,
            without speech, has holes.
    """

    text: str
    duration_s: float
    segments: tuple[Segment, ...]
    model: str
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> tuple[Word, ...]:
        """Words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    def confident(self, minimum: float) -> Transcript:
        """Return the transcript without the words whose confidence is below ``minimum``."""
        kept = (_confident(segment, minimum) for segment in self.segments)
        segments = tuple(segment for segment in kept if segment.words)
        return replace(self, text=" ".join(s.text for s in segments), segments=segments)

    def from_file(self, start_s: float, notes: Iterable[str]) -> Transcript:
        """Return the transcript by the clock of its file, with what is to be said about it.

        Args:
            start_s: time of the first sample by that clock.
            notes: a sentence each; that no speech was recognised is added.
        """
        silent = () if self.text else ("no speech was recognised",)
        noted = replace(self, notes=tuple(dict.fromkeys((*notes, *self.notes, *silent))))
        if not start_s:
            return noted
        return replace(
            noted,
            duration_s=round(self.duration_s + start_s, 3),
            segments=tuple(_later(segment, start_s) for segment in self.segments),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return ``text``, ``duration_s``, ``segments`` and ``model``, as JSON has them.

        A segment has ``alternatives`` and ``channel`` only where they were asked for, and ``notes``
        are there only where there is something to say.
        """
        content = dataclasses.asdict(self)
        if not self.notes:
            del content["notes"]
        content["segments"] = [_without_unasked(segment) for segment in content["segments"]]
        return content

    def to_json(self, recording: str | None = None) -> str:
        """Return :meth:`to_dict` as JSON.

        Args:
            recording: name of the recording, which then comes first.
        """
        content = ({} if recording is None else {"recording": recording}) | self.to_dict()
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def to_txt(self) -> str:
        """Return the text, one line a segment; it begins with the channel where channels were
        recognised apart.
        """
        return "".join(f"{_speaker(segment)}{segment.text}\n" for segment in self.segments) or "\n"

    def to_tsv(self) -> str:
        """Return a table of segments: start and end in seconds, confidence, text.

        There is a column for the channel where channels were recognised apart.
        """
        apart = any(segment.channel is not None for segment in self.segments)
        rows = [["start", "end", "confidence", *(["channel"] if apart else []), "text"]]
        for s in self.segments:
            channel = [f"{s.channel}"] if apart else []
            rows.append([f"{s.start:.2f}", f"{s.end:.2f}", f"{s.confidence:.3f}", *channel, s.text])
        return "".join("\t".join(row) + "\n" for row in rows)

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
        """Return NIST CTM: recording, channel (from 1), start, duration, word, confidence.

        The name of the recording is written as :func:`ctm_name` says.
        """
        name = ctm_name(name)
        rows = []
        for s in self.segments:
            place = f"{name} {(s.channel or 0) + 1}"
            for w in s.words:
                times = f"{w.start:.2f} {w.end - w.start:.2f}"
                rows.append(f"{place} {times} {w.word} {w.confidence:.3f}\n")
        return "".join(rows)

    def render(self, output_format: str, name: str = "recording") -> str:
        """Return the transcript as text in one of :data:`FORMATS`.

        Args:
            output_format: key of :data:`FORMATS`.
            name: of the recording, for formats that hold it.
        """
        if output_format == "ctm":
            return self.to_ctm(name)
        return str(getattr(self, f"to_{output_format}")())

    def _cues(self) -> Iterator[Segment]:
        for segment in self.segments:
            yield from _cues(segment)


FORMATS = ("txt", "json", "srt", "vtt", "tsv", "ctm")


def read_transcript(content: dict[str, Any]) -> Transcript:
    """Return the transcript that :meth:`Transcript.to_dict` gave."""
    segments = tuple(_segment(entry) for entry in content["segments"])
    notes = tuple(content.get("notes", ()))
    return Transcript(content["text"], content["duration_s"], segments, content["model"], notes)


def _segment(entry: dict[str, Any]) -> Segment:
    readings = (
        Alternative(**{**reading, "words": _words(reading)})
        for reading in entry.get("alternatives", ())
    )
    return Segment(**{**entry, "words": _words(entry), "alternatives": tuple(readings)})


def _words(entry: dict[str, Any]) -> tuple[Word, ...]:
    return tuple(Word(**word) for word in entry["words"])


def ctm_name(name: str) -> str:
    """Return the name of a recording as a CTM can hold it.

    Blanks become ``_``, and one is put before ``;;``, which begins a comment.
    """
    joined = "_".join(name.split())
    return f"_{joined}" if joined.startswith(";;") else joined


def merge_channels(transcripts: list[Transcript]) -> Transcript:
    """Return the transcripts of a recording's channels as one, its segments in order of time."""
    segments = [
        replace(s, channel=channel) for channel, t in enumerate(transcripts) for s in t.segments
    ]
    segments.sort(key=lambda s: (s.start, s.channel))
    return replace(
        transcripts[0], text=" ".join(s.text for s in segments), segments=tuple(segments)
    )


def _confident(segment: Segment, minimum: float) -> Segment:
    words = tuple(word for word in segment.words if word.confidence >= minimum)
    if not words or len(words) == len(segment.words):
        return replace(segment, words=words)
    return replace(
        segment,
        start=words[0].start,
        end=words[-1].end,
        text=" ".join(word.word for word in words),
        confidence=round(sum(word.confidence for word in words) / len(words), 4),
        words=words,
    )


def _later(segment: Segment, seconds: float) -> Segment:
    alternatives = tuple(
        replace(reading, words=_words_later(reading.words, seconds))
        for reading in segment.alternatives
    )
    return replace(
        segment,
        start=round(segment.start + seconds, 3),
        end=round(segment.end + seconds, 3),
        words=_words_later(segment.words, seconds),
        alternatives=alternatives,
    )


def _words_later(words: Iterable[Word], seconds: float) -> tuple[Word, ...]:
    return tuple(
        replace(word, start=round(word.start + seconds, 3), end=round(word.end + seconds, 3))
        for word in words
    )


def _without_unasked(segment: dict[str, Any]) -> dict[str, Any]:
    optional = ("alternatives", "channel")
    return {
        key: value
        for key, value in segment.items()
        if key not in optional or value not in (None, ())
    }


def _speaker(segment: Segment) -> str:
    """The channel before a line of text, where channels were recognised apart."""
    return "" if segment.channel is None else f"{segment.channel}: "


def _cues(segment: Segment) -> Iterator[Segment]:
    """The segment in cues that can be read on a screen; a long pause or too much text ends a cue.

    Too long a segment is cut into parts of about equal length.
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
    """Cut words into as few cues as fit, of about equal numbers of characters."""
    length, seconds = len(" ".join(w.word for w in words)), words[-1].end - words[0].start
    if len(words) < 2 or (length <= CUE_CHARACTERS and seconds <= CUE_SECONDS):
        yield words
        return
    parts = max(2, math.ceil(length / CUE_CHARACTERS), math.ceil(seconds / CUE_SECONDS))
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

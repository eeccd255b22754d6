"""The result of recognition, and the formats to write it in."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asr.speech.transcripts.subtitles import Cue, Piece, SubtitleConfig, arrange, to_srt, to_vtt
from asr.text.chinese import join_words
from asr.text.rttm import SpeakerTurn, write_rttm

__all__ = [
    "FORMATS",
    "Alternative",
    "Segment",
    "Transcript",
    "Word",
    "Written",
    "WrittenToken",
    "ctm_name",
    "merge_channels",
    "read_transcript",
]

PARAGRAPH_PAUSE = 2.0  # seconds; after such a pause a new paragraph begins


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
class WrittenToken:
    """A piece of written text, and the plain words that it stands for.

    Attributes:
        text: with the mark after it: "$5.20", "hello,".
        start: of its first word, in seconds.
        end: of its last word, in seconds.
        confidence: mean of its words, 0 to 1.
        first_word: place of its first word in the segment, from 0.
        stop_word: place of the word after its last one.
        mark: that ``text`` ends with, empty if none.
    """

    text: str
    start: float
    end: float
    confidence: float
    first_word: int
    stop_word: int
    mark: str = ""


@dataclass(frozen=True)
class Written:
    """What was said as people write it; ``write_transcript`` makes it.

    Attributes:
        text: all of it.
        tokens: in order of time; each word belongs to one.
    """

    text: str
    tokens: tuple[WrittenToken, ...]

    def confident(self, words: Sequence[Word], minimum: float) -> Written:
        """Return what is left without the less sure words: a token that loses some becomes the
        plain rest.

        Args:
            words: that the tokens stand for.
            minimum: least confidence of a word that is kept.
        """
        tokens = list[WrittenToken]()
        kept = 0  # words so far
        for token in self.tokens:
            said = words[token.first_word : token.stop_word]
            rest = [word for word in said if word.confidence >= minimum]
            if len(rest) == len(said):
                tokens.append(replace(token, first_word=kept, stop_word=kept + len(said)))
            else:
                tokens += [_plain_token(word, kept + n) for n, word in enumerate(rest)]
            kept += len(rest)
        return Written(join_words(token.text for token in tokens), tuple(tokens))


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
        text: what was said, in plain words.
        confidence: mean of its words, 0 to 1.
        words: in order of time.
        alternatives: where N-best was asked for, the N readings, this one first.
        channel: counted from 0, where channels were recognised apart.
        written: the text as people write it, where that was asked for.
        slots: name -> value of what the sentence says, where a grammar was used.
        speaker: who says it, where speakers were told apart.
    """

    start: float
    end: float
    text: str
    confidence: float
    words: tuple[Word, ...]
    alternatives: tuple[Alternative, ...] = ()
    channel: int | None = None
    written: Written | None = None
    slots: dict[str, str] | None = None
    speaker: str | None = None

    @property
    def readable(self) -> str:
        """The written text where there is one, else the plain words."""
        return self.text if self.written is None else self.written.text

    def of_words(self, words: tuple[Word, ...], written: Written | None) -> Segment:
        """Return the part of the segment that some of its words make, at least one."""
        return replace(
            self,
            start=words[0].start,
            end=words[-1].end,
            text=join_words(word.word for word in words),
            confidence=round(sum(word.confidence for word in words) / len(words), 4),
            words=words,
            written=written,
        )


@dataclass(frozen=True)
class Transcript:
    """Text of a recording.

    Attributes:
        text: all of it, in plain words.
        duration_s: of the recording.
        segments: in order of time.
        model: name of the model.
        notes: what is to be said about the recording, a sentence each: that it is clipped, quiet,
            without speech, has holes.
        turns: who speaks when, in order of time, where speakers were told apart.
    """

    text: str
    duration_s: float
    segments: tuple[Segment, ...]
    model: str
    notes: tuple[str, ...] = ()
    turns: tuple[SpeakerTurn, ...] | None = None

    @property
    def words(self) -> tuple[Word, ...]:
        """Words of all segments."""
        return tuple(word for segment in self.segments for word in segment.words)

    @property
    def readable(self) -> str:
        """The text as people write it where that was asked for, else the plain words."""
        return join_words(segment.readable for segment in self.segments if segment.readable)

    def confident(self, minimum: float) -> Transcript:
        """Return the transcript without the words whose confidence is below ``minimum``."""
        kept = (_confident(segment, minimum) for segment in self.segments)
        segments = tuple(segment for segment in kept if segment.words)
        return replace(self, text=join_words(s.text for s in segments), segments=segments)

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
            turns=self.turns and tuple(turn.later(start_s) for turn in self.turns),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return ``text``, ``duration_s``, ``segments`` and ``model``, as JSON has them.

        A segment has ``alternatives``, ``channel``, ``speaker`` and ``written`` only where they
        were asked for; with the latter the transcript has ``written`` too, all of the written text,
        and with speakers it has their ``turns``. ``notes`` are there only where there is something
        to say.
        """
        content = dataclasses.asdict(self)
        if not self.notes:
            del content["notes"]
        if self.turns is None:
            del content["turns"]
        content["segments"] = [_without_unasked(segment) for segment in content["segments"]]
        if any(segment.written is not None for segment in self.segments):
            content["written"] = self.readable
        return content

    def to_json(self, recording: str | None = None) -> str:
        """Return :meth:`to_dict` as JSON.

        Args:
            recording: name of the recording, which then comes first.
        """
        content = ({} if recording is None else {"recording": recording}) | self.to_dict()
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    def to_txt(self) -> str:
        """Return the text, one line a paragraph, with an empty line between two.

        A paragraph ends at a long pause. Where channels or speakers were told apart, each turn has
        a line of its own, which begins with the channel or the speaker.
        """
        lines: list[str] = []
        before: Segment | None = None
        for segment in self.segments:
            pause = before is not None and segment.start - before.end >= PARAGRAPH_PAUSE
            if pause:
                lines.append("")
            if before is None or pause or _who(segment) != _who(before):
                lines.append(f"{_label(segment)}{segment.readable}")
            else:
                lines[-1] = join_words((lines[-1], segment.readable))
            before = segment
        return "\n".join(lines) + "\n"

    def to_tsv(self) -> str:
        """Return a table of segments: start and end in seconds, confidence, text.

        There is a column for the channel where channels were recognised apart, and one for the
        speaker where speakers were.
        """
        apart = [
            name
            for name in ("channel", "speaker")
            if any(getattr(segment, name) is not None for segment in self.segments)
        ]
        rows = [["start", "end", "confidence", *apart, "text"]]
        for s in self.segments:
            times = [f"{s.start:.2f}", f"{s.end:.2f}", f"{s.confidence:.3f}"]
            rows.append([*times, *(f"{getattr(s, name)}" for name in apart), s.readable])
        return "".join("\t".join(row) + "\n" for row in rows)

    def to_srt(self, subtitles: SubtitleConfig | None = None) -> str:
        """Return SubRip subtitles.

        Args:
            subtitles: their rules, by default broadcasters'.
        """
        config = subtitles or SubtitleConfig()
        return to_srt(self._cues(config, voices=False), config)

    def to_vtt(self, subtitles: SubtitleConfig | None = None) -> str:
        """Return WebVTT subtitles; a channel or a speaker is a voice.

        Args:
            subtitles: see :meth:`to_srt`.
        """
        config = subtitles or SubtitleConfig()
        return to_vtt(self._cues(config, voices=True), config)

    def to_ctm(self, name: str = "recording") -> str:
        """Return NIST CTM: recording, channel (from 1), start, duration, word, confidence.

        Where speakers were told apart, their names are in the place of the channel. The names are
        written as :func:`ctm_name` says.
        """
        name = ctm_name(name)
        rows = []
        for s in self.segments:
            channel = f"{(s.channel or 0) + 1}" if s.speaker is None else ctm_name(s.speaker)
            place = f"{name} {channel}"
            for w in s.words:
                times = f"{w.start:.2f} {w.end - w.start:.2f}"
                rows.append(f"{place} {times} {w.word} {w.confidence:.3f}\n")
        return "".join(rows)

    def to_rttm(self, name: str = "recording") -> str:
        """Return NIST RTTM: who speaks when; without a line where speakers were not told apart."""
        return write_rttm({ctm_name(name): self.turns or ()})

    def render(
        self,
        output_format: str,
        name: str = "recording",
        subtitles: SubtitleConfig | None = None,
    ) -> str:
        """Return the transcript as text in one of :data:`FORMATS`.

        Args:
            output_format: key of :data:`FORMATS`.
            name: of the recording, for formats that hold it.
            subtitles: see :meth:`to_srt`.
        """
        if output_format in ("ctm", "rttm"):
            return self.to_ctm(name) if output_format == "ctm" else self.to_rttm(name)
        if output_format in ("srt", "vtt"):
            return self.to_srt(subtitles) if output_format == "srt" else self.to_vtt(subtitles)
        return str(getattr(self, f"to_{output_format}")())

    def _cues(self, config: SubtitleConfig, voices: bool) -> list[Cue]:
        """The cues of each channel or turn of a speaker, together in order of time."""
        runs: list[tuple[Segment, list[Piece]]] = []  # the first segment of each, and its pieces
        latest: dict[int | None, tuple[Segment, list[Piece]]] = {}
        for segment in self.segments:
            run = latest.get(segment.channel)
            if run is None or run[0].speaker != segment.speaker:
                run = latest[segment.channel] = (segment, [])
                runs.append(run)
            run[1].extend(_pieces(segment))
        cues: list[Cue] = []
        for first, pieces in runs:
            label = "" if voices else _label(first)
            channel = "" if first.channel is None else f"Channel {first.channel}"
            cues += arrange(pieces, config, label, (first.speaker or channel) if voices else "")
        return sorted(cues, key=lambda cue: (cue.start, cue.end))


FORMATS = ("txt", "json", "srt", "vtt", "tsv", "ctm", "rttm")


def read_transcript(content: dict[str, Any]) -> Transcript:
    """Return the transcript that :meth:`Transcript.to_dict` gave."""
    segments = tuple(_segment(entry) for entry in content["segments"])
    notes = tuple(content.get("notes", ()))
    turns = content.get("turns")
    return Transcript(
        text=content["text"],
        duration_s=content["duration_s"],
        segments=segments,
        model=content["model"],
        notes=notes,
        turns=None if turns is None else tuple(SpeakerTurn(**turn) for turn in turns),
    )


def _segment(entry: dict[str, Any]) -> Segment:
    readings = (
        Alternative(**{**reading, "words": _words(reading)})
        for reading in entry.get("alternatives", ())
    )
    given = {**entry, "words": _words(entry), "alternatives": tuple(readings)}
    if entry.get("written"):
        tokens = tuple(WrittenToken(**token) for token in entry["written"]["tokens"])
        given["written"] = Written(entry["written"]["text"], tokens)
    return Segment(**given)


def _words(entry: dict[str, Any]) -> tuple[Word, ...]:
    return tuple(Word(**word) for word in entry["words"])


def ctm_name(name: str) -> str:
    """Return the name of a recording as a CTM can hold it.

    Spaces become underscores. A name that begins with ``;;``, which would start a comment line,
    gets an underscore in front.
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
        transcripts[0], text=join_words(s.text for s in segments), segments=tuple(segments)
    )


def _confident(segment: Segment, minimum: float) -> Segment:
    words = tuple(word for word in segment.words if word.confidence >= minimum)
    if not words or len(words) == len(segment.words):
        return replace(segment, words=words)
    written = segment.written and segment.written.confident(segment.words, minimum)
    return segment.of_words(words, written)


def _plain_token(word: Word, place: int) -> WrittenToken:
    return WrittenToken(
        text=word.word,
        start=word.start,
        end=word.end,
        confidence=word.confidence,
        first_word=place,
        stop_word=place + 1,
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
        written=segment.written and _writing_later(segment.written, seconds),
    )


def _writing_later(written: Written, seconds: float) -> Written:
    tokens = tuple(
        replace(t, start=round(t.start + seconds, 3), end=round(t.end + seconds, 3))
        for t in written.tokens
    )
    return replace(written, tokens=tokens)


def _words_later(words: Iterable[Word], seconds: float) -> tuple[Word, ...]:
    return tuple(
        replace(word, start=round(word.start + seconds, 3), end=round(word.end + seconds, 3))
        for word in words
    )


def _without_unasked(segment: dict[str, Any]) -> dict[str, Any]:
    optional = ("alternatives", "channel", "written", "slots", "speaker")
    return {
        key: value
        for key, value in segment.items()
        if key not in optional or value not in (None, ())
    }


def _who(segment: Segment) -> tuple[int | None, str | None]:
    """Whose words a segment has, where channels or speakers were told apart."""
    return segment.channel, segment.speaker


def _label(segment: Segment) -> str:
    """The speaker or channel before a line of text, where they were told apart."""
    who = segment.channel if segment.speaker is None else segment.speaker
    return "" if who is None else f"{who}: "


def _pieces(segment: Segment) -> Sequence[Piece]:
    """What subtitles are made of: written tokens, else plain words."""
    if segment.written is not None:
        return [_piece(t.text, t.start, t.end, t.mark) for t in segment.written.tokens]
    if not segment.words:
        return [_piece(segment.text, segment.start, segment.end)] if segment.text else []
    return [_piece(word.word, word.start, word.end) for word in segment.words]


def _piece(text: str, start: float, end: float, mark: str = "") -> Piece:
    return Piece(text, round(start * 1000), round(end * 1000), mark)

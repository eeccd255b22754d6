"""Transcripts with speakers: who said which word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asr.audio.reading import Source, open_recording
from asr.errors import AsrError, AudioError, ConfigError
from asr.speakers.diarization import Diarization, DiarizationConfig, check_names, diarize
from asr.speakers.embedder import DEFAULT_MODEL, SpeakerEmbedder, Voice
from asr.speech.transcripts.transcript import Segment, Transcript, Word, Written, WrittenToken
from asr.text.chinese import join_words
from asr.text.rttm import SpeakerTurn

__all__ = ["SpeakerLabeller", "SpeakerOptions", "with_speakers"]

REACH_S = 1.0  # a change of speakers is moved to a pause between words this far away, at most
MARK_S = 0.3  # the end of a sentence counts as much as so long a pause
NOISE_AGREEMENT = 0.5  # mean cosine of an enrolment's windows, below which it is hardly one voice
ENDS = (".", "?", "。", "？")


@dataclass(frozen=True)
class SpeakerOptions:
    """How speakers are told apart.

    Attributes:
        model: speaker model, by path or name.
        count: how many speakers there are; 0: as many as are found.
        enrolled: name -> recording of that person alone.
        threads: of the processor.
    """

    model: str = DEFAULT_MODEL
    count: int = 0
    enrolled: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1

    def __post_init__(self) -> None:
        check_names(self.enrolled)


class SpeakerLabeller:
    """Adds speakers to transcripts.

    Args:
        options: how they are told apart.

    Attributes:
        notes: what is to be said about the enrolments, a sentence each.

    Raises:
        ModelError: the speaker model cannot be loaded.
        AudioError: an enrolment cannot be used.
    """

    def __init__(self, options: SpeakerOptions) -> None:
        self.options, self.notes = options, list[str]()
        self.embedder = SpeakerEmbedder.load(options.model, options.threads)
        self.config = DiarizationConfig(speakers=options.count)
        self.voices = {name: self._enrolled(name) for name in options.enrolled}

    def variant(self, count: int) -> SpeakerLabeller:
        """Return a labeller for another number of speakers, which shares the network."""
        other = object.__new__(SpeakerLabeller)
        other.__dict__ |= self.__dict__ | {"config": replace(self.config, speakers=count)}
        return other

    def _enrolled(self, name: str) -> Voice:
        try:
            voice = self.embedder.voice(self.options.enrolled[name])
        except AudioError as error:
            raise AudioError(f"{name} cannot be enrolled: {error.message}", error.remedy) from error
        if voice.agreement < NOISE_AGREEMENT:
            self.notes.append(
                f"the enrolment of {name} is hardly one voice (its parts agree by "
                f"{voice.agreement:.2f} of 1): give a recording of that person alone"
            )
        return voice

    def diarize(
        self, source: Source, sample_rate: int | None = None, channel: str | int = "mix"
    ) -> Diarization:
        """Return who speaks when in a recording, from its first sample on.

        Raises:
            AudioError: see :meth:`asr.speech.recognizer.Recognizer.transcribe`.
        """
        with open_recording(source, sample_rate) as recording:
            blocks = recording.resampled(self.embedder.sample_rate, channel)
            found = diarize(blocks, self.embedder, self.config, self.voices)
            return found.later(recording.start_s)

    def label(
        self,
        transcript: Transcript,
        source: Source,
        sample_rate: int | None = None,
        channel: str | int = "mix",
    ) -> Transcript:
        """Return the transcript of a recording with its speakers.

        Args:
            transcript: of the recording.
            source: the recording, which is read again.
            sample_rate: of ``source`` in Hz where it is an array of samples.
            channel: that was transcribed; not ``all``.

        Raises:
            AudioError: the recording cannot be read.
        """
        return with_speakers(transcript, self.diarize(source, sample_rate, channel))

    def labelled(
        self, result: Transcript | AsrError, source: Source, channel: str | int = "mix"
    ) -> Transcript | AsrError:
        """Return what :meth:`label` does, or the error that the recording ended in."""
        if isinstance(result, AsrError):
            return result
        try:
            return self.label(result, source, channel=channel)
        except AsrError as error:
            return error


def check_channel(channel: str | int) -> None:
    """Refuse channels apart: those are speakers already.

    Raises:
        ConfigError: ``channel`` is ``all``.
    """
    if channel == "all":
        raise ConfigError(
            "Channels apart are speakers already.",
            "Leave out --speakers, or give --channels mix or a channel's number.",
        )


def with_speakers(transcript: Transcript, diarization: Diarization) -> Transcript:
    """Return a transcript whose segments are of one speaker each.

    A word, or a piece of written text, is said by whom it has most time in common with, else by
    whoever speaks nearest to it. Where the speaker changes within a segment, the change is moved to
    a pause between words or the end of a sentence nearby.
    """
    turns = diarization.turns
    notes = tuple(dict.fromkeys((*transcript.notes, *diarization.notes)))
    if not turns:
        return replace(transcript, turns=(), notes=notes)
    segments = [part for segment in transcript.segments for part in _split(segment, turns)]
    text = join_words(segment.text for segment in segments)
    found = tuple(segments)
    return replace(transcript, text=text, segments=found, turns=diarization.every_turn, notes=notes)


def _split(segment: Segment, turns: Sequence[SpeakerTurn]) -> list[Segment]:
    """Return a segment as one part a speaker."""
    tokens = _tokens(segment)
    if not tokens:
        return [replace(segment, speaker=_speaker_at(segment.start, segment.end, turns))]
    near = [t for t in turns if t.end > segment.start - 5 and t.start < segment.end + 5] or turns
    speakers = [_speaker_at(token.start, token.end, near) for token in tokens]
    _move_changes(tokens, speakers)
    parts: list[Segment] = []
    first = 0
    for place in range(1, len(tokens) + 1):
        if place == len(tokens) or speakers[place] != speakers[first]:
            whole = first == 0 and place == len(tokens)
            part = segment if whole else _part(segment, tokens[first:place])
            parts.append(replace(part, speaker=speakers[first]))
            first = place
    return parts


def _tokens(segment: Segment) -> Sequence[WrittenToken]:
    """The written pieces of a segment, or its words."""
    if segment.written is not None and segment.written.tokens:
        return segment.written.tokens
    return [
        WrittenToken(w.word, w.start, w.end, w.confidence, first_word=n, stop_word=n + 1)
        for n, w in enumerate(segment.words)
    ]


def _speaker_at(start: float, end: float, turns: Sequence[SpeakerTurn]) -> str:
    """Who speaks most of a stretch of time, or nearest to it."""
    shared: dict[str, float] = {}
    for turn in turns:
        common = min(end, turn.end) - max(start, turn.start)
        if common > 0:
            shared[turn.speaker] = shared.get(turn.speaker, 0.0) + common
    if shared:
        return max(shared, key=lambda name: shared[name])
    return min(turns, key=lambda turn: max(turn.start - end, start - turn.end)).speaker


def _move_changes(tokens: Sequence[WrittenToken], speakers: list[str]) -> None:
    """Move each change of speakers to the likeliest border between words nearby."""
    place = 1
    while place < len(tokens):
        if speakers[place] == speakers[place - 1]:
            place += 1
            continue
        best = max(
            _borders(tokens, speakers, place),
            key=lambda border: _likely(tokens, border, tokens[place].start),
        )
        for moved in range(min(best, place), max(best, place)):
            speakers[moved] = speakers[place] if best < place else speakers[place - 1]
        place = max(best, place) + 1


def _borders(tokens: Sequence[WrittenToken], speakers: list[str], place: int) -> range:
    """Places to which the change before ``place`` may move, without swallowing another one."""
    first = last = place
    while (
        first > 1
        and speakers[first - 2] == speakers[place - 1]
        and tokens[place].start - tokens[first - 1].start <= REACH_S
    ):
        first -= 1
    while (
        last < len(tokens) - 1
        and speakers[last + 1] == speakers[place]
        and tokens[last + 1].start - tokens[place].start <= REACH_S
    ):
        last += 1
    return range(first, last + 1)


def _likely(tokens: Sequence[WrittenToken], border: int, found_s: float) -> float:
    """Seconds of pause before a token, less its distance from where the change was found."""
    pause = tokens[border].start - tokens[border - 1].end
    ends = MARK_S if tokens[border - 1].mark in ENDS else 0.0
    return pause + ends - 0.5 * abs(tokens[border].start - found_s)


def _part(segment: Segment, tokens: Sequence[WrittenToken]) -> Segment:
    """Return the part of a segment that some of its tokens make."""
    first = tokens[0].first_word
    words: tuple[Word, ...] = segment.words[first : tokens[-1].stop_word]
    written = segment.written
    if written is not None:
        own = tuple(
            replace(t, first_word=t.first_word - first, stop_word=t.stop_word - first)
            for t in tokens
        )
        written = Written(join_words(token.text for token in own), own)
    return replace(segment.of_words(words, written), alternatives=())

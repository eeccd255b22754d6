"""Hypotheses -> words with times, segments, and the transcript of a recording."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from asr.decoding import Hypothesis
from asr.speech.acoustics.frames import FrameShape
from asr.speech.alignment import earlier_starts
from asr.speech.transcripts.transcript import Alternative, Segment, Transcript, Word, merge_channels
from asr.speech.transcripts.writing import PLAIN, Writer
from asr.text.chinese import join_words

__all__ = ["TranscriptBuilder"]


@dataclass(frozen=True)
class TranscriptBuilder:
    """Gives hypotheses their times and puts them together.

    Attributes:
        frames: shape of the model's frames.
        model: name of the model in transcripts.
        all_readings: segments hold every hypothesis, not the best one alone.
        writer: makes text of words.
    """

    frames: FrameShape
    model: str
    all_readings: bool = False
    writer: Writer = field(default_factory=lambda: Writer(PLAIN))

    def words(
        self, hypothesis: Hypothesis, start_s: float, stop_s: float = math.inf
    ) -> tuple[Word, ...]:
        """Return the words of a hypothesis with their times.

        Args:
            hypothesis: what was said.
            start_s: time of its first frame.
            stop_s: time that no word ends after.
        """
        step = self.frames.seconds_per_frame
        spans = earlier_starts(
            [(w.start_frame * step, w.end_frame * step) for w in hypothesis.words]
        )
        times = [
            (round(max(0.0, start_s + start), 3), round(min(start_s + end, stop_s), 3))
            for start, end in spans
        ]
        return tuple(
            Word(w.word, start, end, round(w.confidence, 4))
            for w, (start, end) in zip(hypothesis.words, times, strict=True)
        )

    def segment(self, hypotheses: Sequence[Hypothesis], start: int, stop: int) -> Segment | None:
        """Return what was said between two samples, None if nothing was.

        Args:
            hypotheses: best first.
            start: sample of their first frame.
            stop: sample that no word ends after.
        """
        readings = [self.reading(h, start, stop) for h in hypotheses]
        best, command = readings[0], hypotheses[0].command
        if not best.words:
            return None
        confidence = best.confidence
        if command is not None and command.sentence == hypotheses[0].text:
            confidence = command.confidence
        return Segment(
            start=best.words[0].start,
            end=best.words[-1].end,
            text=best.text,
            confidence=confidence,
            words=best.words,
            alternatives=tuple(readings) if self.all_readings else (),
            slots=None if command is None else command.slots,
        )

    def reading(self, hypothesis: Hypothesis, start: int, stop: float = math.inf) -> Alternative:
        """Return what was said between two samples according to one hypothesis."""
        rate = self.frames.sample_rate
        words = self.words(hypothesis, start / rate, stop / rate)
        confidence = round(sum(w.confidence for w in words) / len(words), 4) if words else 0.0
        text = join_words(hypothesis.text.split())
        return Alternative(text, confidence, round(hypothesis.score, 4), words)

    def transcript(self, segments: Sequence[Segment | None], num_samples: int) -> Transcript:
        """Return the transcript of a recording of ``num_samples`` samples; None is silence."""
        spoken = tuple(segment for segment in segments if segment is not None)
        text = join_words(segment.text for segment in spoken)
        duration_s = round(num_samples / self.frames.sample_rate, 3)
        return self.writer.write(Transcript(text, duration_s, spoken, self.model))

    def transcript_of_channels(
        self, segments: Sequence[tuple[int, Segment | None]], channels: int, num_samples: int
    ) -> Transcript:
        """Return the transcript of channels that were heard apart.

        Args:
            segments: each beside the number of its channel.
            channels: of the recording.
            num_samples: of each channel.
        """
        apart = [[s for c, s in segments if c == channel] for channel in range(channels)]
        return merge_channels([self.transcript(own, num_samples) for own in apart])

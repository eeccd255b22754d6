"""Recordings to transcripts: short ones computed together, long ones window by window."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.audio.level import LevelledBlocks
from asr.audio.reading import Source, open_recording
from asr.errors import AsrError
from asr.speech.acoustics.windows import LONG_S, Heard, RecordingReader
from asr.speech.decoders import Decoder
from asr.speech.segments import TranscriptBuilder
from asr.speech.transcripts.transcript import Segment, Transcript

__all__ = ["OnSegment", "Progress", "Transcriber"]

# Recordings that are looked at together, so that those of similar lengths share a batch.
POOL_S, POOL_SIZE = 320.0, 32

Samples = npt.NDArray[np.float32]
Progress = Callable[[float], None]
OnSegment = Callable[[Segment], None]


@dataclass(frozen=True)
class Transcriber:
    """The parts of a model at work on many recordings.

    Attributes:
        reader: recordings to log-probabilities.
        decoder: log-probabilities to hypotheses.
        builder: hypotheses to transcripts.
        threads: of the decoder.
    """

    reader: RecordingReader
    decoder: Decoder
    builder: TranscriptBuilder
    threads: int

    @property
    def rate(self) -> int:
        """Samples a second that the network takes."""
        return self.builder.frames.sample_rate

    def transcribe(
        self,
        sources: Iterable[Source],
        sample_rate: int | None,
        channel: str | int,
        progress: Progress | None,
        on_segment: OnSegment | None,
    ) -> Iterator[Transcript | AsrError]:
        """Yield for each recording, in order, its transcript, or the error that it ended in.

        Arguments: see :meth:`asr.speech.recognizer.Recognizer.transcribe`.
        """
        pool: list[Heard | AsrError] = []  # short recordings whose turn has not come
        for source in sources:
            long: Transcript | None = None
            try:
                with open_recording(source, sample_rate) as recording:
                    levelled = LevelledBlocks(
                        recording.resampled(self.rate, channel, LONG_S), self.rate
                    )
                    blocks = iter(levelled)
                    head = self._head(blocks)
                    if self.reader.is_long(sum(map(len, head))):
                        channels = recording.channels if channel == "all" else None
                        every = itertools.chain(head, blocks)
                        long = self._transcribe_long(every, channels, progress, on_segment)
                        long = long.from_file(recording.start_s, recording.notes + levelled.notes)
                    else:
                        notes = tuple(recording.notes + levelled.notes)
                        pool.append(Heard(np.concatenate(head), recording.start_s, notes))
            except AsrError as error:
                pool.append(error)
            if long is not None or len(pool) >= POOL_SIZE or self._seconds(pool) > POOL_S:
                yield from self._transcribe_pool(pool)
                pool = []
            if long is not None:
                yield long
        yield from self._transcribe_pool(pool)

    def _head(self, blocks: Iterator[Samples]) -> list[Samples]:
        """Return the first blocks of a recording: all of a short one; of a long one as many as show
        that it is long.
        """
        head: list[Samples] = []
        for block in blocks:
            head.append(block)
            if self.reader.is_long(sum(map(len, head))):
                break
        return head

    def _seconds(self, pool: Iterable[Heard | AsrError]) -> float:
        samples = sum(0 if isinstance(item, AsrError) else item.samples.size for item in pool)
        return samples / self.rate

    def _transcribe_pool(self, pool: Sequence[Heard | AsrError]) -> Iterator[Transcript | AsrError]:
        """Yield the transcripts of short recordings, and the errors among them, in order."""
        recordings = [item for item in pool if not isinstance(item, AsrError)]
        results: list[Transcript | AsrError] = []
        try:
            results += self._transcribe_short(recordings)
        except AsrError as error:
            if len(recordings) > 1:  # one of them is at fault, and the others are not to suffer
                results = [next(self._transcribe_pool([r])) for r in recordings]
            else:
                results = [error]
        in_order = iter(results)
        yield from (item if isinstance(item, AsrError) else next(in_order) for item in pool)

    def _transcribe_short(self, heard: Sequence[Heard]) -> list[Transcript]:
        recordings = [one.samples for one in heard]
        parts = [self.reader.channel_parts(recording) for recording in recordings]
        arrays = self.reader.log_probs([part.samples for own in parts for part in own])
        hypotheses = iter(self.decoder(arrays))
        transcripts = []
        for own, recording in zip(parts, recordings, strict=True):
            segments = [
                (part.channel, self.builder.segment(best, part.start, len(recording)))
                for part, best in zip(own, itertools.islice(hypotheses, len(own)), strict=True)
            ]
            channels = recording.shape[1] if recording.ndim > 1 else None
            transcripts.append(self._transcript(segments, channels, len(recording)))
        return [
            transcript.from_file(one.start_s, one.notes)
            for transcript, one in zip(transcripts, heard, strict=True)
        ]

    def _transcribe_long(
        self,
        blocks: Iterator[Samples],
        channels: int | None,
        progress: Progress | None,
        on_segment: OnSegment | None,
    ) -> Transcript:
        count = 0  # samples read so far

        def counted() -> Iterator[Samples]:
            nonlocal count
            for block in blocks:
                count += len(block)
                yield block

        segments: list[tuple[int, Segment | None]] = []
        sections = self.reader.sections(counted(), self.decoder.vocabulary.starts_word)
        while some := list(itertools.islice(sections, 2 * self.threads)):
            hypotheses = self.decoder([section.log_probs for section in some])
            for section, best in zip(some, hypotheses, strict=True):
                segment = self.builder.segment(best, section.start, count)
                segments.append((section.channel, segment))
                if on_segment is not None and segment is not None:
                    on_segment(segment)
            if progress is not None:
                progress(some[-1].start / self.rate)
        return self._transcript(segments, channels, count)

    def _transcript(
        self, segments: Sequence[tuple[int, Segment | None]], channels: int | None, count: int
    ) -> Transcript:
        """Return the transcript of segments, each beside its channel; ``channels`` is None where
        the recording was heard as one.
        """
        if channels is None:
            return self.builder.transcript([segment for _, segment in segments], count)
        return self.builder.transcript_of_channels(segments, channels, count)

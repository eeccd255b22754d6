"""Recordings to transcripts: short ones computed together, long ones window by window.

With several threads, one reads recordings and runs the network while others decode what it made.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from asr.audio.level import LevelledBlocks
from asr.audio.reading import Source, open_recording
from asr.audio.segmentation import Window
from asr.errors import AsrError
from asr.speech.acoustics.stitching import Section
from asr.speech.acoustics.windows import LONG_S, Heard, RecordingReader
from asr.speech.decoders import Decoder
from asr.speech.segments import TranscriptBuilder
from asr.speech.transcripts.transcript import Segment, Transcript

__all__ = ["OnSegment", "Progress", "Transcriber"]

# Recordings that are looked at together, so that those of similar lengths share a batch.
POOL_S, POOL_SIZE = 320.0, 32
# Sections of a long recording that each thread of the decoder gets at a time: few at first, so that
# the first words come soon, then twice as many each time, so that threads seldom wait for the last.
FIRST_GROUP, LARGEST_GROUP = 2, 16

Samples = npt.NDArray[np.float32]
Progress = Callable[[float], None]
OnSegment = Callable[[Segment], None]
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class _Short:
    """A short recording after the network: its parts and their log-probabilities (T, V)."""

    heard: Heard
    parts: Sequence[Window]
    log_probs: Sequence[Samples]


@dataclass(frozen=True)
class _Group:
    """Sections of a long recording of which ``count`` samples were read."""

    sections: Sequence[Section]
    count: int


@dataclass(frozen=True)
class _End:
    """End of a long recording, after its groups; ``channels`` is None where it is heard as one."""

    channels: int | None
    count: int
    start_s: float
    notes: tuple[str, ...]


_Pool = Sequence[_Short | AsrError]  # short recordings, and errors where one cannot be read


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
        computed = self._computed(sources, sample_rate, channel)
        segments: list[tuple[int, Segment | None]] = []  # of a long recording
        failed: AsrError | None = None
        for item in _read_ahead(computed) if self.threads > 1 else computed:
            if isinstance(item, _Group):
                try:
                    if failed is None:
                        segments += self._segments(item, progress, on_segment)
                except AsrError as error:
                    failed = error
            elif isinstance(item, (_End, AsrError)):
                end = failed or item
                yield end if isinstance(end, AsrError) else self._long_transcript(segments, end)
                segments, failed = [], None
            else:
                yield from _together(self._transcripts, item)

    # to log-probabilities ------------------------------------------------------------------------

    def _computed(
        self, sources: Iterable[Source], sample_rate: int | None, channel: str | int
    ) -> Generator[_Pool | _Group | _End | AsrError, None, None]:
        """Yield what the network makes of recordings, in order: pools of short ones; groups of
        sections and an end, or an error, of a long one.
        """
        pool: list[Heard | AsrError] = []  # short recordings whose turn has not come
        for source in sources:
            is_long = False
            try:
                with open_recording(source, sample_rate) as recording:
                    levelled = LevelledBlocks(
                        recording.resampled(self.rate, channel, LONG_S), self.rate
                    )
                    blocks = iter(levelled)
                    head = self._head(blocks)
                    is_long = self.reader.is_long(sum(map(len, head)))
                    if is_long:
                        yield _together(self._short, pool)
                        pool = []
                        channels = recording.channels if channel == "all" else None
                        count = yield from self._groups(itertools.chain(head, blocks))
                        notes = tuple(recording.notes + levelled.notes)
                        yield _End(channels, count, recording.start_s, notes)
                    else:
                        notes = tuple(recording.notes + levelled.notes)
                        pool.append(Heard(np.concatenate(head), recording.start_s, notes))
            except AsrError as error:
                if is_long:
                    yield error
                else:
                    pool.append(error)
            if len(pool) >= POOL_SIZE or self._seconds(pool) > POOL_S:
                yield _together(self._short, pool)
                pool = []
        yield _together(self._short, pool)

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

    def _short(self, heard: Sequence[Heard]) -> list[_Short]:
        parts = [self.reader.channel_parts(one.samples) for one in heard]
        arrays = iter(self.reader.log_probs([part.samples for own in parts for part in own]))
        return [
            _Short(one, own, list(itertools.islice(arrays, len(own))))
            for one, own in zip(heard, parts, strict=True)
        ]

    def _groups(self, blocks: Iterable[Samples]) -> Generator[_Group, None, int]:
        """Yield the groups of a long recording; return how many samples it has."""
        count = 0  # samples read so far

        def counted() -> Iterator[Samples]:
            nonlocal count
            for block in blocks:
                count += len(block)
                yield block

        sections = self.reader.sections(counted(), self.decoder.vocabulary.starts_word)
        size = FIRST_GROUP
        while some := list(itertools.islice(sections, size * self.threads)):
            yield _Group(some, count)
            size = min(2 * size, LARGEST_GROUP) if self.threads > 1 else size
        return count

    # to transcripts ------------------------------------------------------------------------------

    def _transcripts(self, recordings: Sequence[_Short]) -> list[Transcript]:
        hypotheses = iter(self.decoder([array for one in recordings for array in one.log_probs]))
        transcripts = []
        for one in recordings:
            samples = one.heard.samples
            segments = [
                (part.channel, self.builder.segment(best, part.start, len(samples)))
                for part, best in zip(
                    one.parts, itertools.islice(hypotheses, len(one.parts)), strict=True
                )
            ]
            channels = samples.shape[1] if samples.ndim > 1 else None
            transcript = self._transcript(segments, channels, len(samples))
            transcripts.append(transcript.from_file(one.heard.start_s, one.heard.notes))
        return transcripts

    def _segments(
        self, group: _Group, progress: Progress | None, on_segment: OnSegment | None
    ) -> list[tuple[int, Segment | None]]:
        segments = []
        hypotheses = self.decoder([section.log_probs for section in group.sections])
        for section, best in zip(group.sections, hypotheses, strict=True):
            segment = self.builder.segment(best, section.start, group.count)
            segments.append((section.channel, segment))
            if on_segment is not None and segment is not None:
                on_segment(segment)
        if progress is not None:
            progress(group.sections[-1].start / self.rate)
        return segments

    def _long_transcript(
        self, segments: Sequence[tuple[int, Segment | None]], end: _End
    ) -> Transcript:
        transcript = self._transcript(segments, end.channels, end.count)
        return transcript.from_file(end.start_s, end.notes)

    def _transcript(
        self, segments: Sequence[tuple[int, Segment | None]], channels: int | None, count: int
    ) -> Transcript:
        """Return the transcript of segments, each beside its channel; ``channels`` is None where
        the recording was heard as one.
        """
        if channels is None:
            return self.builder.transcript([segment for _, segment in segments], count)
        return self.builder.transcript_of_channels(segments, channels, count)


def _together(
    work: Callable[[Sequence[A]], Sequence[B]], items: Sequence[A | AsrError]
) -> list[B | AsrError]:
    """Return what the work makes of all items together, errors among them kept in their places.

    If it fails, each is done by itself: one of them is at fault, and the others are not to suffer.
    """
    good = [item for item in items if not isinstance(item, AsrError)]
    results: list[B | AsrError] = []
    try:
        results += work(good) if good else []
    except AsrError as error:
        if len(good) > 1:
            results = [result for item in good for result in _together(work, [item])]
        else:
            results = [error]
    in_order = iter(results)
    return [item if isinstance(item, AsrError) else next(in_order) for item in items]


def _read_ahead(items: Generator[A, None, None]) -> Iterator[A]:
    """Yield items, of which a thread makes the next one while one is used."""
    with contextlib.closing(items), ThreadPoolExecutor(1) as thread:
        coming: Future[A | None] = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item

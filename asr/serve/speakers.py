"""Speakers of recordings in the service: one network for all requests, loaded by the first one."""

from __future__ import annotations

import functools
import threading
from collections import deque
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.reading import Source
from asr.serve.errors import BadOption
from asr.serve.options import RequestOptions
from asr.speakers.streaming import SpeakerStream
from asr.speech.streaming import StreamResult
from asr.speech.transcripts.speakers import SpeakerLabeller, SpeakerOptions, with_speakers
from asr.speech.transcripts.transcript import Transcript

__all__ = ["StreamSpeakers", "check_speakers", "labelled"]

KEPT_S = 60.0  # of a stream: longer than any utterance

_lock = threading.Lock()


def check_speakers(options: RequestOptions) -> None:
    """Refuse what does not go together.

    Raises:
        BadOption: N-best readings of speakers, or RTTM without speakers.
    """
    if options.wants_speakers and options.n_best > 1:
        raise BadOption("n_best", "N-best readings are not split by speaker.", "Take 1.")
    if options.output_format == "rttm" and not options.wants_speakers:
        raise BadOption("output_format", "rttm holds who speaks when.", "Add speakers=true.")


@functools.cache
def _labeller() -> SpeakerLabeller:
    return SpeakerLabeller(SpeakerOptions())


def labelled(
    transcript: Transcript,
    source: Source,
    options: RequestOptions,
    sample_rate: int | None = None,
    start_s: float = 0.0,
) -> Transcript:
    """Return a transcript with its speakers, where the request asks for them.

    Args:
        transcript: of the recording.
        source: the recording.
        options: of the request.
        sample_rate: of ``source`` in Hz where it is an array of samples.
        start_s: time of the first sample of such an array by the clock of the file.

    Raises:
        ModelError: the speaker model cannot be loaded.
    """
    if not options.wants_speakers:
        return transcript
    with _lock:  # one at a time: clustering is short, and memory stays bounded
        labeller = _labeller().variant(options.num_speakers or 0)
        return with_speakers(transcript, labeller.diarize(source, sample_rate).later(start_s))


class StreamSpeakers:
    """Speakers of a stream: keeps its latest samples, and says who says each final result.

    Args:
        options: of the request.
        sample_rate: of the stream in Hz.

    Raises:
        ModelError: the speaker model cannot be loaded.
    """

    def __init__(self, options: RequestOptions, sample_rate: int) -> None:
        with _lock:
            labeller = _labeller().variant(options.num_speakers or 0)
        self._speakers = SpeakerStream(labeller.embedder, labeller.config)
        self._rate = sample_rate
        self._blocks, self._first = deque[npt.NDArray[np.int16]](), 0
        self._kept = 0  # samples in the blocks

    def push(self, samples: npt.NDArray[np.int16]) -> None:
        """Take the next samples (n,)."""
        self._blocks.append(samples)
        self._kept += len(samples)
        while self._kept - len(self._blocks[0]) >= round(KEPT_S * self._rate):
            dropped = len(self._blocks.popleft())
            self._kept, self._first = self._kept - dropped, self._first + dropped

    def named(self, results: list[StreamResult]) -> list[StreamResult]:
        """Return the results, the final ones with their speaker."""
        return [self._named(result) if result.final else result for result in results]

    def turns(self) -> dict[str, Any]:
        """Return who spoke when, as JSON has it."""
        return {"turns": [asdict(turn) for turn in self._speakers.diarization.every_turn]}

    def _named(self, result: StreamResult) -> StreamResult:
        import soxr

        places = (round(time * self._rate) - self._first for time in (result.start, result.end))
        first, stop = (max(0, place) for place in places)
        kept = np.concatenate([*self._blocks, np.zeros(0, np.int16)])
        said = kept[first:stop].astype(np.float32) / np.float32(32768)
        embedder = self._speakers.embedder
        if self._rate != embedder.sample_rate and len(said):
            said = soxr.resample(said, self._rate, embedder.sample_rate)
        with _lock:
            name = self._speakers.push(said, result.start)
        return replace(result, speaker=name or None)

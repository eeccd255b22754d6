"""Streams of audio, whatever protocol brings them: 16-bit samples in, results out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from asr.errors import AsrError
from asr.serve.config import ServeConfig
from asr.serve.errors import BadOption, TooLong
from asr.serve.metrics import ServiceMetrics
from asr.serve.models import Fleet, HostedModel
from asr.serve.options import RequestOptions
from asr.serve.speakers import StreamSpeakers
from asr.serve.spot import check_phrases, phrases_of
from asr.speech.microphone import GrowingWindow
from asr.speech.spotting import SpottedPhrase, StreamSpotter
from asr.speech.streaming import SpeechStream, StreamResult

__all__ = ["LiveStream", "Streams", "TooManyStreams"]

PATIENCE_S, POLL_S = 1.0, 0.02  # how long a new stream waits for one that is ending
WINDOW_EVERY_S = 1.0  # of new audio, after which a model that sees all computes its window again


class TooManyStreams(AsrError):  # noqa: N818 - what it says
    """As many streams are open as the service takes."""


class Streams:
    """The open streams of the service, and the threads that compute them.

    Args:
        fleet: the models.
        config: settings.
        metrics: where streams are counted.
    """

    def __init__(self, fleet: Fleet, config: ServeConfig, metrics: ServiceMetrics) -> None:
        self.fleet, self.config, self.metrics = fleet, config, metrics
        self._threads = ThreadPoolExecutor(2, "stream")
        self._count = 0

    def choose(self, name: str) -> HostedModel:
        """Return the model of that name; without one, the first that can stream, if any can.

        Raises:
            NoSuchModel: there is none.
        """
        models = self.fleet.models.values()
        first = next((model.name for model in models if model.streaming), None)
        return self.fleet.choose(name or first)

    async def place(self) -> AbstractContextManager[None]:
        """Return what holds one of the places for streams, to be entered at once.

        Where all are taken it waits a moment: who ends a stream and opens the next one may be here
        before the end of the first.

        Raises:
            TooManyStreams: all are taken, when it is entered.
        """
        for _ in range(round(PATIENCE_S / POLL_S)):
            if self._count < self.config.max_streams:
                break
            await asyncio.sleep(POLL_S)
        return self._held()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        if self._count >= self.config.max_streams:
            raise TooManyStreams(
                f"{self.config.max_streams} streams are open already.", "Try again later."
            )
        self._count += 1
        self.metrics.streams.set(self._count)
        try:
            yield
        finally:
            self._count -= 1
            self.metrics.streams.set(self._count)

    async def open(self, hosted: HostedModel, options: RequestOptions) -> LiveStream:
        """Return a new stream.

        Raises:
            BadOption: the model cannot do what is asked.
        """
        check_phrases(options)
        if options.phrases and hosted.streaming is None:
            raise BadOption(
                "phrases",
                f"The model {hosted.name} sees whole recordings, so streams have no phrases.",
                "Choose a streaming model, or POST /v1/spot.",
            )
        rate = options.sample_rate or hosted.recognizer.sample_rate
        recognizer = await hosted.variant(options)
        spotter: StreamSpotter | None = None
        if options.phrases:
            ways = await asyncio.to_thread(phrases_of, recognizer, options)
            spotter = StreamSpotter(recognizer, ways, options.thresholds)
        if hosted.streaming is not None:
            network = hosted.streaming.network
            speech: Any = SpeechStream(recognizer, network, options.endpoint, rate, spotter)
        else:
            speech = _Resampled(
                GrowingWindow(recognizer, options.endpoint, WINDOW_EVERY_S),
                (rate, recognizer.sample_rate),
            )
        who: StreamSpeakers | None = None
        if options.wants_speakers:
            who = await asyncio.to_thread(StreamSpeakers, options, rate)
        return LiveStream(speech, rate, options.min_confidence, self, spotter=spotter, who=who)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns in one of the threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    def stop(self) -> None:
        """End the threads."""
        self._threads.shutdown()


class LiveStream:
    """One stream; made by :meth:`Streams.open`.

    Attributes:
        seconds: of audio so far.
    """

    def __init__(
        self,
        speech: Any,
        sample_rate: int,
        min_confidence: float,
        streams: Streams,
        spotter: StreamSpotter | None = None,
        who: StreamSpeakers | None = None,
    ) -> None:
        self._speech, self._rate, self._streams = speech, sample_rate, streams
        self._spotter, self._who = spotter, who
        self._min_confidence = min_confidence
        self._odd = b""
        self.seconds = 0.0

    async def push(self, data: bytes) -> list[StreamResult]:
        """Return what changed by the next 16-bit little-endian samples, in any number of bytes.

        Raises:
            TooLong: the stream is longer than a recording may be.
        """
        data = self._odd + data
        whole = len(data) - len(data) % 2
        data, self._odd = data[:whole], data[whole:]  # the other half comes with the next bytes
        seconds = self.seconds + whole / 2 / self._rate
        if seconds > (limit := self._streams.config.max_duration_s):
            raise TooLong(f"The stream is longer than {limit:g} s.", "Open another one.")
        self.seconds = seconds
        samples = np.frombuffer(data, "<i2")
        if self._who is not None:
            self._who.push(samples)
        results: list[StreamResult]
        results = await self._streams.run(self._results, self._speech.push, samples)
        return results

    async def finish(self) -> list[StreamResult]:
        """Return the results that are still due."""
        results: list[StreamResult]
        results = await self._streams.run(self._results, self._speech.finish)
        return results

    def take_spots(self) -> list[SpottedPhrase]:
        """Return the phrases that were found since the last call."""
        return [] if self._spotter is None else self._spotter.take()

    def turns(self) -> dict[str, Any]:
        """Return who spoke when, where that was asked for, as JSON has it."""
        return {} if self._who is None else self._who.turns()

    def _results(
        self, compute: Callable[..., list[StreamResult]], *given: Any
    ) -> list[StreamResult]:
        results = [result.confident(self._min_confidence) for result in compute(*given)]
        return results if self._who is None else self._who.named(results)


class _Resampled:
    """A growing window that takes 16-bit samples of another rate.

    Args:
        window: takes float samples at the model's rate.
        rates: Hz of the samples that come, and of those that the window takes.
    """

    def __init__(self, window: GrowingWindow, rates: tuple[int, int]) -> None:
        import soxr

        self._window = window
        same = rates[0] == rates[1]
        self._resampler = None if same else soxr.ResampleStream(*rates, 1, dtype="float32")

    def push(self, samples: Any, last: bool = False) -> list[StreamResult]:
        scaled = samples.astype(np.float32) / np.float32(32768)
        if self._resampler is not None:
            scaled = self._resampler.resample_chunk(scaled, last=last)
        return self._window.push(scaled)

    def finish(self) -> list[StreamResult]:
        results = self.push(np.zeros(0, np.int16), last=True)
        return [result for result in results if result.final] + self._window.finish()

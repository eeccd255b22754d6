"""What the routes and protocols share: models, limits, and recordings that become transcripts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from starlette.datastructures import UploadFile

from asr.errors import AsrError
from asr.serve.config import ServeConfig
from asr.serve.errors import TooLarge, refusal_of, within
from asr.serve.metrics import ServiceMetrics
from asr.serve.models import Fleet, HostedModel
from asr.serve.options import RequestOptions
from asr.serve.speakers import labelled
from asr.speech.acoustics.windows import Heard
from asr.speech.recognizer import OnSegment, Recognizer
from asr.speech.spotting import SpottedPhrase, StreamSpotter
from asr.speech.transcripts.transcript import Transcript

__all__ = ["Service"]


@dataclass(frozen=True)
class Service:
    """The models and how recordings reach them.

    Attributes:
        fleet: the models.
        config: settings.
        metrics: where everything is counted.
        readers: threads that decode files.
    """

    fleet: Fleet
    config: ServeConfig
    metrics: ServiceMetrics
    readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(2, "read"))

    async def transcribe(
        self, file: UploadFile, hosted: HostedModel, options: RequestOptions
    ) -> Transcript:
        """Return the transcript of a file.

        Raises:
            TooLarge: the file has more bytes than allowed.
            TimedOut: it took too long.
            AsrError: see :meth:`asr.serve.models.HostedModel.transcribe`.
        """

        async def work() -> Transcript:
            heard = await self._read(file, hosted)
            transcript = await hosted.transcribe(heard, options)
            add = partial(labelled, transcript, heard.samples, options)
            add = partial(add, sample_rate=hosted.recognizer.sample_rate, start_s=heard.start_s)
            return await asyncio.to_thread(add)

        return await self._counted(hosted, options, within(self.config.request_timeout_s, work()))

    async def read(self, file: UploadFile, hosted: HostedModel) -> Heard:
        """Return a file as the recogniser hears it.

        Raises:
            TooLarge: the file has more bytes than allowed.
            AsrError: see :meth:`asr.serve.models.HostedModel.read`.
        """
        with _failures_counted(hosted):
            return await self._read(file, hosted)

    async def hear(
        self,
        heard: Heard,
        hosted: HostedModel,
        options: RequestOptions,
        on_segment: OnSegment | None = None,
    ) -> Transcript:
        """Return the transcript of a recording that is in memory.

        Args:
            heard: the recording.
            hosted: the model.
            options: of the request.
            on_segment: called in another thread with each segment of a long recording.

        Raises:
            AsrError: see :meth:`asr.serve.models.HostedModel.transcribe`.
        """
        return await self._counted(hosted, options, hosted.transcribe(heard, options, on_segment))

    async def spot(
        self, file: UploadFile, hosted: HostedModel, recognizer: Recognizer, spotter: StreamSpotter
    ) -> tuple[list[SpottedPhrase], float]:
        """Return the phrases that are found in a file, and its seconds.

        Args:
            file: the recording.
            hosted: the model.
            recognizer: the model under the options of the request.
            spotter: has heard nothing.

        Raises:
            TooLarge: the file has more bytes than allowed.
            TimedOut: it took too long.
            AsrError: see :meth:`asr.serve.models.HostedModel.spot`.
        """

        async def work() -> tuple[list[SpottedPhrase], float]:
            heard = await self._read(file, hosted)
            found = await hosted.spot(heard, recognizer, spotter)
            return found, len(heard.samples) / recognizer.sample_rate

        started = time.monotonic()
        with _failures_counted(hosted):
            found, seconds = await within(self.config.request_timeout_s, work())
        hosted.metrics.done(time.monotonic() - started, seconds, None)
        return found, seconds

    async def _read(self, file: UploadFile, hosted: HostedModel) -> Heard:
        if (file.size or 0) > self.config.max_bytes:
            raise TooLarge(f"larger than {self.config.max_bytes} bytes")
        data = await file.read()
        return await asyncio.get_running_loop().run_in_executor(self.readers, hosted.read, data)

    async def _counted(
        self, hosted: HostedModel, options: RequestOptions, work: Awaitable[Transcript]
    ) -> Transcript:
        """Return the transcript, without what the request does not want, and count it."""
        started = time.monotonic()
        with _failures_counted(hosted):
            transcript = await work
        confidences = [word.confidence for word in transcript.words]
        mean = sum(confidences) / len(confidences) if confidences else None
        hosted.metrics.done(time.monotonic() - started, transcript.duration_s, mean)
        return transcript.confident(options.min_confidence)


@contextmanager
def _failures_counted(hosted: HostedModel) -> Iterator[None]:
    """Count an error among the failed requests of a model, and let it pass."""
    try:
        yield
    except AsrError as error:
        hosted.metrics.failed(refusal_of(error).outcome)
        raise

"""The models of a service: loading, one queue each, and which of them a request gets."""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from asr.audio.level import LevelledBlocks
from asr.audio.reading import open_recording
from asr.catalogue import has_predictions
from asr.decoding import Hypothesis
from asr.errors import ConfigError
from asr.model_folder import open_model
from asr.serve.batching import Batcher
from asr.serve.config import ServeConfig
from asr.serve.errors import NoSuchModel, Overloaded, TooLong
from asr.serve.metrics import ModelMetrics, ServiceMetrics
from asr.serve.options import RequestOptions
from asr.serve.predicting import HostedPredictor
from asr.serve.variants import Variants
from asr.speech.acoustics.windows import LONG_S, Heard
from asr.speech.options import ModelOptions
from asr.speech.recognizer import OnSegment, Recognizer, open_recognizer
from asr.speech.spotting import SpottedPhrase, StreamSpotter, spots_of
from asr.speech.streaming import StreamingRecognizer
from asr.speech.transcripts.transcript import Transcript
from asr.speech.transcripts.writing import WritingConfig

__all__ = ["Fleet", "HostedModel"]

T = TypeVar("T")
MAX_LONG = 4  # long recordings that may wait for one another


class HostedModel:
    """A speech model with its queue and metrics.

    Args:
        name: in routes, metrics and answers.
        recognizer: the loaded model.
        config: settings.
        metrics: where it counts.

    Attributes:
        batcher: the queue of short recordings; long ones have a thread of their own.
        streaming: None where the model cannot stream.
        variants: the model under the options of requests.
    """

    def __init__(
        self, name: str, recognizer: Recognizer, config: ServeConfig, metrics: ServiceMetrics
    ) -> None:
        self.name, self.recognizer, self.config = name, recognizer, config
        self.variants = Variants(recognizer, config)
        self.metrics = ModelMetrics(metrics, name, config.drift_window, config.drift_sigma)
        self.streaming = (
            StreamingRecognizer(recognizer, threads=config.threads)
            if recognizer.acoustics.streams
            else None
        )
        self.batcher = Batcher(
            recognizer.log_probs,
            max_batch_size=config.max_batch_size,
            max_wait_ms=config.max_wait_ms,
            queue_size=config.queue_size,
            max_batch_samples=round(config.max_batch_s * recognizer.sample_rate),
            observe=self.metrics.batch,
        )
        self._long_thread, self._long_waiting = ThreadPoolExecutor(1, "long"), 0
        self.metrics.watch_queue(lambda: self.batcher.depth)

    @property
    def language(self) -> str:
        """Code of the model's language: what its folder says, or its name, or the settings."""
        said = self.recognizer.bundle.config.get("language")
        named = re.match(r"([a-z]{2})(?![a-z0-9])", self.name)
        return str(said or (named and named[1]) or self.config.language)

    def read(self, data: bytes) -> Heard:
        """Return an encoded recording as the recogniser hears it.

        Raises:
            AudioError: the recording cannot be read, or is too short for the model.
            TooLong: the recording is longer than ``max_duration_s``.
        """
        limit, rate = self.config.max_duration_s, self.recognizer.sample_rate
        remedy = "Send it to /v1/jobs." if self.config.max_jobs else "Cut it."
        too_long = TooLong(f"The recording is longer than {limit:g} s.", remedy)
        with open_recording(data) as recording:
            # A header that announces too much is refused before anything is decoded; so is a small
            # file that decodes to hours, as soon as it passes the limit.
            if (recording.duration_s or 0) > limit:
                raise too_long
            blocks = _limited(recording.resampled(rate), limit * rate, too_long)
            levelled = LevelledBlocks(blocks, rate)
            samples = np.concatenate(list(levelled))
            notes = tuple(recording.notes + levelled.notes)
        self.recognizer.frames.check_lengths([samples])
        return Heard(samples, recording.start_s, notes)

    def warm_up(self) -> None:
        """Transcribe a second of faint noise, so that the first request does not wait for compiled
        kernels.
        """
        noise = np.random.default_rng(0).normal(0, 1e-3, self.recognizer.sample_rate)
        self.recognizer.decoder(self.recognizer.log_probs([noise.astype(np.float32)]))

    def is_long(self, samples: npt.NDArray[np.float32]) -> bool:
        """Return whether a recording is cut at pauses instead of going whole into a batch."""
        return len(samples) > LONG_S * self.recognizer.sample_rate

    async def transcribe(
        self,
        heard: Heard,
        options: RequestOptions | None = None,
        on_segment: OnSegment | None = None,
    ) -> Transcript:
        """Return the transcript of a recording that :meth:`read` returned.

        Args:
            heard: the recording.
            options: of the request.
            on_segment: called in another thread with each segment of a long recording.

        Raises:
            BadOption: the model cannot do what is asked.
            Overloaded: too many requests wait.
            AsrError: the model refuses the recording.
        """
        recognizer = await self.variant(options or RequestOptions())
        samples = heard.samples
        if self.is_long(samples):
            transcript = await self._transcribe_long(recognizer, samples, on_segment)
            return replace(transcript, notes=()).from_file(heard.start_s, heard.notes)

        def finish(log_probs: npt.NDArray[np.float32]) -> list[Hypothesis]:
            return recognizer.decoder([log_probs])[0]

        parts = await asyncio.to_thread(recognizer.parts, samples)
        jobs = [asyncio.ensure_future(self.batcher.submit(part.samples, finish)) for part in parts]
        try:
            hypotheses = await asyncio.gather(*jobs)
            write = partial(recognizer.transcript, parts, hypotheses, len(samples))
            transcript = await asyncio.to_thread(write)  # marks are computed by a network
            return transcript.from_file(heard.start_s, heard.notes)
        finally:
            for job in jobs:  # where one is refused, or the client is gone, the others are in vain
                job.cancel()

    async def variant(self, options: RequestOptions) -> Recognizer:
        """Return the recogniser that a request asks for.

        Raises:
            BadOption: the model cannot do what is asked.
        """
        return await asyncio.to_thread(self.variants.get, options)

    async def spot(
        self, heard: Heard, recognizer: Recognizer, spotter: StreamSpotter
    ) -> list[SpottedPhrase]:
        """Return the phrases that are found in a recording that :meth:`read` returned.

        Args:
            heard: the recording.
            recognizer: of :meth:`variant`.
            spotter: has heard nothing.

        Raises:
            Overloaded: too many requests wait.
            AsrError: the model refuses the recording.
        """

        def finish(log_probs: npt.NDArray[np.float32]) -> list[SpottedPhrase]:
            spotter.push(log_probs)
            spotter.finish()
            return spotter.take()

        if self.is_long(heard.samples):
            work = partial(spots_of, recognizer, [heard.samples], spotter)
            found = await self._beside_batches(work)
        else:
            found = await self.batcher.submit(heard.samples, finish)
        return [spot.later(heard.start_s) for spot in found]

    async def _transcribe_long(
        self,
        recognizer: Recognizer,
        samples: npt.NDArray[np.float32],
        on_segment: OnSegment | None,
    ) -> Transcript:
        rate = recognizer.sample_rate
        work = partial(recognizer.transcribe, samples, rate, on_segment=on_segment)
        return await self._beside_batches(work)

    async def _beside_batches(self, work: Callable[[], T]) -> T:
        """Return the result of work on a long recording; one is done after the other.

        Raises:
            Overloaded: too many wait.
        """
        if self._long_waiting >= MAX_LONG:
            raise Overloaded(10.0 * self._long_waiting)
        self._long_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._long_thread, work)
        finally:
            self._long_waiting -= 1


def _limited(
    blocks: Iterable[npt.NDArray[np.float32]], most: float, too_long: TooLong
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield blocks; raise once they have more samples than allowed."""
    count = 0
    for block in blocks:
        count += len(block)
        if count > most:
            raise too_long
        yield block


class Fleet:
    """All models of the service.

    Args:
        models: folders.
        config: settings.
        metrics: where they count.

    Raises:
        ModelError: a folder holds no model.
        ConfigError: the split names another number of speech models, or a back end does not fit a
            model.

    Attributes:
        models: for speech, by name.
        predictors: for other tasks, by name.
    """

    def __init__(
        self, models: Sequence[str | Path], config: ServeConfig, metrics: ServiceMetrics
    ) -> None:
        if not models:
            raise ConfigError("There is no model to serve.", "Give one: asr serve MODEL")
        opened = [open_model(folder) for folder in models]
        speech = [bundle for bundle in opened if not has_predictions(bundle.task)]
        others = [bundle for bundle in opened if has_predictions(bundle.task)]
        self.split = config.split or (1.0, *[0.0] * (len(speech) - 1))[: len(speech)]
        if len(self.split) != len(speech):
            raise ConfigError(
                f"The split has {len(self.split)} shares for {len(speech)} speech models.",
                "Give one share a model.",
            )
        self.models: dict[str, HostedModel] = {}
        self.predictors: dict[str, HostedPredictor] = {}
        for bundle in others:
            if config.backend == "onnxruntime":
                raise ConfigError(
                    f"{bundle.path} is not a speech model, and only those run in ONNX Runtime.",
                    "Leave --backend at auto.",
                )
            name = _free_name(bundle.name, self.predictors)
            self.predictors[name] = HostedPredictor(name, bundle, config)
        for bundle in speech:
            name = _free_name(bundle.name, self.models)
            options = ModelOptions(
                bundle,
                backend=config.backend,
                threads=config.threads,
                writing=WritingConfig(config.text_model),
                name=name,
            )
            self.models[name] = HostedModel(name, open_recognizer(options), config, metrics)

    def choose(self, name: str | None, client: str | None = None) -> HostedModel:
        """Return the model called ``name``, or one by the traffic split.

        Args:
            name: of a model; None or empty: by the split.
            client: the same client always gets the same model.

        Raises:
            NoSuchModel: no model has that name.
        """
        if name:
            if name not in self.models:
                raise NoSuchModel(
                    f"There is no model {name!r}.",
                    f"Served are: {', '.join(self.models) or 'none'}.",
                )
            return self.models[name]
        if not self.models:
            raise NoSuchModel("There is no speech model here.", "Ask /v1/predict.")
        draw = random.random() if client is None else _unit(client)
        for model, share in zip(self.models.values(), self.split, strict=True):
            if draw < share:
                return model
            draw -= share
        # Shares such as 3 * 0.1 add up to a little less than 1: the rest is the first model's.
        return next(m for m, share in zip(self.models.values(), self.split, strict=True) if share)

    def describe(self) -> list[dict[str, Any]]:
        """Return what is known of each model."""
        others: list[dict[str, Any]] = [
            {"name": p.name, "task": p.task, "backend": "torch", "created": p.created}
            for p in self.predictors.values()
        ]
        return [
            {
                "name": model.name,
                "task": "ctc",
                "created": model.recognizer.bundle.created,
                "sample_rate": model.recognizer.sample_rate,
                "backend": model.recognizer.backend,
                "streaming": model.streaming is not None,
                "share": share,
            }
            for model, share in zip(self.models.values(), self.split, strict=True)
        ] + others


def _free_name(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number where it is taken."""
    free, number = name, 2
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free


def _unit(client: str) -> float:
    """Return a number from 0 to 1 that is always the same for a client."""
    return int.from_bytes(hashlib.sha256(client.encode()).digest()[:8], "big") / 2**64

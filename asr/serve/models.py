"""The models of a service: loading, one queue each, and which of them a request gets."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.reading import open_recording
from asr.decoding import Hypothesis
from asr.errors import AudioError, ConfigError, ModelError
from asr.model_folder import find_model, open_bundle
from asr.serve.batching import Batcher, Overloaded
from asr.serve.config import ServeConfig
from asr.serve.metrics import ModelMetrics, ServiceMetrics
from asr.serve.predicting import HostedPredictor, is_predictor
from asr.speech.onnx import check_lengths
from asr.speech.recognizer import LONG_S, Recognizer, load_model
from asr.speech.streaming import StreamingRecognizer
from asr.speech.transcript import Transcript

__all__ = ["Fleet", "HostedModel", "TooLong"]


MAX_LONG = 4  # long recordings that may wait for one another


class TooLong(AudioError):  # noqa: N818 - what it says
    """A recording is longer than the service takes."""


class HostedModel:
    """A loaded model with its queue and metrics.

    Attributes:
        name: in routes, metrics and answers.
        streaming: None where the model cannot stream.
    """

    def __init__(
        self, name: str, recognizer: Recognizer, config: ServeConfig, metrics: ServiceMetrics
    ) -> None:
        self.name, self.recognizer, self.config = name, recognizer, config
        self.metrics = ModelMetrics(metrics, name, config.drift_window, config.drift_sigma)
        self.streaming = _streaming(recognizer, config.threads)
        self.batcher = Batcher(
            recognizer.log_probs,
            self._finish,
            config.max_batch_size,
            config.max_wait_ms,
            config.queue_size,
            round(config.max_batch_s * recognizer.sample_rate),
            self.metrics.batch,
        )
        self._long_thread, self._long_waiting = ThreadPoolExecutor(1, "long"), 0
        self.metrics.watch_queue(lambda: self.batcher.depth)

    def read(self, data: bytes) -> npt.NDArray[np.float32]:
        """Return the samples of an encoded recording.

        Raises:
            AudioError: it cannot be read, or is too short for the model. TooLong: see
            ``max_duration_s``.
        """
        limit, rate = self.config.max_duration_s, self.recognizer.sample_rate
        too_long = TooLong(f"The recording is longer than {limit:g} s.", "Cut it.")
        blocks: list[npt.NDArray[np.float32]] = []
        with open_recording(data) as recording:
            if (recording.duration_s or 0) > limit:  # what says so itself is not decoded at all
                raise too_long
            for block in recording.resampled(rate):
                blocks.append(block)
                if sum(map(len, blocks)) > limit * rate:  # nor what unpacks to hours, past here
                    raise too_long
        samples = np.concatenate(blocks)
        check_lengths([samples], self.recognizer.frame_length, rate)
        return samples

    def warm_up(self) -> None:
        """Compute and decode a second of faint noise, so that the first request does not pay for
        compiling.
        """
        noise = (
            np.random.default_rng(0).normal(0, 1e-3, self.recognizer.sample_rate).astype(np.float32)
        )
        self.recognizer.decoder(self.recognizer.log_probs([noise]))

    def is_long(self, samples: npt.NDArray[np.float32]) -> bool:
        """Return whether a recording is cut at pauses instead of being computed whole, beside
        others.
        """
        return len(samples) > LONG_S * self.recognizer.sample_rate

    async def transcribe(self, samples: npt.NDArray[np.float32]) -> Transcript:
        """Return the transcript of a recording that :meth:`read` returned.

        Raises:
            Overloaded: too many wait. AsrError: what the model says of the recording.
        """
        if not self.is_long(samples):
            parts = await asyncio.to_thread(self.recognizer.parts, samples)
            waiting = [asyncio.ensure_future(self.batcher.submit(part.samples)) for part in parts]
            try:
                return self.recognizer.transcript(
                    parts, await asyncio.gather(*waiting), len(samples)
                )
            finally:
                for part in waiting:  # of a request that is refused or given up
                    part.cancel()
        if self._long_waiting >= MAX_LONG:
            raise Overloaded(10.0 * self._long_waiting)
        self._long_waiting += 1
        try:
            loop, rate = asyncio.get_running_loop(), self.recognizer.sample_rate
            return await loop.run_in_executor(
                self._long_thread, self.recognizer.transcribe, samples, rate
            )
        finally:
            self._long_waiting -= 1

    def _finish(self, log_probs: npt.NDArray[np.float32]) -> list[Hypothesis]:
        return self.recognizer.decoder([log_probs])[0]


def _streaming(recognizer: Recognizer, threads: int) -> StreamingRecognizer | None:
    try:
        return StreamingRecognizer(recognizer, threads=threads)
    except ModelError:
        return None


class Fleet:
    """All models of the service.

    Args:
        models: folders.
        config: settings.
        metrics: where they count.

    Raises:
        ModelError: a folder holds no model. ConfigError: the split names another number of speech
        models.

    Attributes:
        models: for speech, by name.
        predictors: for other tasks, by name.
    """

    def __init__(
        self, models: Sequence[str | Path], config: ServeConfig, metrics: ServiceMetrics
    ) -> None:
        if not models:
            raise ConfigError("There is no model to serve.", "Give one: asr serve MODEL")
        opened = [open_bundle(find_model(folder)) for folder in models]
        speech = [bundle.path for bundle in opened if not is_predictor(bundle)]
        self.split = config.split or (1.0, *[0.0] * (len(speech) - 1))[: len(speech)]
        if len(self.split) != len(speech):
            raise ConfigError(
                f"The split has {len(self.split)} shares for {len(speech)} speech models.",
                "Give one share a model.",
            )
        self.models: dict[str, HostedModel] = {}
        self.predictors: dict[str, HostedPredictor] = {}
        for bundle in filter(is_predictor, opened):
            if config.backend == "onnxruntime":
                raise ConfigError(
                    f"{bundle.path} is no speech model, and only those run with the back end onnxruntime.",
                    "Leave --backend at auto.",
                )
            own = bundle.path.name if bundle.path.name != "model" else bundle.path.parent.name
            name = _free_name(own, self.predictors)
            self.predictors[name] = HostedPredictor(name, bundle, config)
        for folder in speech:
            recognizer = load_model(folder, backend=config.backend, threads=config.threads)
            name = _free_name(recognizer.name, self.models)
            recognizer.name = name
            self.models[name] = HostedModel(name, recognizer, config, metrics)

    def choose(self, name: str | None, client: str | None = None) -> HostedModel:
        """Return the model called ``name``, or one by the traffic split; the same ``client`` always
        gets the same.

        Raises:
            ModelError: there is no model of that name.
        """
        if name:
            if name not in self.models:
                raise ModelError(
                    f"There is no model {name!r}.",
                    f"Served are: {', '.join(self.models) or 'none'}.",
                )
            return self.models[name]
        if not self.models:
            raise ModelError("There is no speech model here.", "Ask /v1/predict.")
        draw = random.random() if client is None else _unit(client)
        for model, share in zip(self.models.values(), self.split, strict=True):
            if draw < share:
                return model
            draw -= share
        return next(m for m, share in zip(self.models.values(), self.split, strict=True) if share)

    def describe(self) -> list[dict[str, Any]]:
        """Return what is known of each model."""
        others: list[dict[str, Any]] = [
            {"name": p.name, "task": p.task, "backend": "torch"} for p in self.predictors.values()
        ]
        return [
            {
                "name": model.name,
                "task": "ctc",
                "sample_rate": model.recognizer.sample_rate,
                "backend": model.recognizer.backend,
                "streaming": model.streaming is not None,
                "share": share,
            }
            for model, share in zip(self.models.values(), self.split, strict=True)
        ] + others


def _free_name(name: str, taken: Collection[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def _unit(client: str) -> float:
    return int.from_bytes(hashlib.sha256(client.encode()).digest()[:8], "big") / 2**64

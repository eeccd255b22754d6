"""The fresh process of `asr bench --profile`: its order comes by standard input, its answer is the
last line of standard output.

It opens the model and transcribes as :class:`asr.speech.recognizer.Recognizer` does, step by step.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from asr.audio.level import LevelledBlocks
from asr.audio.reading import open_recording
from asr.cores import usable_cores
from asr.errors import AsrError, ModelError
from asr.model_folder import open_model
from asr.speech.acoustics.backends import choose_backend, open_acoustics
from asr.speech.acoustics.imported_tokens import open_tokenizer
from asr.speech.acoustics.onnx import feature_share
from asr.speech.acoustics.windows import LONG_S, RecordingReader
from asr.speech.decoders import DecoderFactory, own_lm, stored_decoding
from asr.speech.jobs.profiling import START, Part, ProfileJob, phase_of
from asr.speech.segments import TranscriptBuilder
from asr.speech.transcripts.writing import AUTO, Writer, WritingConfig

if TYPE_CHECKING:
    from asr.audio.segmentation import Window
    from asr.speech.acoustics.protocol import Acoustics, Array
    from asr.speech.decoders import Decoder
    from asr.text.tokenizers import Tokenizer

__all__ = ["measure"]


class Clock:
    """Adds up the time of named parts."""

    def __init__(self) -> None:
        self.times: dict[str, list[tuple[float, float]]] = defaultdict(list)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens inside as one time of a part."""
        clock, processor = time.perf_counter(), time.process_time()
        yield
        self.add(name, time.perf_counter() - clock, time.process_time() - processor)

    def add(self, name: str, seconds: float, processor_s: float) -> None:
        """Count one time of a part."""
        self.times[name].append((seconds, processor_s))

    def parts(self, phase: str, combine: Callable[[Iterable[float]], float]) -> list[Part]:
        """Return each part, with the sum of its times or their median."""
        return [
            Part(phase, name, *map(combine, zip(*times, strict=True)))
            for name, times in self.times.items()
        ]


class Steps:
    """The parts of a recogniser, each opened and used by itself.

    Args:
        job: which model, and how it runs.
        clock: counts the time that opening takes.
    """

    def __init__(self, job: ProfileJob, clock: Clock) -> None:
        self.threads = job.config.threads
        with clock.part("network"):
            self.bundle = open_model(job.model, task="ctc")
        with clock.part("imports"):
            backend = choose_backend(self.bundle, job.config.backend, job.config.device)
            importlib.import_module(backend)
        with clock.part("network"):
            tokenizer = open_tokenizer(self.bundle.path)
            how = {"device": job.config.device, "backend": backend}
            self.acoustics: Acoustics = open_acoustics(
                self.bundle, tokenizer.tokens, threads=self.threads, **how
            )
        with clock.part("words and language model"):
            self.decoder = self._decoder(tokenizer, job.config.device)
        with clock.part("text model"):
            writer = Writer(WritingConfig(text_model=AUTO), self.bundle)
        self.reader = RecordingReader(self.acoustics)
        self.builder = TranscriptBuilder(self.reader.frames, self.bundle.name, writer=writer)

    def _decoder(self, tokenizer: Tokenizer, device: str) -> Decoder:
        decoding = stored_decoding(self.bundle, tokenizer, None)
        threads = self.threads or usable_cores()
        return DecoderFactory(tokenizer, own_lm(self.bundle), device, threads).make(decoding)

    def transcribe(self, path: str, clock: Clock) -> None:
        """Transcribe a recording; ``network`` has its features too."""
        rate = self.reader.frames.sample_rate
        with clock.part("reading"), open_recording(path) as recording:
            blocks = LevelledBlocks(recording.resampled(rate, "mix", LONG_S), rate)
            samples = np.concatenate(list(blocks))
            parts = self.reader.parts(samples)
        with clock.part("network"):
            arrays = self.reader.log_probs([part.samples for part in parts])
        with clock.part("search"):
            hypotheses = self.decoder(arrays)
        with clock.part("text"):
            segments = [
                self.builder.segment(best, part.start, len(samples))
                for part, best in zip(parts, hypotheses, strict=True)
            ]
            self.builder.transcript(segments, len(samples))
        self.last: list[Window] = parts

    def feature_share(self) -> float | None:
        """Return the features' share of the time of :meth:`Acoustics.log_probs`, on the last
        recording; None where it cannot be told.
        """
        samples = [part.samples for part in self.last]
        if not samples:
            return None
        try:
            return _share(self.acoustics, samples)
        except ModelError:  # the features are a part of the exported network
            return feature_share(self.bundle, samples, self.threads)


def _share(acoustics: Acoustics, samples: list[Array]) -> float:
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        acoustics.features(samples)
        between = time.perf_counter()
        acoustics.log_probs(samples)
        times.append((between - begun) / max(time.perf_counter() - between, 1e-9))
    return min(1.0, median(times))


def measure(job: ProfileJob) -> list[Part]:
    """Return what each part takes.

    Raises:
        ModelError: the model cannot be opened.
    """
    start = Clock()
    start.add("imports", IMPORTED_AT - job.begun, IMPORTED_PROCESSOR_S)
    steps = Steps(job, start)
    with start.part("first recording"):
        steps.transcribe(job.audio[0][0], Clock())
    parts = start.parts(START, sum)
    for clip_s, paths in zip(job.config.clips_s, job.audio, strict=True):
        steps.transcribe(paths[0], Clock())  # a new shape
        clock = Clock()
        for path in paths:
            steps.transcribe(path, clock)
        parts += _split(clock.parts(phase_of(clip_s), median), steps.feature_share())
    return parts


def _split(parts: list[Part], share: float | None) -> list[Part]:
    """Return the parts with the features apart from the network, where their share is known."""
    found = []
    for part in parts:
        if part.name == "network" and share is not None:
            times = part.seconds, part.processor_s
            found.append(Part(part.phase, "features", *(share * t for t in times)))
            part = Part(part.phase, "network", *((1 - share) * t for t in times))
        found.append(part)
    return found


def main() -> None:
    """Read the order, measure, print the answer."""
    job = ProfileJob.from_json(sys.stdin.read())
    try:
        print(json.dumps([asdict(part) for part in measure(job)]))
    except AsrError as problem:
        sys.exit(str(problem))


IMPORTED_AT, IMPORTED_PROCESSOR_S = time.time(), time.process_time()

if __name__ == "__main__":
    main()

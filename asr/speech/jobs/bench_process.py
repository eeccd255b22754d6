"""The fresh process of `asr bench`: its order comes by standard input, its answer is the last line
of standard output.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr.errors import AsrError
from asr.speech.jobs.bench import BACKENDS, BenchConfig, Job, LengthTimes, Measurement, Samples

if TYPE_CHECKING:
    from asr.speech.acoustics.protocol import Acoustics
    from asr.speech.decoders import Decoder

__all__ = ["clips", "measure"]

WARM_UP = 3  # recordings before the first that counts
LEAST_REPEATS = 10


def measure(job: Job, config: BenchConfig) -> Measurement:
    """Import, load, warm up, measure.

    Raises:
        ModelError: the model cannot be loaded.
    """
    runtime = BACKENDS[job.backend].runtime
    # Imported first, so that the cost of the libraries is told apart from the model's.
    importlib.import_module("torch" if runtime == "torch" else "onnxruntime")
    from asr.speech.options import ModelOptions
    from asr.speech.recognizer import open_recognizer

    baseline = _peak_memory_mb()
    options = ModelOptions(job.model, device=config.device, backend=runtime, threads=config.threads)
    started = time.perf_counter()
    recognizer = open_recognizer(options)
    decoder = recognizer.decoders.make(replace(recognizer.decoding, method=job.decoder))
    load_s = time.perf_counter() - started
    stopwatch = _Stopwatch(recognizer.acoustics, decoder, config)
    line = np.load(job.audio)
    lengths = [
        stopwatch.measure(clips([line], round(clip_s * recognizer.sample_rate), config.repeats))
        for clip_s in config.clips_s
    ]
    return Measurement(
        load_s=load_s,
        baseline_mb=baseline,
        memory_mb=_peak_memory_mb(),
        device_memory_mb=_device_memory_mb(config.device),
        lengths=lengths,
    )


def clips(recordings: Sequence[Samples], length: int, count: int) -> list[Samples]:
    """Return ``count`` stretches (length,) of the recordings laid end to end, from the start again
    at their end.
    """
    line = np.concatenate(recordings)
    step, endless = max(1, len(line) // count), np.tile(line, 1 + -(-length // len(line)))
    starts = [n * step % len(line) for n in range(count)]
    return [endless[start : start + length] for start in starts]


class _Stopwatch:
    """Times the two halves of recognition: samples to log-probabilities, and those to text."""

    def __init__(self, acoustics: Acoustics, decoder: Decoder, config: BenchConfig) -> None:
        self.acoustics, self.decoder, self.config = acoustics, decoder, config

    def measure(self, sounds: Sequence[Samples]) -> LengthTimes:
        """Return how long recordings (n,) of one length take."""
        for sound in sounds[:WARM_UP]:
            self._run([sound])
        network: list[float] = []
        decode: list[float] = []
        begun = time.perf_counter()
        for sound in sounds:
            over = time.perf_counter() - begun > self.config.budget_s
            if over and len(network) >= LEAST_REPEATS:
                break
            network_s, decode_s = self._run([sound])
            network.append(network_s)
            decode.append(decode_s)
        batch = [sounds[n % len(sounds)] for n in range(self.config.batch_size)]
        self._run(batch)  # a new shape warms up once more
        return LengthTimes(network, decode, batch=sum(self._run(batch)))

    def _run(self, batch: list[Samples]) -> tuple[float, float]:
        started = time.perf_counter()
        log_probs = self.acoustics.log_probs(batch)
        between = time.perf_counter()
        self.decoder(log_probs)
        return between - started, time.perf_counter() - between


def _peak_memory_mb() -> float:
    """Highest resident memory of this process so far, in 10^6 bytes.

    /proc has it for this program alone; getrusage would count in the parent that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        rows = status.read_text().splitlines()
        peak = next((row for row in rows if row.startswith("VmHWM:")), None)
        if peak:
            return int(peak.split()[1]) * 1024 / 1e6
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _device_memory_mb(device: str) -> float | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.max_memory_allocated() / 1e6


def main() -> None:
    """Read the order, measure, print the answer."""
    order = json.load(sys.stdin)
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in order["config"].items()
    }
    try:
        print(json.dumps(asdict(measure(Job(**order["job"]), BenchConfig(**settings)))))
    except AsrError as problem:
        sys.exit(str(problem))


if __name__ == "__main__":
    main()

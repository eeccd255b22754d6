"""How fast, how large: real-time factor, latency percentiles, memory and size of a model, back ends
side by side.

Every combination of back end and decoder is measured in a process of its own
(:mod:`asr.speech.jobs.bench_process`), so that its peak memory is its own and no library's warm
cache or thread pool helps the next one. The processes take turns (``rounds``), so that a machine
that slows down meanwhile slows all of them down.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.synthetic import made_audio
from asr.errors import ConfigError, DataError
from asr.model_folder import WEIGHTS, Bundle, open_model
from asr.speech.acoustics.frames import FrameShape
from asr.speech.acoustics.protocol import ONNX_FILE
from asr.speech.jobs.fresh_process import in_fresh_process

__all__ = [
    "BACKENDS",
    "Backend",
    "BenchConfig",
    "Job",
    "LengthTimes",
    "Measurement",
    "Result",
    "bench",
    "open_backends",
    "read_split_audio",
]

PERCENTILES = (50, 90, 95, 99)
DECODERS = ("greedy", "beam")
MADE_S = 20.0  # seconds of synthetic sound where no recordings are given
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Backend:
    """A way to run a model folder.

    Attributes:
        runtime: what runs the network: ``torch`` or ``onnxruntime``.
        files: of the model folder that it reads, as globs; their sizes are what it takes on disk,
            together with the language model where the decoder is beam.
    """

    runtime: str
    files: tuple[str, ...]


BESIDE = ("config.yaml", "tokenizer.*", "bundle.json")
BACKENDS: dict[str, Backend] = {
    "torch": Backend("torch", (WEIGHTS, *BESIDE)),
    "onnx": Backend("onnxruntime", (ONNX_FILE, *BESIDE)),
    "onnx-int8": Backend("onnxruntime", (ONNX_FILE, *BESIDE)),
}
"""Back ends by name: torch, and the formats of `asr export`."""


@dataclass(frozen=True)
class BenchConfig:
    """What is measured: each back end with each decoder, on recordings of each length.

    Attributes:
        backends: keys of :data:`BACKENDS`.
        decoders: ``greedy``, ``beam``.
        clips_s: lengths of the recordings, in seconds.
        repeats: recordings a length.
        budget_s: stop repeating a length after so many seconds (from 10 repeats on).
        batch_size: recordings at once in the measurement of throughput.
        rounds: fresh processes a combination.
        device: torch's name.
        threads: of the processor, 0 for the library's own choice.
    """

    backends: tuple[str, ...] = ("torch",)
    decoders: tuple[str, ...] = DECODERS
    clips_s: tuple[float, ...] = (1.0, 5.0, 15.0)
    repeats: int = 100
    budget_s: float = 10.0
    batch_size: int = 8
    rounds: int = 1
    device: str = "cpu"
    threads: int = 0

    def __post_init__(self) -> None:
        for name, known in (("backends", tuple(BACKENDS)), ("decoders", DECODERS)):
            for value in getattr(self, name):
                if value not in known:
                    raise ConfigError(
                        f"Unknown {name[:-1]} {value!r}.", f"Choose of: {', '.join(known)}."
                    )
        if not self.clips_s or min(self.clips_s) < 0.1:
            raise ConfigError("A clip must be at least 0.1 s long.", "Example: --clip-s 1,5,15")
        for name in ("repeats", "batch_size", "rounds"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1.", "Give a larger number.")


@dataclass(frozen=True)
class Result:
    """One combination at one length of recordings.

    Attributes:
        backend: key of :data:`BACKENDS`.
        decoder: ``greedy`` or ``beam``.
        clip_s: length of each recording, in seconds.
        repeats: recordings measured.
        latency_ms: of one recording at batch 1, features to text: ``p50`` to ``p99`` (only those
            that ``repeats`` can tell: p99 needs 100), ``mean``.
        network_ms: median of its first part: features and network.
        decode_ms: median of its second part: the search.
        real_time_factor: mean latency divided by the length.
        batched_real_time_factor: the same with ``batch_size`` at once.
        batch_size: recordings at once.
        load_s: to load the model, imports not counted.
        memory_mb: highest resident memory of the process, in 10^6 bytes.
        baseline_mb: the part of it that the imports alone take.
        disk_mb: of the files that the back end reads.
        device_memory_mb: highest of the accelerator.
    """

    backend: str
    decoder: str
    clip_s: float
    repeats: int
    latency_ms: dict[str, float]
    network_ms: float
    decode_ms: float
    real_time_factor: float
    batched_real_time_factor: float
    batch_size: int
    load_s: float
    memory_mb: float
    baseline_mb: float
    disk_mb: float
    device_memory_mb: float | None = None

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Result:
        """Return the result that ``report_json`` wrote."""
        return cls(**entry)


@dataclass(frozen=True)
class Job:
    """What a fresh process measures.

    Attributes:
        model: path of the model folder.
        audio: path of a numpy file with samples (n,) at the model's rate.
        backend: key of :data:`BACKENDS`.
        decoder: ``greedy`` or ``beam``.
    """

    model: str
    audio: str
    backend: str
    decoder: str


@dataclass(frozen=True)
class LengthTimes:
    """Seconds that recordings of one length took.

    Attributes:
        network: of each recording: features and network.
        decode: of each recording: the search.
        batch: both, for one batch.
    """

    network: list[float]
    decode: list[float]
    batch: float


@dataclass(frozen=True)
class Measurement:
    """What a fresh process measured.

    Attributes:
        load_s: to load the model, imports not counted.
        baseline_mb: resident memory after the imports, in 10^6 bytes.
        memory_mb: highest resident memory.
        device_memory_mb: highest of the accelerator, None without one.
        lengths: of each length of recordings.
    """

    load_s: float
    baseline_mb: float
    memory_mb: float
    device_memory_mb: float | None
    lengths: list[LengthTimes]

    @classmethod
    def from_json(cls, text: str) -> Measurement:
        """Return the measurement that a process wrote."""
        content = json.loads(text)
        return cls(**{**content, "lengths": [LengthTimes(**times) for times in content["lengths"]]})


def read_split_audio(split: str | Path, sample_rate: int, max_s: float = 300.0) -> list[Samples]:
    """Return recordings of a prepared split (at ``sample_rate``), at most ``max_s`` seconds in all.

    Raises:
        DataError: its manifest is missing or names no audio.
        AudioError: a recording cannot be read.
    """
    from asr.audio.reading import load_audio
    from asr.scoring import read_transcripts

    recordings: list[Samples] = []
    for utterance in read_transcripts(split).utterances.values():
        if sum(map(len, recordings)) > max_s * sample_rate:
            break
        if utterance.audio:
            samples = load_audio(utterance.audio, sample_rate).samples
            start = round((utterance.start or 0) * sample_rate)
            stop = None if utterance.end is None else round(utterance.end * sample_rate)
            recordings.append(samples[start:stop])
    if not recordings:
        raise DataError(
            f"{split} names no audio.",
            "Give a split that `asr prepare` made, with its cuts.jsonl.gz.",
        )
    return recordings


def open_backends(model: str | Path, exported: Sequence[str | Path] = ()) -> dict[str, Bundle]:
    """Return the opened model folder of each back end that a model can be measured with.

    Args:
        model: folder, or name.
        exported: folders that `asr export` made of it.

    Raises:
        ModelError: no speech model there.
        ConfigError: two folders of one format, or one of another kind.
    """
    bundles: dict[str, Bundle] = {}
    for folder in (model, *exported):
        bundle = open_model(folder, task="ctc")
        for backend in _formats(bundle):
            if backend not in BACKENDS or backend in bundles:
                what = "a second one for" if backend in bundles else "of the unknown format"
                raise ConfigError(
                    f"{folder} is {what} {backend}.",
                    f"Give one folder each for: {', '.join(BACKENDS)}.",
                )
            bundles[backend] = bundle
    return bundles


def _formats(bundle: Bundle) -> list[str]:
    exported = [str((bundle.config.get("export") or {}).get("format", "onnx"))]
    if WEIGHTS not in bundle.files:
        return exported
    return ["torch", *exported] if ONNX_FILE in bundle.files else ["torch"]


def bench(
    bundles: Mapping[str, Bundle],
    config: BenchConfig | None = None,
    recordings: Sequence[Samples] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[Result]:
    """Measure a model and return a result for each back end, decoder and clip length.

    Args:
        bundles: what :func:`open_backends` returned.
        config: what to measure.
        recordings: (n,) at the model's rate to cut the clips from; synthetic sound by default.
        progress: told what comes next.

    Raises:
        ConfigError: a back end has no folder.
        ModelError: a process that measured failed.
    """
    config = config or BenchConfig()
    _check_backends(config, bundles)
    if recordings is None:
        rate = FrameShape.of(bundles[config.backends[0]]).sample_rate
        recordings = [made_audio(MADE_S, rate)]
    measured: dict[tuple[str, str], list[Measurement]] = {
        (backend, decoder): [] for backend in config.backends for decoder in config.decoders
    }
    with tempfile.TemporaryDirectory() as temporary:
        audio = Path(temporary) / "audio.npy"
        np.save(audio, np.concatenate(recordings))
        for turn in range(config.rounds):
            # Every other round backwards, so that none always comes after the same one.
            for backend, decoder in list(measured)[:: 1 if turn % 2 == 0 else -1]:
                progress(f"{backend}, {decoder}, round {turn + 1} of {config.rounds}")
                job = Job(str(bundles[backend].path), str(audio), backend, decoder)
                measured[backend, decoder].append(_in_fresh_process(job, config))
    results: list[Result] = []
    for (backend, decoder), runs in measured.items():
        disk_mb = _disk_mb(bundles[backend].path, backend, decoder)
        for place, clip_s in enumerate(config.clips_s):
            times = [run.lengths[place] for run in runs]
            result = _result(runs, times, clip_s, config.batch_size)
            results.append(Result(backend=backend, decoder=decoder, disk_mb=disk_mb, **result))
    return results


def _check_backends(config: BenchConfig, bundles: Mapping[str, Bundle]) -> None:
    for backend in config.backends:
        if backend not in bundles:
            remedy = f"Make it: asr export MODEL --format {backend} -o OUT, and add --exported OUT"
            raise ConfigError(
                f"There is no folder for the back end {backend}; given: {', '.join(bundles)}.",
                "Give the trained model." if backend == "torch" else remedy,
            )


def _in_fresh_process(job: Job, config: BenchConfig) -> Measurement:
    order = {"job": asdict(job), "config": asdict(config)}
    what = f"{job.backend} with {job.decoder}"
    line = in_fresh_process("asr.speech.jobs.bench_process", order, config.threads, what)
    return Measurement.from_json(line)


def _result(
    runs: Sequence[Measurement], times: Sequence[LengthTimes], clip_s: float, batch_size: int
) -> dict[str, Any]:
    """Return the figures of one combination at one length, from what its processes measured."""
    network = np.concatenate([t.network for t in times]) * 1000
    decode = np.concatenate([t.decode for t in times]) * 1000
    latency = network + decode
    batch_s = min(t.batch for t in times)
    return {
        "clip_s": clip_s,
        "repeats": len(network),
        "latency_ms": _percentiles(latency),
        "network_ms": _round(np.median(network)),
        "decode_ms": _round(np.median(decode)),
        "real_time_factor": _round(latency.mean() / 1000 / clip_s),
        "batched_real_time_factor": _round(batch_s / batch_size / clip_s),
        "batch_size": batch_size,
        "load_s": _round(min(run.load_s for run in runs)),
        "memory_mb": _round(max(run.memory_mb for run in runs)),
        "baseline_mb": _round(min(run.baseline_mb for run in runs)),
        "device_memory_mb": runs[0].device_memory_mb,
    }


def _percentiles(latencies_ms: npt.NDArray[np.float64]) -> dict[str, float]:
    """A percentile is told only where at least one measurement lies beyond it: p90 from 10, p99
    from 100 on.
    """
    told = [q for q in PERCENTILES if len(latencies_ms) * (100 - q) >= 100 or q == 50]
    values = {f"p{q}": _round(np.percentile(latencies_ms, q)) for q in told}
    return {**values, "mean": _round(latencies_ms.mean())}


def _round(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _disk_mb(folder: Path, backend: str, decoder: str) -> float:
    patterns = BACKENDS[backend].files + (("lm.*",) if decoder == "beam" else ())
    files = (file for pattern in patterns for file in folder.glob(pattern))
    return _round(sum(file.stat().st_size for file in files) / 1e6)

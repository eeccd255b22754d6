"""How fast, how large: real-time factor, latency percentiles, memory and size of a model, back ends
side by side.

Every combination of back end and decoder is measured in a process of its own, so that its peak
memory is its own and no library's warm cache or thread pool helps the next one. The processes take
turns (``rounds``), so that a machine that slows down meanwhile slows all of them down.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from asr.audio.synthetic import made_audio
from asr.errors import AsrError, ConfigError, DataError, ModelError

if TYPE_CHECKING:
    from asr.model_folder import Bundle

__all__ = [
    "BACKENDS",
    "Backend",
    "BenchConfig",
    "Engine",
    "Result",
    "backend_folders",
    "bench",
    "machine",
    "model_sample_rate",
    "read_split_audio",
    "report_json",
    "table_rows",
    "table_text",
]

PERCENTILES = (50, 90, 95, 99)
DECODERS = ("greedy", "beam")
WARM_UP = 3
Samples = npt.NDArray[np.float32]


class Engine(Protocol):
    """A loaded model as the measurement sees it; see :data:`BACKENDS`."""

    sample_rate: int

    def log_probs(self, recordings: Sequence[Samples]) -> list[npt.NDArray[np.float32]]:
        """Return log-probabilities (T', V) of recordings (n,): features and network."""

    def decode(self, log_probs: Sequence[npt.NDArray[np.float32]]) -> Any:
        """Return hypotheses: the search."""


class _TorchEngine:
    def __init__(self, model: Path, decoder: str, device: str, threads: int) -> None:
        import torch

        from asr.speech.recognizer import load_model

        if threads:
            torch.set_num_threads(threads)
        recognizer = load_model(model, device=device, backend="torch")
        self.decoder = recognizer.make_decoder(replace(recognizer.decoding, method=decoder))
        self.log_probs, self.sample_rate = recognizer.log_probs, recognizer.sample_rate

    def decode(self, log_probs: Sequence[npt.NDArray[np.float32]]) -> Any:
        return self.decoder(list(log_probs))


class _OnnxEngine:
    """An exported folder; whatever ``asr serve`` and ``asr transcribe`` do with it, torch not
    imported.
    """

    def __init__(self, model: Path, decoder: str, device: str, threads: int) -> None:
        from asr.speech.recognizer import load_model

        recognizer = load_model(model, device=device, backend="onnxruntime", threads=threads)
        self.decoder = recognizer.make_decoder(replace(recognizer.decoding, method=decoder))
        self.log_probs, self.sample_rate = recognizer.log_probs, recognizer.sample_rate

    def decode(self, log_probs: Sequence[npt.NDArray[np.float32]]) -> Any:
        return self.decoder(list(log_probs))


@dataclass(frozen=True)
class Backend:
    """A way to run a model folder.

    Attributes:
        load: (model folder, decoder, device, threads) -> engine.
        files: of the model folder that it reads, as globs; their sizes are what it takes on disk,
            together with the language model where the decoder is beam.
    """

    load: Callable[[Path, str, str, int], Engine]
    files: tuple[str, ...]


BESIDE = ("config.yaml", "tokenizer.*", "bundle.json")
BACKENDS: dict[str, Backend] = {
    "torch": Backend(_TorchEngine, ("model.safetensors", *BESIDE)),
    "onnx": Backend(_OnnxEngine, ("model.onnx", *BESIDE)),
    "onnx-int8": Backend(_OnnxEngine, ("model.onnx", *BESIDE)),
}
"""Back ends by name. Another one adds itself here: BACKENDS["name"] = Backend(load, files)."""


@dataclass(frozen=True)
class BenchConfig:
    """What is measured.

    Attributes:
        backends: all combinations of them.
        decoders: all combinations of them.
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
        backend: what ran.
        decoder: what ran.
        clip_s: length of each recording, in seconds.
        repeats: recordings measured.
        latency_ms: of one recording at batch 1, features to text: ``p50`` to ``p99`` (only those
            that ``repeats`` can tell: p99 needs 100), ``mean``.
        network_ms: medians of its two parts.
        decode_ms: medians of its two parts.
        real_time_factor: mean latency divided by the length.
        batched_real_time_factor: the same with ``batch_size`` at once.
        load_s: to load the model, imports not counted.
        memory_mb: highest resident memory of the process, in 10^6 bytes, and baseline_mb: the part
            of it that the imports alone take.
        device_memory_mb: highest of the accelerator.
        disk_mb: of the files that the back end reads.
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


# -------------------------------------------------------------------------------------------------
# audio


def read_split_audio(split: str | Path, sample_rate: int, max_s: float = 300.0) -> list[Samples]:
    """Return recordings of a prepared split (at ``sample_rate``), at most ``max_s`` seconds in all.

    Raises:
        DataError: its manifest is missing or names no audio.
        AudioError: a recording cannot be read.
    """
    from asr.audio.reading import load_audio
    from asr.scoring import read_transcripts

    found: list[Samples] = []
    for utterance in read_transcripts(split).utterances.values():
        if sum(map(len, found)) > max_s * sample_rate:
            break
        if utterance.audio:
            samples = load_audio(utterance.audio, sample_rate).samples
            start = round((utterance.start or 0) * sample_rate)
            found.append(
                samples[
                    start : None if utterance.end is None else round(utterance.end * sample_rate)
                ]
            )
    if not found:
        raise DataError(
            f"{split} names no audio.",
            "Give a split that `asr prepare` made, with its cuts.jsonl.gz.",
        )
    return found


def clips(recordings: Sequence[Samples], length: int, count: int) -> list[Samples]:
    """Return ``count`` stretches (length,) of the recordings laid end to end, from the start again
    at their end.
    """
    line = np.concatenate(recordings)
    step, endless = max(1, len(line) // count), np.tile(line, 1 + -(-length // len(line)))
    starts = [n * step % len(line) for n in range(count)]
    return [endless[start : start + length] for start in starts]


# -------------------------------------------------------------------------------------------------
# measuring


def bench(
    model: str | Path,
    config: BenchConfig | None = None,
    recordings: Sequence[Samples] | None = None,
    progress: Callable[[str], None] = lambda text: None,
    exported: Sequence[str | Path] = (),
) -> list[Result]:
    """Measure a model folder and return a result for each back end, decoder and clip length.

    Args:
        model: folder.
        config: what to measure.
        recordings: (n,) at the model's rate to cut the clips from; made ones by default.
        progress: told what comes next.
        exported: folders that `asr export` made of the model, for the back ends that are called
            like their formats.

    Raises:
        ModelError: no model there, or a process that measured it failed. ConfigError: a back end
        has no folder.
    """
    from asr.model_folder import find_model, open_bundle

    config = config or BenchConfig()
    folder = open_bundle(find_model(model), task="ctc").path
    folders = backend_folders(folder, exported)
    for backend in config.backends:
        if backend not in folders:
            raise ConfigError(
                f"There is no folder for the back end {backend}; given: {', '.join(folders)}.",
                f"Make it: asr export {model} --format {backend}"
                if backend != "torch"
                else "Give the trained model.",
            )
    rate = _sample_rate(folder)
    sounds = list(recordings) if recordings is not None else [made_audio(20.0, rate)]
    combinations = [
        (backend, decoder) for backend in config.backends for decoder in config.decoders
    ]
    runs: dict[tuple[str, str], list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        audio = Path(temporary) / "audio.npy"
        np.save(audio, np.concatenate(sounds))
        for turn in range(config.rounds):
            for backend, decoder in combinations if turn % 2 == 0 else combinations[::-1]:
                progress(f"{backend}, {decoder}, round {turn + 1} of {config.rounds}")
                job = {
                    "model": str(folders[backend]),
                    "audio": str(audio),
                    "backend": backend,
                    "decoder": decoder,
                }
                runs.setdefault((backend, decoder), []).append(_in_fresh_process(job, config))
    return [r for c in combinations for r in _results(folders[c[0]], c, runs[c], config)]


def backend_folders(model: str | Path, exported: Sequence[str | Path] = ()) -> dict[str, Path]:
    """Return the folder of each back end that a model folder, and those exported from it, can be
    measured with.

    Raises:
        ModelError: no speech model there. ConfigError: two folders of one format, or one of another
        kind.
    """
    from asr.model_folder import find_model, open_bundle

    found: dict[str, Path] = {}
    for folder in (model, *exported):
        bundle = open_bundle(find_model(folder), task="ctc")
        for backend in _formats(bundle):
            if backend not in BACKENDS or backend in found:
                what = "a second one for" if backend in found else "of the unknown format"
                raise ConfigError(
                    f"{folder} is {what} {backend}.",
                    f"Give one folder each for: {', '.join(BACKENDS)}.",
                )
            found[backend] = bundle.path
    return found


def _formats(bundle: Bundle) -> list[str]:
    from asr.model_folder import WEIGHTS
    from asr.speech.onnx import ONNX_FILE

    exported = [str((bundle.config.get("export") or {}).get("format", "onnx"))]
    if WEIGHTS not in bundle.files:
        return exported
    return ["torch", *exported] if ONNX_FILE in bundle.files else ["torch"]


def model_sample_rate(model: str | Path) -> int:
    """Return the sample rate in Hz that a speech model hears.

    Raises:
        ModelError: no speech model there.
    """
    from asr.model_folder import find_model, open_bundle

    return _sample_rate(open_bundle(find_model(model), task="ctc").path)


def _sample_rate(folder: Path) -> int:
    from asr.config import read_yaml

    features = (read_yaml(folder / "config.yaml").get("network") or {}).get("features") or {}
    return int(features.get("sample_rate", 16000))


def _in_fresh_process(job: dict[str, str], config: BenchConfig) -> dict[str, Any]:
    order = json.dumps({**job, "config": asdict(config)})
    environment = os.environ | ({"OMP_NUM_THREADS": str(config.threads)} if config.threads else {})
    done = subprocess.run(
        [sys.executable, "-m", "asr.speech.jobs.bench"],
        input=order,
        capture_output=True,
        text=True,
        env=environment,
    )
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise ModelError(f"Measuring {job['backend']} with {job['decoder']} failed: {last}")
    content: dict[str, Any] = json.loads(lines[-1])
    return content


def _measure(job: dict[str, Any]) -> dict[str, Any]:
    """What a fresh process does: import, load, warm up, measure."""
    settings: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in job["config"].items()
    }
    config = BenchConfig(**settings)
    backend = BACKENDS[job["backend"]]
    _import_libraries(job["backend"])
    baseline = _peak_memory()
    started = time.perf_counter()
    engine = backend.load(Path(job["model"]), job["decoder"], config.device, config.threads)
    load_s = time.perf_counter() - started
    line = np.load(job["audio"])
    found = [_measure_length(engine, line, seconds, config) for seconds in config.clips_s]
    return {
        "load_s": load_s,
        "baseline_mb": baseline,
        "memory_mb": _peak_memory(),
        "lengths": found,
        "device_memory_mb": _device_memory(config.device),
    }


def _import_libraries(backend: str) -> None:
    """Import what loading would, so that its cost is told apart from the model's."""
    importlib.import_module("asr.speech.recognizer")

    importlib.import_module("torch" if backend == "torch" else "onnxruntime")


def _measure_length(
    engine: Engine, line: Samples, seconds: float, config: BenchConfig
) -> dict[str, Any]:
    length = round(seconds * engine.sample_rate)
    sounds = clips([line], length, config.repeats)
    for sound in sounds[:WARM_UP]:
        engine.decode(engine.log_probs([sound]))
    network: list[float] = []
    decode: list[float] = []
    begun = time.perf_counter()
    for sound in sounds:
        if len(network) >= 10 and time.perf_counter() - begun > config.budget_s:
            break
        t0 = time.perf_counter()
        log_probs = engine.log_probs([sound])
        t1 = time.perf_counter()
        engine.decode(log_probs)
        network.append(t1 - t0)
        decode.append(time.perf_counter() - t1)
    batch = [sounds[n % len(sounds)] for n in range(config.batch_size)]
    engine.decode(engine.log_probs(batch))  # a new shape warms up once more
    begun = time.perf_counter()
    engine.decode(engine.log_probs(batch))
    return {"network": network, "decode": decode, "batch": time.perf_counter() - begun}


def _peak_memory() -> float:
    """Highest resident memory of this process so far, in 10^6 bytes.

    /proc has it for this program alone; getrusage would count in the parent that started it.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        found = next(
            (row for row in status.read_text().splitlines() if row.startswith("VmHWM:")), None
        )
        if found:
            return int(found.split()[1]) * 1024 / 1e6
    import resource

    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        * (1 if sys.platform == "darwin" else 1024)
        / 1e6
    )


def _device_memory(device: str) -> float | None:
    if not device.startswith("cuda"):
        return None
    import torch

    return torch.cuda.max_memory_allocated() / 1e6


def _results(
    folder: Path, combination: tuple[str, str], runs: list[dict[str, Any]], config: BenchConfig
) -> list[Result]:
    backend, decoder = combination
    results = []
    for place, clip_s in enumerate(config.clips_s):
        parts = [run["lengths"][place] for run in runs]
        network = np.concatenate([part["network"] for part in parts]) * 1000
        decode = np.concatenate([part["decode"] for part in parts]) * 1000
        batch = min(part["batch"] for part in parts)
        results.append(
            Result(
                backend,
                decoder,
                clip_s,
                len(network),
                _percentiles(network + decode),
                _round(np.median(network)),
                _round(np.median(decode)),
                _round((network + decode).mean() / 1000 / clip_s),
                _round(batch / config.batch_size / clip_s),
                config.batch_size,
                _round(min(run["load_s"] for run in runs)),
                _round(max(run["memory_mb"] for run in runs)),
                _round(min(run["baseline_mb"] for run in runs)),
                _round(_disk(folder, backend, decoder)),
                runs[0]["device_memory_mb"],
            )
        )
    return results


def _percentiles(latencies_ms: npt.NDArray[np.float64]) -> dict[str, float]:
    """A percentile is told only where at least one measurement lies beyond it: p90 from 10, p99
    from 100 on.
    """
    told = [q for q in PERCENTILES if len(latencies_ms) * (100 - q) >= 100 or q == 50]
    found = {f"p{q}": _round(np.percentile(latencies_ms, q)) for q in told}
    return {**found, "mean": _round(latencies_ms.mean())}


def _round(value: Any) -> float:
    return float(f"{float(value):.4g}")


def _disk(folder: Path, backend: str, decoder: str) -> float:
    patterns = BACKENDS[backend].files + (("lm.*",) if decoder == "beam" else ())
    return sum(file.stat().st_size for pattern in patterns for file in folder.glob(pattern)) / 1e6


# -------------------------------------------------------------------------------------------------
# showing


def machine() -> str:
    """Return processor, number of cores this process may use, system, and Python in one line."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        rows = [row for row in info.read_text().splitlines() if row.startswith("model name")]
        name = rows[0].split(":", 1)[1].strip() if rows else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{name}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def report_json(results: Sequence[Result], model: str, audio: str, config: BenchConfig) -> str:
    """Return everything as JSON: ``model``, ``machine``, ``audio``, ``config``, ``results``."""
    content = {"model": model, "machine": machine(), "audio": audio, "config": asdict(config)}
    return json.dumps({**content, "results": [asdict(r) for r in results]}, indent=1) + "\n"


def table_rows(results: Sequence[Result]) -> tuple[list[str], list[list[str]]]:
    """Return column names and rows: latencies in ms, memory and disk in MB."""
    columns = [
        "back end",
        "decoder",
        "clip s",
        "p50 ms",
        "p90",
        "p95",
        "p99",
        "network",
        "decode",
        "RTF",
        "RTF batched",
    ]
    columns += ["memory MB", "disk MB", "load s", "n"]
    rows = []
    for r in results:
        latencies = [
            f"{r.latency_ms[f'p{q}']:.1f}" if f"p{q}" in r.latency_ms else "-" for q in PERCENTILES
        ]
        parts = [
            f"{r.network_ms:.1f}",
            f"{r.decode_ms:.1f}",
            f"{r.real_time_factor:.4f}",
            f"{r.batched_real_time_factor:.4f}",
        ]
        sizes = [f"{r.memory_mb:.0f}", f"{r.disk_mb:.1f}", f"{r.load_s:.2f}", str(r.repeats)]
        rows.append([r.backend, r.decoder, f"{r.clip_s:g}", *latencies, *parts, *sizes])
    return columns, rows


def table_text(results: Sequence[Result]) -> str:
    """Return the table for a terminal."""
    columns, rows = table_rows(results)
    widths = [max(len(row[n]) for row in [columns, *rows]) for n in range(len(columns))]
    lines = [
        "  ".join(
            cell.ljust(w) if n < 2 else cell.rjust(w)
            for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in [columns, *rows]
    ]
    return "\n".join(line.rstrip() for line in lines)


if (
    __name__ == "__main__"
):  # the fresh process: its order comes in by standard input, its answer is the last line
    try:
        print(json.dumps(_measure(json.load(sys.stdin))))
    except AsrError as problem:
        sys.exit(str(problem))

"""Writing stored features: in parallel, in shards that are whole or not there, so that a stopped run goes on.

The layout is described where it is read: :mod:`asr.batches.store`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio import load_audio, resample
from asr.batches.store import FeatureStore, Quantization, StringTable
from asr.errors import AsrError, DataError
from asr.features import FeatureConfig, LogMel
from asr.files import atomic_path, atomic_write_text

__all__ = ["Skipped", "StoreConfig", "Utterance", "extract_features", "prepare_store", "write_store"]

SHARD_SIZE = 256
QUANTIZATION = {"logmel": (-17.0, 15.0), "mfcc": (-160.0, 96.0)}


@dataclass(frozen=True)
class Utterance:
    """A stretch of a recording and what is said in it; ``num_samples`` None reaches to the end."""

    id: str
    audio: str
    text: str
    speaker: str
    start_s: float = 0.0
    duration_s: float | None = None


@dataclass(frozen=True)
class StoreConfig:
    """How a split is stored.

    Attributes:
        features: see :class:`asr.features.FeatureConfig`. speeds: a copy for each; 1 is the recording as it is.
        dtype: ``int16`` or ``int8``.
    """

    features: FeatureConfig = field(default_factory=FeatureConfig)
    speeds: tuple[float, ...] = (1.0,)
    dtype: str = "int16"

    def quantization(self) -> Quantization:
        """Return the code of the values."""
        return Quantization(self.dtype, *QUANTIZATION[self.features.kind])


@dataclass(frozen=True)
class Skipped:
    """An utterance that could not be prepared, and why."""

    id: str
    reason: str


def extract_features(
    extractor: LogMel, samples: npt.NDArray[np.float32], speed: float = 1.0
) -> npt.NDArray[np.float32]:
    """Return features (T, F) of samples (n,), played ``speed`` times as fast (pitch changes with it)."""
    import torch

    rate = extractor.config.sample_rate
    if speed != 1.0:
        samples = resample(samples, rate * speed, rate)
    with torch.inference_mode():
        features, _ = extractor(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    array: npt.NDArray[np.float32] = features[0].numpy()
    return array


def prepare_store(
    split: Path, utterances: Sequence[Utterance], config: StoreConfig, jobs: int = 0, progress: Any = None
) -> list[Skipped]:
    """Compute and store the features of a split; return what was skipped. Shards done by an earlier run are kept.

    Args:
        split: folder of the split. utterances: in the order of the store. config: settings. jobs: processes, 0 for all
            cores. progress: called with (utterances, seconds of audio) as shards are done.

    Raises:
        DataError: nothing could be prepared.
    """
    folder = split / "features"
    parts = [utterances[i : i + SHARD_SIZE] for i in range(0, len(utterances), SHARD_SIZE)]
    _forget_other_settings(folder, config, utterances)
    work = partial(_prepare_shard, folder=folder, config=config)
    with _pool(min(jobs or os.cpu_count() or 1, len(parts) or 1)) as run:
        for number, seconds in run(work, list(enumerate(parts))):
            if progress:
                progress(len(parts[number]), seconds)
    records = [json.loads((folder / f"shard-{n:05}.json").read_text(encoding="utf-8")) for n in range(len(parts))]
    return _join(folder, records, config)


def write_store(split: Path, features: FeatureConfig, items: Sequence[tuple[str, str, npt.NDArray[np.float32]]]) -> None:
    """Store ready features: (id, text, features (T, F)) of each utterance."""
    config, folder = StoreConfig(features), split / "features"
    rows = [(Utterance(name, "", text, name.split("-")[0]), 1.0, array) for name, text, array in items]
    _join(folder, [_write_shard(folder, 0, rows, [], config)], config)


def _forget_other_settings(folder: Path, config: StoreConfig, utterances: Sequence[Utterance]) -> None:
    digest = hashlib.sha256(json.dumps(asdict(config)).encode())
    for utterance in utterances:
        digest.update(repr(utterance).encode())
    marker = folder / "settings"
    if marker.is_file() and marker.read_text() == digest.hexdigest():
        return
    shutil.rmtree(folder, ignore_errors=True)
    atomic_write_text(marker, digest.hexdigest())


@contextlib.contextmanager
def _pool(jobs: int) -> Iterator[Any]:
    if jobs <= 1:
        yield map
        return
    import multiprocessing

    context = multiprocessing.get_context("spawn")  # forked torch threads deadlock
    with ProcessPoolExecutor(jobs, context, initializer=_one_thread) as pool:
        yield pool.map


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _prepare_shard(job: tuple[int, Sequence[Utterance]], folder: Path, config: StoreConfig) -> tuple[int, float]:
    number, utterances = job
    record = folder / f"shard-{number:05}.json"
    if record.is_file():
        return number, float(json.loads(record.read_text(encoding="utf-8"))["seconds"])
    extractor = LogMel(config.features)
    rows, skipped = [], []
    for utterance in utterances:
        try:
            samples = _samples(utterance, config.features)
        except AsrError as error:
            skipped.append(Skipped(utterance.id, str(error)))
            continue
        rows += [(utterance, speed, extract_features(extractor, samples, speed)) for speed in config.speeds]
    return number, float(_write_shard(folder, number, rows, skipped, config)["seconds"])


def _samples(utterance: Utterance, features: FeatureConfig) -> npt.NDArray[np.float32]:
    if not utterance.text.strip():
        raise DataError("The transcript is empty.")
    audio = load_audio(utterance.audio, features.sample_rate)
    start = round(utterance.start_s * features.sample_rate)
    stop = None if utterance.duration_s is None else start + round(utterance.duration_s * features.sample_rate)
    samples = audio.samples[start:stop]
    if audio.is_silent:
        raise DataError(f"{utterance.audio} is silent.")
    if features.num_frames(int(len(samples) / 1.2)) < 1:
        raise DataError(f"{utterance.audio}: {len(samples)} samples are shorter than one frame.")
    return samples


def _write_shard(
    folder: Path,
    number: int,
    rows: Sequence[tuple[Utterance, float, npt.NDArray[np.float32]]],
    skipped: Sequence[Skipped],
    config: StoreConfig,
) -> dict[str, Any]:
    values = np.concatenate([r[2] for r in rows]) if rows else np.zeros((0, config.features.num_features), np.float32)
    with atomic_path(folder / f"shard-{number:05}.npy") as temporary:
        np.save(temporary, config.quantization().encode(values))
    frames = [len(features) for _, _, features in rows]
    record = {
        "ids": [u.id if speed == 1.0 else f"{u.id}-sp{speed:g}" for u, speed, _ in rows],
        "texts": [u.text for u, _, _ in rows],
        "speakers": [u.speaker for u, _, _ in rows],
        "sources": [u.id for u, _, _ in rows],
        "speeds": [speed for _, speed, _ in rows],
        "frames": frames,
        "sum": values.sum(0, dtype=np.float64).tolist(),
        "sum_of_squares": np.square(values, dtype=np.float64).sum(0).tolist(),
        "seconds": sum(frames) * config.features.frame_shift_ms / 1000,
        "skipped": [asdict(s) for s in skipped],
    }
    atomic_write_text(folder / f"shard-{number:05}.json", json.dumps(record))
    return record


def _join(folder: Path, records: Sequence[dict[str, Any]], config: StoreConfig) -> list[Skipped]:
    skipped = [Skipped(**s) for record in records for s in record["skipped"]]
    num_frames = np.array([n for r in records for n in r["frames"]], np.int64)
    if not len(num_frames):
        first = f" The first: {skipped[0].id}: {skipped[0].reason}" if skipped else ""
        raise DataError(f"None of the utterances for {folder.parent} could be prepared.{first}")
    shard_of = np.repeat(np.arange(len(records)), [len(r["frames"]) for r in records])
    first_row = np.concatenate([np.cumsum([0, *r["frames"]])[:-1] for r in records]).astype(np.int64)
    _, sources = np.unique([s for r in records for s in r["sources"]], return_inverse=True)
    _save_arrays(
        folder / "index.npz", num_frames=num_frames, shard_of=shard_of, first_row=first_row, sources=sources,
        speeds=np.array([s for r in records for s in r["speeds"]], np.float32),
    )  # fmt: skip
    _save_arrays(folder / "strings.npz", **_string_arrays(records))
    total = num_frames.sum()
    mean = np.sum([r["sum"] for r in records], axis=0) / total
    variance = np.sum([r["sum_of_squares"] for r in records], axis=0) / total - mean**2
    meta = {
        "features": asdict(config.features), "quantization": asdict(config.quantization()), "items": len(num_frames),
        "hours": float(total * config.features.frame_shift_ms / 3.6e6), "speeds": list(config.speeds),
        "mean": mean.tolist(), "std": np.sqrt(np.maximum(variance, 0)).tolist(), "skipped": [asdict(s) for s in skipped],
    }  # fmt: skip
    atomic_write_text(folder / "meta.json", json.dumps(meta, indent=1) + "\n")
    FeatureStore.open(folder.parent)  # what was written can be read
    return skipped


def _string_arrays(records: Iterable[dict[str, Any]]) -> dict[str, npt.NDArray[Any]]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name in ("ids", "texts", "speakers"):
        table = StringTable.of(s for record in records for s in record[name])
        arrays[name], arrays[f"{name}_offsets"] = table.arrays
    return arrays


def _save_arrays(path: Path, **arrays: npt.NDArray[Any]) -> None:
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]

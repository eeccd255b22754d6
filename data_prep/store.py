"""Writes stored features: in parallel, in atomic shards, so that a run can be resumed.

The file layout is described in :mod:`asr.speech.data.store`, which reads it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.channels import ChannelSelector
from asr.audio.level import levelled
from asr.audio.perturbation import NoiseConfig, change_speed, noisy_copy
from asr.audio.reading import SILENCE, Audio, load_audio
from asr.audio.shar import file_of
from asr.config import check_choice, check_range
from asr.errors import AudioError, ConfigError, DataError
from asr.features.config import FeatureConfig
from asr.features.extraction import LogMel
from asr.files import atomic_path, atomic_write_text
from asr.speech.data.recordings import SLOPPY_S
from asr.speech.data.store import FeatureStore, Quantization, StringTable
from data_prep.workers import Workers

__all__ = [
    "Skipped",
    "StoreConfig",
    "Utterance",
    "digest_of",
    "prepare_store",
    "run_shards",
    "settings_digest",
    "write_store",
]

SHARD_SIZE = 256  # utterances at most
MANY_SHARDS = 32  # at least, given enough utterances, so that workers finish at about the same time
LEAST_SIZE = 16  # utterances of a shard
LAYOUT = 2  # version of the stored files; files of another version are written again
CHANGED = 0.0  # the speed recorded for noisy copies
STRINGS = ("ids", "texts", "speakers")
QUANTIZATION = {"logmel": (-17.0, 15.0), "mfcc": (-160.0, 96.0)}


@dataclass(frozen=True, slots=True)
class Utterance:
    """A segment of a recording with its transcript.

    Attributes:
        id: unique in a split.
        audio: path or address (:mod:`asr.audio.shar`).
        text: transcript.
        speaker: empty if unknown.
        start_s: start of the segment in seconds.
        duration_s: its duration in seconds; None is up to the end of the recording.
        channel: of the recording, from 0; None is the mean of all.
    """

    id: str
    audio: str
    text: str
    speaker: str
    start_s: float = 0.0
    duration_s: float | None = None
    channel: int | None = None


@dataclass(frozen=True)
class StoreConfig:
    """Settings of stored features.

    Attributes:
        features: see :class:`asr.features.extraction.FeatureConfig`.
        speeds: one copy per speed; 1 is the unchanged recording.
        dtype: ``int16`` or ``int8``.
        noise: additional copies with noise or reverberation.

    Raises:
        ConfigError: 1 is not among the speeds, one is out of range, or the dtype is unknown.
    """

    features: FeatureConfig = field(default_factory=FeatureConfig)
    speeds: tuple[float, ...] = (1.0,)
    dtype: str = "int16"
    noise: NoiseConfig | None = None

    def __post_init__(self) -> None:
        check_choice("dtype", self.dtype, ("int16", "int8"))
        if 1.0 not in self.speeds or len(set(self.speeds)) < len(self.speeds):
            raise ConfigError(
                f"The speeds {self.speeds} must include 1 and no speed twice.",
                "Example: 0.9,1.0,1.1",
            )
        for speed in self.speeds:
            check_range("speeds", speed, 0.5, 2.0)

    def plain(self) -> StoreConfig:
        """Return the settings without copies."""
        return replace(self, speeds=(1.0,), noise=None)

    def quantization(self) -> Quantization:
        """Return how feature values are quantised."""
        low, high = QUANTIZATION[self.features.kind]
        if self.features.kind == "logmel":
            low = float(math.floor(math.log(self.features.floor)))
        return Quantization(self.dtype, low, high)


# A stored copy: its utterance, suffix of its id, speed, features (T, F).
Row = tuple[Utterance, str, float, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Skipped:
    """An utterance that could not be prepared, and why."""

    id: str
    reason: str


def prepare_store(
    split: Path,
    utterances: Sequence[Utterance],
    config: StoreConfig,
    workers: Workers,
    progress: Any = None,
) -> list[Skipped]:
    """Compute and store the features of a split; return the skipped utterances.

    Complete shards of an earlier run with the same settings are kept.

    Args:
        split: folder of the split.
        utterances: in the order of the store.
        config: settings.
        workers: process the shards.
        progress: called with (utterances, seconds of audio) after each shard.

    Raises:
        DataError: nothing could be prepared.
    """
    folder = split / "features"
    size = min(SHARD_SIZE, max(LEAST_SIZE, -(-len(utterances) // MANY_SHARDS)))
    parts = [utterances[i : i + size] for i in range(0, len(utterances), size)]
    _forget_other_settings(folder, f"{settings_digest(utterances, config)} {size}")
    run_shards(
        partial(_prepare_shard, folder=folder.resolve(), config=config), parts, workers, progress
    )
    for leftover in folder.glob(".shard-*"):  # of a run that was killed
        leftover.unlink()
    return _join(folder, (_read_record(folder, number) for number in range(len(parts))), config)


def run_shards(
    work: Callable[[tuple[int, Sequence[Utterance]]], tuple[int, float]],
    parts: Sequence[Sequence[Utterance]],
    workers: Workers,
    progress: Any = None,
) -> None:
    """Call ``work`` on every part.

    Args:
        work: takes the number of a part and its utterances; returns the number and the seconds of
            audio. Processes import it, and may call it twice on one part.
        parts: utterances of each part.
        workers: call ``work``.
        progress: see :func:`prepare_store`.
    """
    for number, seconds in workers.map(
        work, [(n, _located(part, workers)) for n, part in enumerate(parts)]
    ):
        if progress:
            progress(len(parts[number]), seconds)


def _located(part: Sequence[Utterance], workers: Workers) -> Sequence[Utterance]:
    """Return the part with absolute paths for a cluster, whose workers have another folder."""
    return (
        part
        if workers.ray is None
        else [replace(u, audio=str(Path(u.audio).resolve())) for u in part]
    )


def settings_digest(utterances: Iterable[Utterance], config: StoreConfig) -> str:
    """Return a digest of utterances, store settings, and size and date of each recording."""
    return digest_of(utterances, [LAYOUT, asdict(config)])


def digest_of(utterances: Iterable[Utterance], settings: Any) -> str:
    """Return a digest of utterances, settings (JSON), and size and date of each recording."""
    digest = hashlib.sha256(json.dumps(settings).encode())
    _stamp.cache_clear()  # files may have changed since an earlier preparation
    for utterance in utterances:
        digest.update(f"{utterance!r} {_stamp(str(file_of(utterance.audio)))}\n".encode())
    return digest.hexdigest()


@functools.lru_cache(maxsize=1)
def _stamp(path: str) -> str:
    try:
        status = Path(path).stat()
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def write_store(
    split: Path, features: FeatureConfig, items: Sequence[tuple[str, str, npt.NDArray[np.float32]]]
) -> None:
    """Store given features: (id, text, features (T, F)) of each utterance."""
    config, folder = StoreConfig(features), split / "features"
    rows: list[Row] = [
        (Utterance(name, "", text, name.split("-")[0]), "", 1.0, array)
        for name, text, array in items
    ]
    _join(folder, [_write_shard(folder, 0, rows, [], config)], config)


def _forget_other_settings(folder: Path, digest: str) -> None:
    marker = folder / "settings"
    if marker.is_file() and marker.read_text() == digest:
        return
    shutil.rmtree(folder, ignore_errors=True)
    atomic_write_text(marker, digest)


def _read_record(folder: Path, number: int) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(
        (folder / f"shard-{number:05}.json").read_text(encoding="utf-8")
    )
    return record


def _prepare_shard(
    job: tuple[int, Sequence[Utterance]], folder: Path, config: StoreConfig
) -> tuple[int, float]:
    number, utterances = job
    record = folder / f"shard-{number:05}.json"
    if record.is_file():
        return number, float(_read_record(folder, number)["seconds"])
    extractor = LogMel(config.features)
    _recording.cache_clear()
    rows: list[Row] = []
    skipped: list[Skipped] = []
    for utterance in utterances:
        try:
            rows += _copies(utterance, extractor, config)
        except AudioError as error:
            skipped.append(Skipped(utterance.id, str(error)))
    return number, float(_write_shard(folder, number, rows, skipped, config)["seconds"])


def _copies(utterance: Utterance, extractor: LogMel, config: StoreConfig) -> list[Row]:
    samples, rate = _samples(utterance, config), config.features.sample_rate
    rows: list[Row] = []
    for speed in config.speeds:
        features = extractor.extract(change_speed(samples, rate, speed))
        rows.append((utterance, "" if speed == 1.0 else f"-sp{speed:g}", speed, features))
    if config.noise:
        for copy in range(config.noise.copies):
            noisy = noisy_copy(samples, rate, config.noise, utterance.id, copy)
            rows.append((utterance, f"-noise{copy}", CHANGED, extractor.extract(noisy)))
    return rows


@functools.lru_cache(maxsize=1)
def _recording(path: str, sample_rate: int, channel: str) -> Audio:
    # The last recording is cached, as consecutive utterances often come from the same one, and
    # those of a call by turns from its channels.
    return load_audio(path, sample_rate, channel)


def _samples(utterance: Utterance, config: StoreConfig) -> npt.NDArray[np.float32]:
    rate = config.features.sample_rate
    audio = _recording(utterance.audio, rate, "mix" if utterance.channel is None else "all")
    if utterance.channel is not None:
        samples = ChannelSelector(utterance.channel, utterance.audio)(audio.samples)
        audio = replace(audio, samples=samples)
    samples = audio.samples
    if utterance.start_s or utterance.duration_s is not None:
        samples = _stretch(audio, utterance)
    if np.abs(samples).max(initial=0.0) < SILENCE:
        raise AudioError(f"{utterance.audio} is silent.")
    fastest = max(*config.speeds, *(config.noise.speeds if config.noise else (1.0,)))
    if config.features.num_frames(int(len(samples) / fastest) - 1) < 1:
        raise AudioError(f"{utterance.audio}: {len(samples)} samples are shorter than one frame.")
    return levelled(samples, rate)


def _stretch(audio: Audio, utterance: Utterance) -> npt.NDArray[np.float32]:
    """Return the samples between two times, which are by the clock of the file."""
    rate, first_s = audio.sample_rate, utterance.start_s - audio.start_s
    start, lacking = max(0, round(first_s * rate)), max(0, round(-first_s * rate))
    length = len(audio.samples) - start
    wanted = length
    if utterance.duration_s is not None:
        wanted = round(utterance.duration_s * rate) - lacking
    if length <= 0 or wanted <= 0 or wanted > length + SLOPPY_S * rate:
        end = utterance.start_s + (utterance.duration_s or 0.0)
        begins = f"begins at {audio.start_s:.2f} s and " * (audio.start_s > 0)
        raise AudioError(
            f"{utterance.audio} {begins}lasts {audio.duration_s:.2f} s; {utterance.start_s:.2f} to "
            f"{end:.2f} s is beyond its end."
        )
    return audio.samples[start : start + wanted]


def _write_shard(
    folder: Path,
    number: int,
    rows: Sequence[Row],
    skipped: Sequence[Skipped],
    config: StoreConfig,
) -> dict[str, Any]:
    values = (
        np.concatenate([r[3] for r in rows])
        if rows
        else np.zeros((0, config.features.num_features), np.float32)
    )
    with atomic_path(folder / f"shard-{number:05}.npy") as temporary:
        np.save(temporary, config.quantization().encode(values))
    frames = [len(features) for *_, features in rows]
    record = {
        "ids": [u.id + suffix for u, suffix, _, _ in rows],
        "texts": [u.text for u, *_ in rows],
        "speakers": [u.speaker for u, *_ in rows],
        "sources": [u.id for u, *_ in rows],
        "speeds": [speed for _, _, speed, _ in rows],
        "frames": frames,
        "sum": values.sum(0, dtype=np.float64).tolist(),
        "sum_of_squares": np.square(values, dtype=np.float64).sum(0).tolist(),
        "seconds": sum(frames) * config.features.frame_shift_ms / 1000,
        "skipped": [asdict(s) for s in skipped],
    }
    atomic_write_text(folder / f"shard-{number:05}.json", json.dumps(record))
    return record


class _Index:
    """The records of all shards in arrays, which hold millions of items in little memory."""

    def __init__(self) -> None:
        self.columns: dict[str, list[npt.NDArray[Any]]] = {}
        self.skipped: list[Skipped] = []
        self.sums = np.zeros((2, 1))
        self.shards = self.utterances = 0

    def add(self, record: dict[str, Any]) -> None:
        frames, names = np.array(record["frames"], np.int64), record["sources"]
        new = np.array([i == 0 or name != names[i - 1] for i, name in enumerate(names)], bool)
        self._append("num_frames", frames)
        self._append("shard_of", np.full(len(frames), self.shards))
        self._append("first_row", np.cumsum(frames) - frames)
        self._append("sources", np.cumsum(new, dtype=np.int64) - 1 + self.utterances)
        self._append("speeds", np.array(record["speeds"], np.float32))
        for name in STRINGS:
            blob, offsets = StringTable.of(record[name]).arrays
            self._append(name, blob)
            self._append(f"{name}_offsets", np.diff(offsets))
        self.sums = self.sums + np.array([record["sum"], record["sum_of_squares"]])
        self.skipped += [Skipped(**s) for s in record["skipped"]]
        self.shards, self.utterances = self.shards + 1, self.utterances + int(new.sum())

    def _append(self, name: str, values: npt.NDArray[Any]) -> None:
        self.columns.setdefault(name, []).append(values)

    def arrays(self, *names: str) -> dict[str, npt.NDArray[Any]]:
        return {name: np.concatenate(self.columns[name]) for name in names}

    def string_arrays(self) -> dict[str, npt.NDArray[Any]]:
        arrays = self.arrays(*STRINGS)
        for name in STRINGS:
            lengths = np.concatenate(self.columns[f"{name}_offsets"])
            arrays[f"{name}_offsets"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return arrays


def _join(folder: Path, records: Iterable[dict[str, Any]], config: StoreConfig) -> list[Skipped]:
    index = _Index()
    for record in records:
        index.add(record)
    if not index.utterances:
        first = (
            f" The first: {index.skipped[0].id}: {index.skipped[0].reason}" if index.skipped else ""
        )
        raise DataError(f"None of the utterances for {folder.parent} could be prepared.{first}")
    arrays = index.arrays("num_frames", "shard_of", "first_row", "sources", "speeds")
    _save_arrays(folder / "index.npz", **arrays)
    _save_arrays(folder / "strings.npz", **index.string_arrays())
    atomic_write_text(
        folder / "meta.json",
        json.dumps(_meta(index, config, arrays["num_frames"]), indent=1) + "\n",
    )
    FeatureStore.open(folder.parent)  # check that it can be read
    return index.skipped


def _meta(index: _Index, config: StoreConfig, num_frames: npt.NDArray[np.int64]) -> dict[str, Any]:
    total = int(num_frames.sum())
    mean, mean_of_squares = index.sums / total
    return {
        "features": asdict(config.features),
        "quantization": asdict(config.quantization()),
        "items": len(num_frames),
        "hours": total * config.features.frame_shift_ms / 3.6e6,
        "speeds": list(config.speeds),
        "noise": asdict(config.noise) if config.noise else None,
        "mean": mean.tolist(),
        "std": np.sqrt(np.maximum(mean_of_squares - mean**2, 0)).tolist(),
        "skipped": [asdict(s) for s in index.skipped],
    }


def _save_arrays(path: Path, **arrays: npt.NDArray[Any]) -> None:
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]

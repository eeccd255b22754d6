"""Stored features of a prepared split, memory-mapped.

    SPLIT/features/meta.json      feature settings, quantisation, mean, standard deviation, count
    SPLIT/features/index.npz      per item: shard, first row, frames, speed, utterance it is of
    SPLIT/features/strings.npz    per item: id, text, speaker, as UTF-8 blobs
    SPLIT/features/shard-*.npy    quantised features of many items, one after the other

No Python object is held per item, so a store of a million items opens in a moment.

Legend: n items, T frames, F features.
"""

from __future__ import annotations

import functools
import json
import zipfile
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from asr.config import build_config
from asr.errors import ConfigError, DataError
from asr.features.config import FeatureConfig

__all__ = ["FeatureStore", "LabelTable", "Quantization", "StringTable"]


@dataclass(frozen=True)
class Quantization:
    """Linear quantisation of log-power values: value = low + step * (code - smallest code).

    int16 over 32 nepers keeps log-Mel values within 2.5e-4, int8 within 0.063: both far below the
    effect of a little noise.

    Attributes:
        dtype: of the codes: ``int16`` or ``int8``.
        low: value of the smallest code.
        high: value of the largest code.
    """

    dtype: str = "int16"
    low: float = -17.0
    high: float = 15.0

    @property
    def step(self) -> float:
        """Difference between the values of two neighbouring codes."""
        return (self.high - self.low) / (np.iinfo(self.dtype).max * 2 + 1)

    def encode(self, features: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
        """Return the codes of values; those outside ``low`` to ``high`` are clipped."""
        steps = np.rint((np.clip(features, self.low, self.high) - self.low) / self.step)
        codes = steps + np.iinfo(self.dtype).min
        quantized: npt.NDArray[Any] = codes.astype(self.dtype)
        return quantized

    def decode(self, codes: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the values of codes."""
        values: npt.NDArray[np.float32] = np.array(codes, np.float32)  # in memory, no longer mapped
        values -= np.iinfo(self.dtype).min
        values *= np.float32(self.step)
        values += np.float32(self.low)
        return values


class StringTable(Sequence[str]):
    """Many strings as one UTF-8 blob and offsets; a string is decoded when it is asked for."""

    def __init__(self, blob: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> None:
        self._blob, self._offsets = blob, offsets

    @classmethod
    def of(cls, strings: Iterable[str]) -> StringTable:
        """Return the table of ``strings``."""
        encoded = [s.encode() for s in strings]
        offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return cls(np.frombuffer(b"".join(encoded), np.uint8), offsets)

    @property
    def arrays(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """Blob and offsets."""
        return self._blob, self._offsets

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return self._blob[self._offsets[index] : self._offsets[index + 1]].tobytes().decode()


class LabelTable(Sequence[npt.NDArray[np.int64]]):
    """Many sequences of token ids as one array and offsets: 2 bytes a token.

    Args:
        sequences: token ids of each item; read once.
        vocab_size: V; the ids are below it.
    """

    def __init__(self, sequences: Iterable[Sequence[int]], vocab_size: int) -> None:
        flat, ends = array("H" if vocab_size <= 1 << 16 else "i"), array("q", [0])
        for sequence in sequences:
            flat.extend(sequence)
            ends.append(len(flat))
        self._flat, self._ends = np.frombuffer(flat, flat.typecode), np.frombuffer(ends, np.int64)

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> npt.NDArray[np.int64]: ...
    @overload
    def __getitem__(self, index: slice) -> list[npt.NDArray[np.int64]]: ...
    def __getitem__(
        self, index: int | slice
    ) -> npt.NDArray[np.int64] | list[npt.NDArray[np.int64]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        return self._flat[self._ends[index] : self._ends[index + 1]].astype(np.int64)


@dataclass(frozen=True)
class FeatureStore:
    """Features of a split, with ids, texts and speakers.

    Attributes:
        path: the split's folder.
        feature_config: how the features were computed.
        quantization: how they are stored.
        ids: (n,) names of the items.
        texts: (n,) transcripts.
        speakers: (n,) names of the speakers.
        num_frames: (n,) T of each item.
        speeds: (n,) speed of each copy: 1 for the recording as it is, 0 for a copy with noise or
            reverberation.
        sources: (n,) number of the utterance that an item is a copy of.
        shard_of: (n,) number of the shard that holds an item.
        first_row: (n,) row of the item's first frame in its shard.
        mean: (F,) over all items.
        std: (F,) over all items.
    """

    path: Path
    feature_config: FeatureConfig
    quantization: Quantization
    ids: StringTable
    texts: StringTable
    speakers: StringTable
    num_frames: npt.NDArray[np.int64]
    speeds: npt.NDArray[np.float32]
    sources: npt.NDArray[np.int64]
    shard_of: npt.NDArray[np.int64]
    first_row: npt.NDArray[np.int64]
    mean: npt.NDArray[np.float32]
    std: npt.NDArray[np.float32]

    @classmethod
    def open(cls, split: str | Path) -> FeatureStore:
        """Return the features of a split that ``asr prepare`` wrote.

        Raises:
            DataError: there are none, their preparation was not finished, or a file is damaged.
        """
        folder = Path(split) / "features"
        if not (folder / "meta.json").is_file():
            there = Path(split).is_dir()
            state = "is not a prepared split (no features/meta.json)" if there else "does not exist"
            raise DataError(
                f"{split} {state}.", "Run `asr prepare`; it resumes where it was stopped."
            )
        try:
            return _read_store(Path(split), folder)
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile, ConfigError) as error:
            raise DataError(
                f"The features in {folder} are damaged: {error}.",
                "Delete the folder and prepare again.",
            ) from error

    def __len__(self) -> int:
        return len(self.num_frames)

    @property
    def frame_shift_s(self) -> float:
        """Seconds from frame to frame."""
        return self.feature_config.frame_shift_ms / 1000

    @property
    def durations_s(self) -> npt.NDArray[np.float64]:
        """(n,) seconds of each item."""
        return self.num_frames.astype(np.float64) * self.frame_shift_s

    def names_of_sources(self) -> list[str]:
        """Return for each item the id of the utterance that it is, or is a copy of."""
        plain = np.flatnonzero(self.speeds == 1.0).tolist()
        of_source = {int(self.sources[item]): self.ids[item] for item in plain}
        return [of_source[source] for source in self.sources.tolist()]

    def features(self, item: int) -> npt.NDArray[np.float32]:
        """Return the features (T, F) of an item.

        Raises:
            DataError: its shard is missing or damaged.
        """
        row, num_frames = int(self.first_row[item]), int(self.num_frames[item])
        number = int(self.shard_of[item])
        codes = self._shard(number)[row : row + num_frames]
        if codes.shape != (num_frames, self.feature_config.num_features):
            raise DataError(
                f"{self.path}: shard {number} holds {codes.shape} instead of {num_frames} frames "
                f"of {self.ids[item]}.",
                "Delete the features folder and prepare again.",
            )
        return self.quantization.decode(codes)

    def _shard(self, number: int) -> npt.NDArray[Any]:
        return _open_shard(self.path / "features" / f"shard-{number:05}.npy")


def _read_store(split: Path, folder: Path) -> FeatureStore:
    _open_shard.cache_clear()  # the split may have been prepared again
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    with (  # opened here: numpy leaves files open that it cannot read
        (folder / "index.npz").open("rb") as index_file,
        (folder / "strings.npz").open("rb") as strings_file,
        np.load(index_file) as index,
        np.load(strings_file) as strings,
    ):
        tables = {
            name: StringTable(strings[name], strings[f"{name}_offsets"])
            for name in ("ids", "texts", "speakers")
        }
        return FeatureStore(
            path=split,
            feature_config=build_config(FeatureConfig, meta["features"]),
            quantization=Quantization(**meta["quantization"]),
            ids=tables["ids"],
            texts=tables["texts"],
            speakers=tables["speakers"],
            num_frames=index["num_frames"],
            speeds=index["speeds"],
            sources=index["sources"],
            shard_of=index["shard_of"],
            first_row=index["first_row"],
            mean=np.asarray(meta["mean"], np.float32),
            std=np.asarray(meta["std"], np.float32),
        )


@functools.lru_cache(maxsize=256)
def _open_shard(path: Path) -> npt.NDArray[Any]:
    try:
        shard: npt.NDArray[Any] = np.load(path, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} is missing or damaged.", "Delete the features folder and prepare again."
        ) from error
    return shard

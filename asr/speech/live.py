"""Augmentation on the fly: features computed from the recordings, perturbed anew in every epoch.

Stored copies take disk space and are the same in every epoch; these take processor time instead,
which a training on a GPU has to spare.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.level import levelled
from asr.audio.perturbation import NoiseConfig, change_speed, noisy_copy
from asr.audio.reading import load_stretch
from asr.audio.shar import recording_path
from asr.config import check_range
from asr.errors import AudioError, DataError
from asr.features.extraction import LogMel
from asr.files import MANIFEST
from asr.speech.store import FeatureStore, StringTable
from asr.training.batching.seeds import keyed_seed

__all__ = ["LiveConfig", "LiveFeatures"]

MIX = -1  # instead of the number of a channel: the mean of all


@dataclass(frozen=True)
class LiveConfig:
    """Perturbations of an utterance, of which each epoch draws one, all with the same probability.

    Attributes:
        enabled: compute features in training, instead of reading the stored ones.
        speeds: factors of the speed; 1 is the recording as it is.
        noise: noise and reverberation; counts as ``copies`` perturbations, and differs in every
            epoch.
    """

    enabled: bool = False
    speeds: tuple[float, ...] = (0.9, 1.0, 1.1)
    noise: NoiseConfig | None = None

    def __post_init__(self) -> None:
        for speed in self.speeds:
            check_range("on_the_fly.speeds", speed, 0.5, 2.0)

    @property
    def shortest(self) -> float:
        """Duration of an utterance at the highest speed, as a share of its own."""
        fastest = max(1.0, *self.speeds, *(self.noise.speeds if self.noise else ()))
        return 1 / fastest if self.enabled else 1.0

    @property
    def choices(self) -> int:
        """Number of perturbations to draw from."""
        return len(self.speeds) + (self.noise.copies if self.noise else 0)


class LiveFeatures:
    """Features of the utterances of a store: a pure function of seed, epoch and item.

    Args:
        store: the prepared split, whose manifest names the recordings.
        config: see :class:`LiveConfig`.
        seed: of the random draws.

    Raises:
        DataError: the manifest is missing or damaged, or lacks an utterance of the store.
    """

    def __init__(self, store: FeatureStore, config: LiveConfig, seed: int = 0) -> None:
        self.store, self.config, self.seed = store, config, seed
        self.extractor = LogMel(store.feature_config)
        stretches = dict(_stretches(store.path))
        try:
            rows = [
                stretches[name]
                for name, speed in zip(store.ids, store.speeds, strict=True)
                if speed == 1.0
            ]
        except KeyError as error:
            raise DataError(
                f"{store.path / MANIFEST} lacks the utterance {error.args[0]}.",
                "Prepare the split again.",
            ) from None
        # of each item the row of its utterance: the copies follow the recording as it is
        self._row = np.cumsum(store.speeds == 1.0) - 1
        self._paths = StringTable.of(path for path, *_ in rows)
        self._times = np.array([(start, duration) for _, start, duration, _ in rows])
        self._channels = np.array([channel for *_, channel in rows], np.int16)

    def features(self, item: int, epoch: int) -> npt.NDArray[np.float32]:
        """Return the features (T, F) of an item in an epoch.

        Raises:
            AudioError: the recording is no longer there, or shorter than it was.
        """
        samples, rate = self._samples(item), self.store.feature_config.sample_rate
        rng = np.random.default_rng(keyed_seed(self.seed, epoch, item, "live"))
        choice = int(rng.integers(self.config.choices))
        if choice < len(self.config.speeds):
            samples = change_speed(samples, rate, self.config.speeds[choice])
        elif self.config.noise:
            key = f"{self.seed}-{epoch}-{self.store.ids[item]}"
            samples = noisy_copy(samples, rate, self.config.noise, key, choice)
        return self.extractor.extract(samples)

    def _samples(self, item: int) -> npt.NDArray[np.float32]:
        path, rate = self._paths[int(self._row[item])], self.store.feature_config.sample_rate
        start, duration = self._times[self._row[item]]
        number = int(self._channels[self._row[item]])
        channel = "mix" if number == MIX else number
        samples = load_stretch(path, float(start), float(duration), rate, channel)
        num_frames = self.store.feature_config.num_frames(len(samples))
        if num_frames < int(self.store.num_frames[item]) - 1:
            raise AudioError(
                f"{path} is shorter than when it was prepared.", "Prepare the split again."
            )
        return levelled(samples, rate)


def _stretches(split: Path) -> Iterator[tuple[str, tuple[str, float, float, int]]]:
    """Yield id, and path, start and duration in seconds, and channel, of the cuts in a manifest.

    It is read as plain JSON, which is much faster than Lhotse's objects.
    """
    path = split / MANIFEST
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for cut in map(json.loads, lines):
                channel = cut["channel"] if isinstance(cut["channel"], int) else MIX
                yield cut["id"], (_source(cut), cut["start"], cut["duration"], channel)
    except FileNotFoundError:
        raise DataError(
            f"There is no {path}.", "Run `asr prepare`; it resumes where it was stopped."
        ) from None
    except (OSError, EOFError, zlib.error, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{path} is damaged: {error}.", "Prepare the split again.") from error


def _source(cut: dict[str, Any]) -> str:
    return recording_path(cut["recording"]["sources"][0]["source"])

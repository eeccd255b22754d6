"""Augmentation on the fly: features computed from the recordings, perturbed anew in every epoch.

Stored copies take disk space and are the same in every epoch; these take processor time instead,
which a training on a GPU has to spare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.audio.perturbation import NoiseConfig, change_speed, noisy_copy
from asr.config import check_range
from asr.features.extraction import LogMel
from asr.speech.data.recordings import SplitRecordings
from asr.speech.data.store import FeatureStore
from asr.training.batching.seeds import keyed_seed

__all__ = ["LiveConfig", "LiveFeatures"]


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
        self.recordings = SplitRecordings(store)

    def features(self, item: int, epoch: int) -> npt.NDArray[np.float32]:
        """Return the features (T, F) of an item in an epoch.

        Raises:
            AudioError: the recording is no longer there, or shorter than it was.
        """
        rate = self.store.feature_config.sample_rate
        samples = self.recordings.samples(item, rate)
        rng = np.random.default_rng(keyed_seed(self.seed, epoch, item, "live"))
        choice = int(rng.integers(self.config.choices))
        if choice < len(self.config.speeds):
            samples = change_speed(samples, rate, self.config.speeds[choice])
        elif self.config.noise:
            key = f"{self.seed}-{epoch}-{self.store.ids[item]}"
            samples = noisy_copy(samples, rate, self.config.noise, key, choice)
        return self.extractor.extract(samples)

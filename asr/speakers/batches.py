"""Batches of crops: some speakers, and some crops of each, all of one length.

Legend: S speakers of a batch, B crops, T frames, F mel bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.speakers.config import SpeakerDataConfig
from asr.speakers.store import Codes, VoiceStore, decode
from asr.training.batching.batch import Batch
from asr.training.batching.loader import BatchLoader

__all__ = ["CropBatch", "CropLoader"]


@dataclass(frozen=True)
class CropBatch(Batch):
    """Crops of one length, those of a speaker together.

    Attributes:
        x: (B, T, F) float32, log-Mel.
        noise: (B, T, F) log-Mel features of noise, or (0, T, F).
        speakers: (B,) int64, their numbers.
        ids: of the crops.
        seed: key of this batch's augmentation.
    """

    x: Tensor
    noise: Tensor
    speakers: Tensor
    ids: tuple[str, ...]
    seed: int = 0


class CropLoader(BatchLoader):
    """Random crops, each batch a pure function of (seed, epoch, position).

    Args:
        store: of the recordings.
        config: how crops are drawn.
        frame_shift_s: seconds between two frames.
        noise: of noise recordings, None for none.
        seed: of the draws.
    """

    def __init__(
        self,
        store: VoiceStore,
        config: SpeakerDataConfig,
        frame_shift_s: float,
        *,
        noise: VoiceStore | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self.store, self.config, self.noise = store, config, noise
        self.frame_shift_s = frame_shift_s
        self.order = np.argsort(store.speakers, kind="stable")
        counts = np.bincount(store.speakers, minlength=len(store.names))
        self.first, self.counts = np.cumsum(counts) - counts, counts
        amounts = np.bincount(store.speakers, store.lengths, len(store.names))
        shares = np.where(amounts > 0, np.maximum(amounts, 1) ** (1 - config.balance), 0.0)
        self.shares = shares / shares.sum()
        self.speakers = min(config.speakers, int((amounts > 0).sum()))

    def num_batches(self, epoch: int) -> int:
        """Return the number of batches of this rank in an epoch."""
        return max(1, self.config.batches_per_epoch // self.world_size)

    def load(self, epoch: int, position: int) -> CropBatch:
        """Return one batch of an epoch."""
        seed, config = self.batch_seed(epoch, position), self.config
        rng = np.random.default_rng(seed)
        length = round(rng.uniform(config.shortest_s, config.longest_s) / self.frame_shift_s)
        chosen = rng.choice(len(self.shares), self.speakers, replace=False, p=self.shares)
        speakers = np.repeat(chosen, config.crops)
        items = np.concatenate([self._items(speaker, rng) for speaker in chosen])
        crops = [_drawn(self.store, int(item), length, rng) for item in items]
        noise: list[Codes] = []
        if self.noise is not None:
            chosen = rng.integers(len(self.noise.lengths), size=len(items))
            noise = [_drawn(self.noise, int(item), length, rng) for item in chosen]
        return CropBatch(
            x=_stacked(crops, length),
            noise=_stacked(noise, length, crops[0].shape[1]),
            speakers=torch.from_numpy(speakers.astype(np.int64)),
            ids=tuple(f"{self.store.names[s]}:{i}" for s, i in zip(speakers, items, strict=True)),
            seed=seed,
        )

    def _items(self, speaker: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        """Recordings of a speaker, different ones as far as there are."""
        count, wanted = int(self.counts[speaker]), self.config.crops
        places = np.concatenate([rng.permutation(count) for _ in range(-(-wanted // count))])
        items: npt.NDArray[np.int64] = self.order[self.first[speaker] + places[:wanted]]
        return items


def _drawn(store: VoiceStore, item: int, length: int, rng: np.random.Generator) -> Codes:
    frames = int(store.lengths[item])
    last = frames - length if frames > length else frames - 1
    return store.crop(item, int(rng.integers(last + 1)), length)


def _stacked(crops: list[Codes], length: int, width: int = 0) -> Tensor:
    if not crops:
        return torch.zeros(0, length, width)
    return torch.from_numpy(decode(np.stack(crops)))

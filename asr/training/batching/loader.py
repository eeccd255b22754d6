"""Base of the loaders: every batch is a pure function of (seed, epoch, position).

So a stopped run resumes in the middle of an epoch, and any process can make any batch ahead.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from asr.training.batching.buckets import BucketSampler
from asr.training.batching.seeds import keyed_seed

__all__ = ["BatchLoader", "BucketLoader"]

Self = TypeVar("Self", bound="BatchLoader")  # typing's own comes with Python 3.11


class BatchLoader(ABC):
    """Batches by (epoch, position), shared among the ranks of a distributed run.

    Args:
        seed: of the order and of the batches' own seeds.
    """

    rank = 0
    world_size = 1

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def for_rank(self: Self, rank: int, world_size: int) -> Self:
        """Return the loader of one of ``world_size`` ranks that share every epoch."""
        loader = copy.copy(self)
        loader.rank, loader.world_size = rank, world_size
        return loader

    @abstractmethod
    def num_batches(self, epoch: int) -> int:
        """Return the number of batches of this rank in an epoch, the same on all ranks."""

    @abstractmethod
    def load(self, epoch: int, position: int) -> Any:
        """Return one :class:`~asr.training.batching.batch.Batch`."""

    def batch_seed(self, epoch: int, position: int) -> int:
        """Return the seed of everything random in one batch, such as its augmentation."""
        return keyed_seed(self.seed, epoch, position, self.rank)


class BucketLoader(BatchLoader):
    """Batches of items of like lengths; a subclass says how to load one.

    Args:
        sampler: groups items into batches.
    """

    def __init__(self, sampler: BucketSampler) -> None:
        super().__init__(sampler.seed)
        self.sampler = sampler
        self._epoch = -1  # whose batches are kept: grouping sorts all items, once an epoch
        self._batches: list[npt.NDArray[np.int64]] = []

    def for_rank(self: Self, rank: int, world_size: int) -> Self:
        """Return the loader of one of ``world_size`` ranks that share every epoch."""
        loader: Any = super().for_rank(rank, world_size)
        loader.sampler = replace(loader.sampler, rank=rank, world_size=world_size)
        loader._epoch = -1
        return loader  # type: ignore[no-any-return]

    def num_batches(self, epoch: int) -> int:
        """Return the number of batches of this rank in an epoch, the same on all ranks."""
        return len(self.item_numbers(epoch))

    def item_numbers(self, epoch: int) -> list[npt.NDArray[np.int64]]:
        """Return the numbers of the items in each batch of an epoch."""
        if epoch != self._epoch:
            self._batches, self._epoch = self.sampler.batches(epoch, self._drawn(epoch)), epoch
        return self._batches

    def _drawn(self, epoch: int) -> npt.NDArray[np.int64] | None:
        """Return the items of an epoch, by default each once (None)."""
        return None

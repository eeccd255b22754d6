"""Batches of like lengths, the same ones for the same (seed, epoch) on every machine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["BucketSampler"]


@dataclass(frozen=True)
class BucketSampler:
    """Groups items of like length into batches of bounded padded size.

    An epoch is a pure function of (seed, epoch): to resume in the middle, skip what was done. Ranks
    of a distributed run get batches of the same neighbourhood of lengths at each step, so that none
    waits long for another.

    Attributes:
        lengths: (N,) length of every item, such as its frames.
        max_batch_length: longest length in a batch times its size stays within this.
        max_batch_size: items a batch, at most.
        seed: of the shuffling.
        shuffle: False gives batches in order of length, the same every epoch.
        num_buckets: lengths are shuffled within quantiles; more buckets pad less and mix less.
        world_size: ranks that share an epoch.
        rank: this one.
    """

    lengths: npt.NDArray[np.int64]
    max_batch_length: int
    max_batch_size: int = 64
    seed: int = 0
    shuffle: bool = True
    num_buckets: int = 30
    world_size: int = 1
    rank: int = 0

    def batches(
        self, epoch: int, items: npt.NDArray[np.int64] | None = None
    ) -> list[npt.NDArray[np.int64]]:
        """Return this rank's batches of an epoch, each an array of item numbers.

        Args:
            epoch: counted from 0.
            items: item numbers to draw from; all by default.
        """
        items = np.arange(len(self.lengths)) if items is None else items
        rng = np.random.default_rng((self.seed, epoch))
        if self.shuffle:
            items = rng.permutation(items)
        batches = self._cut(items[np.argsort(self._order(items), kind="stable")])
        return self._deal(batches, rng)

    def _order(self, items: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        lengths = self.lengths[items]
        if not self.shuffle:
            return -lengths  # longest first: what does not fit into memory fails at once
        edges = (
            np.quantile(lengths, np.linspace(0, 1, self.num_buckets + 1)[1:-1])
            if len(lengths)
            else np.zeros(0)
        )
        return np.searchsorted(edges, lengths)

    def _cut(self, ordered: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        lengths = self.lengths[ordered].tolist()
        batches, start, longest = [], 0, 0
        for position, length in enumerate(lengths):
            longest_with = max(longest, length)
            size = position - start
            if size and (
                size >= self.max_batch_size or longest_with * (size + 1) > self.max_batch_length
            ):
                batches.append(ordered[start:position])
                start, longest_with = position, length
            longest = longest_with
        if start < len(lengths):
            batches.append(ordered[start:])
        return batches

    def _deal(
        self, batches: list[npt.NDArray[np.int64]], rng: np.random.Generator
    ) -> list[npt.NDArray[np.int64]]:
        groups = [batches[i : i + self.world_size] for i in range(0, len(batches), self.world_size)]
        if groups and len(groups[-1]) < self.world_size:  # ranks must take the same number of steps
            groups[-1] = (groups[-1] * self.world_size)[: self.world_size]
        if self.shuffle:
            groups = [groups[i] for i in rng.permutation(len(groups))]
        return [group[self.rank] for group in groups]

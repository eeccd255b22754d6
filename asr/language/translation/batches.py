"""Pairs of token sequences in padded batches of like lengths.

Legend: B batch, S source tokens, L target tokens.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.training.batching.buckets import BucketSampler
from asr.training.batching.seeds import keyed_seed

__all__ = ["PairBatch", "PairLoader", "pad_tokens"]

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairBatch:
    """Padded pairs.

    Attributes:
        source: (B, S) int64, padded with 0.
        source_lens: (B,).
        target: (B, L) int64, padded with 0.
        target_lens: (B,).
        ids: name of each pair.
        seed: key of this batch's random draws.
        epoch: counted from 0.
    """

    source: Tensor
    source_lens: Tensor
    target: Tensor
    target_lens: Tensor
    ids: tuple[str, ...] = ()
    seed: int = 0
    epoch: int = 0

    def to(self, device: torch.device | str) -> PairBatch:
        """Return the batch with its tensors on ``device``."""
        names = ("source", "source_lens", "target", "target_lens")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})

    @property
    def num_tokens(self) -> int:
        """Target tokens, without padding."""
        return int(self.target_lens.sum())

    def __len__(self) -> int:
        return len(self.source_lens)


def pad_tokens(sequences: Sequence[Sequence[int] | Tokens]) -> tuple[Tensor, Tensor]:
    """Return token sequences (n,) as one tensor (B, max n) padded with 0, and their lengths (B,).

    The work is numpy's: a second team of torch threads would slow the one that trains.
    """
    lens = np.array([len(s) for s in sequences], np.int64)
    padded = np.zeros((len(sequences), int(lens.max(initial=0))), np.int64)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return torch.from_numpy(padded), torch.from_numpy(lens)


class PairLoader:
    """Batches of pairs, each a pure function of (seed, epoch, position).

    Args:
        sources: token ids, one array a pair.
        targets: token ids, one array a pair.
        ids: name of each pair; its number by default.
        max_tokens: longer side of the longest pair in a batch times the pairs in it, at most.
        max_size: pairs, at most.
        seed: of the shuffling.
        shuffle: False gives the longest first, the same every epoch.
    """

    def __init__(
        self,
        sources: Sequence[Tokens],
        targets: Sequence[Tokens],
        max_tokens: int = 4096,
        max_size: int = 64,
        seed: int = 0,
        shuffle: bool = True,
        ids: Sequence[str] | None = None,
    ) -> None:
        self.sources, self.targets, self.ids, self.seed = sources, targets, ids, seed
        lengths = np.array(
            [max(len(s), len(t)) for s, t in zip(sources, targets, strict=True)], np.int64
        )
        self.sampler = BucketSampler(lengths, max_tokens, max_size, seed, shuffle)
        self._epoch = -1
        self._batches: list[Tokens] = []

    def for_rank(self, rank: int, world_size: int) -> PairLoader:
        """Return the loader of one of ``world_size`` ranks that share every epoch."""
        loader = copy.copy(self)
        loader.sampler = replace(self.sampler, rank=rank, world_size=world_size)
        loader._epoch = -1
        return loader

    def num_batches(self, epoch: int) -> int:
        """Return the number of batches in an epoch."""
        return len(self.items(epoch))

    def load(self, epoch: int, position: int) -> PairBatch:
        """Return one batch of an epoch."""
        items = self.items(epoch)[position].tolist()
        return PairBatch(
            *pad_tokens([self.sources[i] for i in items]),
            *pad_tokens([self.targets[i] for i in items]),
            tuple(self.ids[i] if self.ids is not None else str(i) for i in items),
            keyed_seed(self.seed, epoch, position, self.sampler.rank),
            epoch,
        )

    def items(self, epoch: int) -> list[Tokens]:
        """Return the numbers of the pairs in each batch of an epoch."""
        if epoch != self._epoch:
            self._batches, self._epoch = self.sampler.batches(epoch), epoch
        return self._batches

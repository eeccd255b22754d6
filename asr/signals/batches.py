"""Padded batches of whole sequences with one label each.

Legend: N sequences, B batch, T steps, D channels, S static features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.training.batching.batch import Batch
from asr.training.batching.buckets import BucketSampler
from asr.training.batching.loader import BucketLoader
from asr.training.batching.padding import pad_sequences

__all__ = ["LabelledBatch", "LabelledLoader", "draws_per_epoch"]


@dataclass(frozen=True)
class LabelledBatch(Batch):
    """Several sequences, padded with zeros.

    Attributes:
        x: (B, T, D) float32.
        x_lens: (B,) steps.
        static: (B, S) float32.
        labels: (B,) int64, class numbers.
        ids: of the sequences.
        seed: key of this batch's augmentation.
    """

    x: Tensor
    x_lens: Tensor
    static: Tensor
    labels: Tensor
    ids: tuple[str, ...]
    seed: int = 0


def draws_per_epoch(
    labels: npt.NDArray[np.int64], balance: float = 0.0, epoch_size: int = 0
) -> npt.NDArray[np.float64]:
    """Return (N,) how often each sequence is drawn in an epoch, on average.

    Args:
        labels: (N,) class numbers.
        balance: 0 draws classes in proportion to their size, 1 all equally often; in general, in
            proportion to their size to the power of 1 - balance.
        epoch_size: sequences in an epoch (0: N).
    """
    counts = np.bincount(labels).astype(np.float64)
    share = np.where(counts > 0, np.maximum(counts, 1) ** (1 - balance), 0.0)
    share /= share.sum()
    return (epoch_size or len(labels)) * (share / np.maximum(counts, 1))[labels]


class LabelledLoader(BucketLoader):
    """Batches of labelled sequences, each a pure function of (seed, epoch, position).

    Args:
        sequences: N arrays (T, D) of float32.
        labels: (N,) int64, class numbers.
        static: (N, S) float32, features of a sequence as a whole; None: none.
        max_batch_size: B.
        seed: of order and draws.
        shuffle: False gives the longest sequences first, the same every epoch.
        draws: (N,) how often a sequence is drawn in an epoch, on average; None: once each. See
            :func:`draws_per_epoch`.
        max_batch_length: longest length times size of a batch stays within this (0: only the size
            counts).
    """

    def __init__(
        self,
        sequences: Sequence[npt.NDArray[Any]],
        labels: npt.NDArray[np.int64],
        static: npt.NDArray[np.float32] | None = None,
        max_batch_size: int = 64,
        *,
        seed: int = 0,
        shuffle: bool = True,
        draws: npt.NDArray[np.float64] | None = None,
        max_batch_length: int = 0,
    ) -> None:
        lengths = np.array([len(s) for s in sequences], np.int64)
        sampler = BucketSampler(
            lengths,
            max_batch_length or int(lengths.max(initial=1)) * max_batch_size,
            max_batch_size,
            seed=seed,
            shuffle=shuffle,
            num_buckets=max(1, min(30, len(sequences) // (4 * max_batch_size))),
        )
        super().__init__(sampler)
        self.sequences, self.labels, self.draws = sequences, labels, draws
        self.static = np.zeros((len(sequences), 0), np.float32) if static is None else static

    def _drawn(self, epoch: int) -> npt.NDArray[np.int64] | None:
        if self.draws is None:
            return None
        # 2.3 draws: twice always, a third time with probability 0.3
        u = np.random.default_rng((self.seed, epoch, 1)).random(len(self.draws))
        return np.repeat(np.arange(len(self.draws)), np.floor(self.draws + u).astype(np.int64))

    def load(self, epoch: int, position: int) -> LabelledBatch:
        """Return one batch of an epoch."""
        items = self.item_numbers(epoch)[position]
        x, x_lens = pad_sequences([self.sequences[i] for i in items])
        return LabelledBatch(
            x=x,
            x_lens=x_lens,
            static=torch.from_numpy(self.static[items]),
            labels=torch.from_numpy(self.labels[items]),
            ids=tuple(str(i) for i in items),
            seed=self.batch_seed(epoch, position),
        )

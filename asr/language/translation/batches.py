"""Pairs of token sequences in padded batches of similar lengths.

Legend: B batch, S source tokens, L target tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from asr.training.batching.batch import Batch
from asr.training.batching.buckets import BucketSampler
from asr.training.batching.loader import BucketLoader
from asr.training.batching.padding import pad_sequences

__all__ = ["PairBatch", "PairLoader"]

Tokens = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairBatch(Batch):
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

    @property
    def num_tokens(self) -> int:
        """Target tokens, without padding."""
        return int(self.target_lens.sum())


class PairLoader(BucketLoader):
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
        *,
        seed: int = 0,
        shuffle: bool = True,
        ids: Sequence[str] | None = None,
    ) -> None:
        lengths = np.array(
            [max(len(s), len(t)) for s, t in zip(sources, targets, strict=True)], np.int64
        )
        super().__init__(BucketSampler(lengths, max_tokens, max_size, seed=seed, shuffle=shuffle))
        self.sources, self.targets, self.ids = sources, targets, ids

    def load(self, epoch: int, position: int) -> PairBatch:
        """Return one batch of an epoch."""
        items = self.item_numbers(epoch)[position].tolist()
        source, source_lens = pad_sequences([self.sources[i] for i in items], np.int64)
        target, target_lens = pad_sequences([self.targets[i] for i in items], np.int64)
        return PairBatch(
            source=source,
            source_lens=source_lens,
            target=target,
            target_lens=target_lens,
            ids=tuple(self.ids[i] if self.ids is not None else str(i) for i in items),
            seed=self.batch_seed(epoch, position),
            epoch=epoch,
        )

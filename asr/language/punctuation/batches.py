"""Batches of windows: running text, cut at places that differ in every pass over it.

Legend: N words, B windows, T words of a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from asr.errors import DataError
from asr.training.batching.batch import Batch
from asr.training.batching.buckets import BucketSampler
from asr.training.batching.loader import BatchLoader
from asr.training.batching.padding import pad_sequences

__all__ = ["EncodedText", "WindowBatch", "WindowLoader"]

Ints = npt.NDArray[Any]
MAX_WINDOWS = 512  # of a batch


@dataclass(frozen=True)
class EncodedText:
    """Running text as a network reads it.

    Attributes:
        tokens: (N,) ids of the words.
        endings: (N,) ids of their endings.
        marks: (N,) classes.
        shapes: (N,) classes.
    """

    tokens: Ints
    endings: Ints
    marks: Ints
    shapes: Ints

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class WindowBatch(Batch):
    """Padded windows; padding is 0.

    Attributes:
        tokens: (B, T) int64.
        lens: (B,) words of each.
        marks: (B, T) classes.
        shapes: (B, T) classes.
        endings: (B, T) int64, for word dropout.
        ids: where each window begins, for messages.
        seed: of what is drawn for this batch.
    """

    tokens: Tensor
    lens: Tensor
    marks: Tensor
    shapes: Tensor
    endings: Tensor
    ids: tuple[str, ...]
    seed: int = 0


class WindowLoader(BatchLoader):
    """Windows of a text; each batch is a pure function of (seed, epoch, position).

    Args:
        text: encoded.
        lengths: fewest and most words of a window.
        max_batch_words: padded words of a batch.
        words_per_epoch: a pass over the text is cut into epochs of about so many words (0: not).
        seed: of cuts and order.

    Raises:
        DataError: the text is shorter than a window.
    """

    def __init__(
        self,
        text: EncodedText,
        lengths: tuple[int, int],
        *,
        max_batch_words: int = 8000,
        words_per_epoch: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        if len(text) < lengths[1]:
            raise DataError(
                f"The training text has {len(text)} words, fewer than a window of {lengths[1]}.",
                "Give more text or a lower data.longest.",
            )
        self.text, self.lengths, self.max_batch_words = text, lengths, max_batch_words
        self.parts = max(1, round(len(text) / words_per_epoch)) if words_per_epoch else 1
        self._epoch = -1
        self._batches: list[tuple[Ints, Ints]] = []

    def for_rank(self, rank: int, world_size: int) -> WindowLoader:
        """Return the loader of one of ``world_size`` ranks that share every epoch."""
        loader = super().for_rank(rank, world_size)
        loader._epoch = -1
        return loader

    def num_batches(self, epoch: int) -> int:
        """Return the number of batches of this rank in an epoch, the same on all ranks."""
        return len(self._cut(epoch))

    def _cut(self, epoch: int) -> list[tuple[Ints, Ints]]:
        """First and past-the-last word of the windows of each batch of an epoch."""
        if epoch != self._epoch:
            bounds = self._windows(epoch)
            sampler = BucketSampler(
                bounds[1] - bounds[0],
                self.max_batch_words,
                MAX_WINDOWS,
                seed=self.seed,
                world_size=self.world_size,
                rank=self.rank,
            )
            self._batches = [(bounds[0][n], bounds[1][n]) for n in sampler.batches(epoch)]
            self._epoch = epoch
        return self._batches

    def _windows(self, epoch: int) -> tuple[Ints, Ints]:
        """Bounds of the windows of an epoch: a share of those of its pass over the text."""
        shortest, longest = self.lengths
        rng = np.random.default_rng((self.seed, epoch // self.parts))
        lengths = rng.integers(shortest, longest + 1, len(self.text) // shortest + 1)
        starts = rng.integers(shortest) + np.concatenate([[0], np.cumsum(lengths)])
        starts = starts[starts + shortest <= len(self.text)]
        ends = np.minimum(starts + lengths[: len(starts)], len(self.text))
        mine = np.sort(rng.permutation(len(starts))[epoch % self.parts :: self.parts])
        return starts[mine], ends[mine]

    def load(self, epoch: int, position: int) -> WindowBatch:
        """Return one batch of an epoch."""
        starts, ends = (part.tolist() for part in self._cut(epoch)[position])
        text = self.text
        windows = [
            pad_sequences([part[s:e] for s, e in zip(starts, ends, strict=True)], np.int64)
            for part in (text.tokens, text.marks, text.shapes, text.endings)
        ]
        (tokens, lens), (marks, _), (shapes, _), (endings, _) = windows
        return WindowBatch(
            tokens=tokens,
            lens=lens,
            marks=marks,
            shapes=shapes,
            endings=endings,
            ids=tuple(f"words {start}-{end}" for start, end in zip(starts, ends, strict=True)),
            seed=self.batch_seed(epoch, position),
        )

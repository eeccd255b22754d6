"""Batches of a language model: one long text in rows that are read side by side.

Legend: N tokens, B rows, T steps of a chunk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.errors import DataError
from asr.training.batching.batch import Batch
from asr.training.batching.loader import BatchLoader

__all__ = ["StreamBatch", "StreamLoader"]


@dataclass(frozen=True)
class StreamBatch(Batch):
    """A chunk of every row.

    Attributes:
        tokens: (B, T + 1) int64; step t + 1 is the target of step t.
        is_first: whether the chunk begins the epoch, so that there is no state to carry over.
        ids: where the chunk is, for messages.
        seed: of what is drawn for this chunk, such as dropout.
    """

    tokens: Tensor
    is_first: bool
    ids: tuple[str, ...]
    seed: int = 0

    def __len__(self) -> int:
        return len(self.tokens)


class StreamLoader(BatchLoader):
    """Chunks of a token stream in order, so that the state can be carried from one to the next.

    Every epoch begins at another offset below T, so that chunks are cut elsewhere. Each rank reads
    rows of its own.

    Args:
        tokens: (N,) ids, any integer type.
        batch_size: B.
        chunk: T.
        seed: of the offsets.

    Raises:
        DataError: there are fewer tokens than a chunk of every row needs.
    """

    def __init__(
        self, tokens: npt.NDArray[Any], batch_size: int = 32, chunk: int = 32, seed: int = 0
    ) -> None:
        if len(tokens) < batch_size * 2 + chunk:
            raise DataError(
                f"The training text is too short: {len(tokens)} tokens are too few for "
                f"{batch_size} rows.",
                "Give more text or a lower data.batch_size.",
            )
        super().__init__(seed)
        self.tokens, self.batch_size, self.chunk = tokens, batch_size, chunk

    def num_batches(self, epoch: int) -> int:
        """Return the number of chunks of a row."""
        return max(1, -(-(self._row_length(epoch) - 1) // self.chunk))

    def _offset(self, epoch: int) -> int:
        return int(np.random.default_rng((self.seed, epoch)).integers(self.chunk)) if epoch else 0

    def _row_length(self, epoch: int) -> int:
        return (len(self.tokens) - self._offset(epoch)) // (self.batch_size * self.world_size)

    def load(self, epoch: int, position: int) -> StreamBatch:
        """Return the chunk at ``position`` of every row; the last one may be shorter."""
        length, offset = self._row_length(epoch), self._offset(epoch)
        first = position * self.chunk
        last = min(first + self.chunk + 1, length)
        starts = offset + length * (np.arange(self.batch_size) + self.batch_size * self.rank)
        rows = np.stack([self.tokens[s + first : s + last] for s in starts]).astype(np.int64)
        return StreamBatch(
            tokens=torch.from_numpy(rows),
            is_first=position == 0,
            ids=(f"tokens {first}-{last} of each row",),
            seed=self.batch_seed(epoch, position),
        )

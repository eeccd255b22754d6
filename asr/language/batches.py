"""Texts as padded batches of ids, shared by tagging, text classification and translation.

Legend: B batch, T tokens, U distinct words of a batch, C characters of a word.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.training.batching.buckets import BucketSampler
from asr.training.batching.padding import pad_sequences
from asr.training.batching.seeds import keyed_seed

__all__ = ["Ids", "TokenBatch", "TokenItems", "TokenLoader", "collate_tokens"]

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class TokenItems:
    """Encoded texts.

    Attributes:
        tokens: ids of each text.
        names: of each text.
        tags: an id a token.
        labels: an id a text.
        words: for each text the number of each token's spelling in ``spellings``;
        spellings: character ids of a word.
    """

    tokens: Sequence[Ids]
    names: Sequence[str]
    tags: Sequence[Ids] | None = None
    labels: Ids | None = None
    words: Sequence[Ids] | None = None
    spellings: Sequence[Ids] = ()

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(frozen=True)
class TokenBatch:
    """Padded ids of several texts; padding is 0.

    Attributes:
        tokens: (B, T) int64.
        lens: (B,).
        ids: name of each text.
        items: (B,) its number.
        seed: key of this batch.
        tags: (B, T) or None.
        labels: (B,) or None.
        chars: (U, C) characters of the batch's distinct words, or None.
        char_lens: (U,).
        words: (B, T) rows of chars.
    """

    tokens: Tensor
    lens: Tensor
    ids: tuple[str, ...]
    items: Ids
    seed: int = 0
    tags: Tensor | None = None
    labels: Tensor | None = None
    chars: Tensor | None = None
    char_lens: Tensor | None = None
    words: Tensor | None = None

    def to(self, device: torch.device | str, **kwargs: Any) -> TokenBatch:
        """Return the batch with its tensors on ``device``."""
        return self._map(lambda tensor: tensor.to(device, **kwargs))

    def pin_memory(self) -> TokenBatch:
        """Return the batch in page-locked memory."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, move: Callable[[Tensor], Tensor]) -> TokenBatch:
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {
            name: move(value) for name, value in values.items() if isinstance(value, Tensor)
        }
        return replace(self, **moved)

    def __len__(self) -> int:
        return len(self.ids)


def collate_tokens(items: TokenItems, numbers: Ids, seed: int = 0) -> TokenBatch:
    """Return the texts of ``numbers`` as a padded batch; an empty text has length 0 and one step of
    padding.
    """
    tokens, lens = _pad([items.tokens[i] for i in numbers])
    batch = TokenBatch(tokens, lens, tuple(items.names[i] for i in numbers), numbers, seed)
    if items.tags is not None:
        batch = replace(batch, tags=_pad([items.tags[i] for i in numbers])[0])
    if items.labels is not None:
        batch = replace(batch, labels=torch.from_numpy(items.labels[numbers]))
    return (
        batch
        if items.words is None
        else _with_spellings(batch, items, [items.words[i] for i in numbers])
    )


def _pad(arrays: Sequence[Ids]) -> tuple[Tensor, Tensor]:
    padded, lens = pad_sequences(arrays)
    return (padded if padded.size(1) else torch.zeros(len(arrays), 1, dtype=torch.int64)), lens


def _with_spellings(batch: TokenBatch, items: TokenItems, words: Sequence[Ids]) -> TokenBatch:
    distinct, rows = np.unique(np.concatenate(words), return_inverse=True)
    if not len(distinct):  # nothing but empty texts
        distinct = np.zeros(1, np.int64)
    chars, char_lens = _pad([items.spellings[w] for w in distinct])
    split = np.split(rows.astype(np.int64), np.cumsum([len(w) for w in words])[:-1])
    return replace(batch, chars=chars, char_lens=char_lens.clamp(min=1), words=_pad(split)[0])


class TokenLoader:
    """Batches of texts of like lengths, each a pure function of (seed, epoch, position).

    Args:
        items: encoded texts.
        max_batch_size: texts in a batch.
        max_batch_tokens: padded tokens in a batch.
        seed: see :class:`asr.training.batching.buckets.BucketSampler`; without shuffling the
            longest come first.
        shuffle: see :class:`asr.training.batching.buckets.BucketSampler`; without shuffling the
            longest come first.
    """

    def __init__(
        self,
        items: TokenItems,
        max_batch_size: int = 32,
        max_batch_tokens: int = 4000,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        lengths = np.array([len(tokens) for tokens in items.tokens], np.int64)
        self.items, self.seed = items, seed
        self.sampler = BucketSampler(lengths, max_batch_tokens, max_batch_size, seed, shuffle)
        self._epoch = -1
        self._batches: list[Ids] = []

    def for_rank(self, rank: int, world_size: int) -> TokenLoader:
        """Return the loader of one of ``world_size`` ranks that share every epoch."""
        loader = copy.copy(self)
        loader.sampler = replace(self.sampler, rank=rank, world_size=world_size)
        loader._epoch = -1
        return loader

    def num_batches(self, epoch: int) -> int:
        """Return the number of batches in an epoch."""
        return len(self._numbers(epoch))

    def load(self, epoch: int, position: int) -> TokenBatch:
        """Return one batch of an epoch."""
        numbers = self._numbers(epoch)[position]
        return collate_tokens(
            self.items, numbers, keyed_seed(self.seed, epoch, position, self.sampler.rank)
        )

    def _numbers(self, epoch: int) -> list[Ids]:
        if epoch != self._epoch:
            self._batches, self._epoch = self.sampler.batches(epoch), epoch
        return self._batches

"""Texts as padded batches of ids, shared by tagging, text classification and translation.

Legend: B batch, T tokens, U distinct words of a batch, C characters of a word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.training.batching.batch import Batch
from asr.training.batching.buckets import BucketSampler
from asr.training.batching.loader import BucketLoader
from asr.training.batching.padding import pad_sequences

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
        words: for each token of each text, the number of its spelling in ``spellings``.
        spellings: character ids of each distinct word.
        ngrams: ids of the n-grams of each text.
    """

    tokens: Sequence[Ids]
    names: Sequence[str]
    tags: Sequence[Ids] | None = None
    labels: Ids | None = None
    words: Sequence[Ids] | None = None
    spellings: Sequence[Ids] = ()
    ngrams: Sequence[Ids] | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def numbered(cls, tokens: Sequence[Ids], labels: Ids | None = None) -> TokenItems:
        """Return texts without tags and spellings, named by their number from 1."""
        return cls(tokens, [str(number) for number in range(1, len(tokens) + 1)], labels=labels)


@dataclass(frozen=True)
class TokenBatch(Batch):
    """Padded ids of several texts; padding is 0.

    Attributes:
        tokens: (B, T) int64.
        lens: (B,) tokens of each text.
        ids: name of each text.
        items: (B,) number of each text among the loader's.
        seed: of what is drawn for this batch, such as word dropout.
        tags: (B, T) or None.
        labels: (B,) or None.
        chars: (U, C) characters of the batch's distinct words, or None.
        char_lens: (U,) characters of each word.
        words: (B, T) the row of ``chars`` that spells each token.
        ngrams: (B, F) n-grams of each text, or None.
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
    ngrams: Tensor | None = None


def collate_tokens(items: TokenItems, numbers: Ids, seed: int = 0) -> TokenBatch:
    """Return the texts of ``numbers`` as a padded batch.

    An empty text has length 0 and one step of padding.
    """
    tokens, lens = pad_sequences([items.tokens[i] for i in numbers], np.int64, min_length=1)
    names = tuple(items.names[i] for i in numbers)
    batch = TokenBatch(tokens, lens, names, items=numbers, seed=seed)
    if items.tags is not None:
        tags, _ = pad_sequences([items.tags[i] for i in numbers], np.int64, min_length=1)
        batch = replace(batch, tags=tags)
    if items.labels is not None:
        batch = replace(batch, labels=torch.from_numpy(items.labels[numbers]))
    if items.ngrams is not None:
        ngrams, _ = pad_sequences([items.ngrams[i] for i in numbers], np.int64, min_length=1)
        batch = replace(batch, ngrams=ngrams)
    if items.words is not None:
        batch = _with_spellings(batch, items, [items.words[i] for i in numbers])
    return batch


def _with_spellings(batch: TokenBatch, items: TokenItems, words: Sequence[Ids]) -> TokenBatch:
    """Add each distinct word's characters once, and for each token the row of its word."""
    distinct, rows = np.unique(np.concatenate(words), return_inverse=True)
    if not len(distinct):  # nothing but empty texts
        distinct = np.zeros(1, np.int64)
    chars, char_lens = pad_sequences([items.spellings[w] for w in distinct], np.int64, min_length=1)
    split = np.split(rows.astype(np.int64), np.cumsum([len(w) for w in words])[:-1])
    padded, _ = pad_sequences(split, np.int64, min_length=1)
    return replace(batch, chars=chars, char_lens=char_lens.clamp(min=1), words=padded)


class TokenLoader(BucketLoader):
    """Batches of texts of similar lengths, each a pure function of (seed, epoch, position).

    Args:
        items: encoded texts.
        max_batch_size: texts in a batch.
        max_batch_tokens: padded tokens in a batch.
        seed: of the order.
        shuffle: False: the longest texts first, in every epoch.
        repeats: how often an epoch has each text.
    """

    def __init__(
        self,
        items: TokenItems,
        max_batch_size: int = 32,
        max_batch_tokens: int = 4000,
        *,
        seed: int = 0,
        shuffle: bool = True,
        repeats: int = 1,
    ) -> None:
        lengths = np.array([len(tokens) for tokens in items.tokens], np.int64)
        super().__init__(
            BucketSampler(lengths, max_batch_tokens, max_batch_size, seed=seed, shuffle=shuffle)
        )
        self.items, self.repeats = items, repeats

    def _drawn(self, epoch: int) -> Ids:
        """Return the numbers of an epoch's texts."""
        return np.tile(np.arange(len(self.items)), self.repeats)

    def load(self, epoch: int, position: int) -> TokenBatch:
        """Return one batch of an epoch."""
        numbers = self.item_numbers(epoch)[position]
        return collate_tokens(self.items, numbers, self.batch_seed(epoch, position))

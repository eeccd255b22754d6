"""A linear classifier of word and letter n-grams (TF-IDF): strong where texts are few.

Legend: B batch, F n-grams of a text, V n-grams known, C classes.

A text is a bag of n-grams weighted by how rare they are (TF-IDF, Salton & Buckley 1988), as for a
linear support vector machine (Joachims 1998). Letter sequences stay within a word, whose ends are
marked, so that a word that training lacks still has known parts (Bojanowski et al. 2017).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.config import check_range
from asr.language.batches import Ids
from asr.language.vocabulary import PAD, UNK, ItemVocabulary

__all__ = ["NgramConfig", "NgramEncoder", "NgramScores", "ngrams"]

FILE = "ngrams.json"
SCALE = 10.0  # of the scores: weighted n-grams of a text have norm 1, and Adam's steps are small


@dataclass(frozen=True)
class NgramConfig:
    """The n-grams of a text.

    Attributes:
        words: longest sequence of units (0: no n-grams at all).
        letters: longest sequence of letters in a word, the shortest being 2 (0: none).
        max_items: the most frequent so many are known.
        dropout: share of the n-grams of a text that training leaves out.
    """

    words: int = 2
    letters: int = 4
    max_items: int = 50_000
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_range("model.ngrams.words", self.words, 0, 5)
        check_range("model.ngrams.letters", self.letters, 0, 8)
        check_range("model.ngrams.max_items", self.max_items, 1)
        check_range("model.ngrams.dropout", self.dropout, 0, 0.95)


def ngrams(units: Sequence[str], config: NgramConfig) -> list[str]:
    """Return the distinct n-grams of a text.

    Example:
        >>> ngrams(["a", "b"], NgramConfig(words=2, letters=3))
        ['a', 'b', 'a b', '#<a', '#a>', '#<a>', '#<b', '#b>', '#<b>']
    """
    items = [
        " ".join(units[at : at + n])
        for n in range(1, config.words + 1)
        for at in range(len(units) - n + 1)
    ]
    for unit in dict.fromkeys(units):
        marked = f"<{unit}>"
        items += [
            "#" + marked[at : at + n]
            for n in range(2, config.letters + 1)
            for at in range(len(marked) - n + 1)
        ]
    return list(dict.fromkeys(items))


@dataclass(frozen=True)
class NgramEncoder:
    """The n-grams that a classifier knows.

    Attributes:
        items: vocabulary.
        config: which n-grams.
    """

    items: ItemVocabulary
    config: NgramConfig

    @classmethod
    def of(cls, texts: Iterable[Sequence[str]], config: NgramConfig) -> tuple[NgramEncoder, Tensor]:
        """Return the encoder of the units of training texts, and the weights (V,) of its n-grams.

        The weight of an n-gram that d of N texts have is ``log((1 + N) / (1 + d)) + 1``.
        """
        counts, N = Counter[str](), 0
        for units in texts:
            counts.update(ngrams(units, config))
            N += 1
        ranked = sorted(counts, key=lambda item: (-counts[item], item))[: config.max_items]
        items = ItemVocabulary(ranked)
        documents = np.array([counts[item] for item in items.items])
        weights = np.log((1 + N) / (1 + documents)) + 1
        weights[: UNK + 1] = 0
        return cls(items, config), torch.from_numpy(weights).float()

    def encode(self, units: Sequence[str]) -> Ids:
        """Return the ids of the known n-grams of a text."""
        known = [self.items.ids.get(item, UNK) for item in ngrams(units, self.config)]
        return np.array([number for number in known if number > UNK], np.int64)

    def save(self, folder: Path) -> None:
        """Write the vocabulary into a model folder."""
        self.items.save(folder / FILE)


class NgramScores(nn.Module):
    """Scores (B, C) of bags of n-grams, linear in them.

    Args:
        config: see :class:`NgramConfig`.
        num_items: V.
        num_classes: C.
    """

    weights: Tensor

    def __init__(self, config: NgramConfig, num_items: int, num_classes: int) -> None:
        super().__init__()
        self.dropout = config.dropout
        self.matrix = nn.Embedding(num_items, num_classes, padding_idx=PAD)
        nn.init.zeros_(self.matrix.weight)
        self.bias = nn.Parameter(torch.zeros(num_classes))
        self.register_buffer("weights", torch.ones(num_items))

    def forward(self, items: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, F) ids padded with 0 -> (B, C); a generator switches the dropout on."""
        weights = self.weights[items]
        weights = weights / weights.norm(dim=1, keepdim=True).clamp(min=1e-6)
        if generator is not None and self.dropout:
            kept = torch.rand(items.shape, generator=generator).to(items.device) >= self.dropout
            weights = weights * kept / (1 - self.dropout)
        scores = functional.embedding_bag(
            items, self.matrix.weight, mode="sum", per_sample_weights=weights, padding_idx=PAD
        )
        return SCALE * scores + self.bias

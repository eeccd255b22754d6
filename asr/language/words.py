"""Word vectors: an embedding of each word beside features of its spelling.

Legend: B batch, T words, U distinct words, C characters, D width.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.config import check_choice, check_range
from asr.language.batches import TokenBatch
from asr.language.embeddings import read_word_vectors
from asr.language.vocabulary import PAD, UNK
from asr.sequence import RecurrentStack, mask_padding
from asr.sequence.pooling import Pooling

__all__ = ["SpellingEncoder", "WordConfig", "WordEncoder"]

SPELLINGS = ("lstm", "cnn", "none")


@dataclass(frozen=True)
class WordConfig:
    """How a word becomes a vector.

    Attributes:
        dim: of the word embedding.
        spelling: network over the characters: ``lstm`` (both directions), ``cnn`` (width 3,
            maximum over the word) or ``none``.
        char_dim: of a character's embedding.
        spelling_dim: of the spelling features.
        unknown_weight: word dropout: in training a word seen n times becomes unknown with
            probability weight / (weight + n) (Kiperwasser & Goldberg 2016, section 4), so that the
            network learns what to do with unknown words.
        freeze: do not train pretrained embeddings.
    """

    dim: int = 100
    spelling: str = "lstm"
    char_dim: int = 30
    spelling_dim: int = 60
    unknown_weight: float = 0.25
    freeze: bool = False

    def __post_init__(self) -> None:
        check_choice("words.spelling", self.spelling, SPELLINGS)
        check_range("words.unknown_weight", self.unknown_weight, 0)
        for name in ("dim", "char_dim", "spelling_dim"):
            check_range(f"words.{name}", getattr(self, name), 1)


class SpellingEncoder(nn.Module):
    """Spelling features: characters (U, C) -> (U, D).

    The last states of an LSTM in both directions (Lample et al. 2016, section 4.1), or the maximum
    over a convolution (Ma & Hovy 2016, section 2.1).

    Args:
        num_chars: size of the alphabet.
        char_dim: of a character's embedding.
        output_dim: D.
        kind: ``lstm`` or ``cnn``.
    """

    def __init__(self, num_chars: int, char_dim: int, output_dim: int, kind: str = "lstm") -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_chars, char_dim, padding_idx=PAD)
        half = (output_dim + 1) // 2
        self.recurrent = (
            RecurrentStack(char_dim, half, 1, norm="none", residual=False)
            if kind == "lstm"
            else None
        )
        self.conv = nn.Conv1d(char_dim, output_dim, 3, padding=1) if kind == "cnn" else None
        self.output_dim = 2 * half if kind == "lstm" else output_dim
        self.pooling = Pooling(
            "last" if kind == "lstm" else "max", self.output_dim, bidirectional=True
        )

    def forward(self, chars: Tensor, char_lens: Tensor) -> Tensor:
        """(U, C), (U,) -> (U, D)."""
        x = self.embedding(chars)
        if self.recurrent is not None:
            x = self.recurrent(x, char_lens)[0]
        else:
            assert self.conv is not None
            x = self.conv(mask_padding(x, char_lens).transpose(1, 2)).transpose(1, 2)
        pooled: Tensor = self.pooling(x, char_lens)
        return pooled


class WordEncoder(nn.Module):
    """Word embedding beside spelling features.

    Args:
        config: see :class:`WordConfig`.
        num_words: size of the vocabulary.
        num_chars: size of the alphabet.
    """

    drop_chance: Tensor

    def __init__(self, config: WordConfig, num_words: int, num_chars: int = 0) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(num_words, config.dim, padding_idx=PAD)
        nn.init.uniform_(self.embedding.weight, -((3 / config.dim) ** 0.5), (3 / config.dim) ** 0.5)
        self.embedding.weight.data[PAD] = 0
        self.spelling = (
            SpellingEncoder(num_chars, config.char_dim, config.spelling_dim, config.spelling)
            if config.spelling != "none"
            else None
        )
        self.output_dim = config.dim + (self.spelling.output_dim if self.spelling else 0)
        self.register_buffer("drop_chance", torch.zeros(num_words), persistent=False)

    def set_counts(self, counts: Tensor) -> None:
        """Set the word dropout by how often each word (V,) occurs in training."""
        weight = self.config.unknown_weight
        self.drop_chance.copy_(weight / (weight + counts) if weight else torch.zeros_like(counts))
        self.drop_chance[: UNK + 1] = 0

    def load_vectors(self, path: str, words: Sequence[str]) -> None:
        """Take pretrained vectors from a file; words without one keep their random vector.

        Args:
            path: see :func:`asr.language.embeddings.read_word_vectors`.
            words: V, in the order of their ids.
        """
        vectors = read_word_vectors(path, words, self.config.dim)
        has_vector = torch.from_numpy(vectors.has_vector)
        self.embedding.weight.data[has_vector] = torch.from_numpy(vectors.matrix)[has_vector]
        self.embedding.weight.requires_grad_(not self.config.freeze)
        print(f"{path} covers {100 * vectors.coverage:.1f} % of the words", file=sys.stderr)

    def forward(self, batch: TokenBatch, generator: torch.Generator | None = None) -> Tensor:
        """A batch -> (B, T, D); a generator switches the word dropout on."""
        tokens = batch.tokens
        if generator is not None and self.config.unknown_weight:
            chance = torch.rand(tokens.shape, generator=generator).to(tokens.device)
            tokens = torch.where(chance < self.drop_chance[tokens], UNK, tokens)
        x = self.embedding(tokens)
        if self.spelling is None:
            return x  # type: ignore[no-any-return]
        assert batch.chars is not None
        assert batch.char_lens is not None
        assert batch.words is not None
        return torch.cat(
            [x, functional.embedding(batch.words, self.spelling(batch.chars, batch.char_lens))],
            dim=-1,
        )

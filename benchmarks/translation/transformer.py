"""A Transformer (Vaswani et al. 2017, pre-norm) with cached keys and values, for beam search.

Legend: B batch, K beams, S source, t steps done, D width, V target vocabulary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.attention import MultiHeadAttention
from asr.sequence.lengths import length_mask


@dataclass(frozen=True)
class Cache:
    """Keys and values: of the source once a sentence, of what was written once a beam.

    Attributes:
        source: per layer (B, heads, S, D / heads) twice.
        mask: (B, 1, S).
        own: per layer (B * K, heads, t, D / heads) twice.
        num_beams: K.
        step: t.
    """

    source: tuple[tuple[Tensor, Tensor], ...]
    mask: Tensor
    own: tuple[tuple[Tensor, Tensor], ...]
    num_beams: int
    step: int

    def select(self, sequences: Tensor, beams: Tensor) -> Cache:
        """See :class:`asr.sequence.seq2seq.SearchState`."""
        rows = (sequences.unsqueeze(1) * self.num_beams + beams).flatten()
        same = sequences.numel() == self.mask.size(0)
        return replace(
            self,
            source=self.source
            if same
            else tuple((k[sequences], v[sequences]) for k, v in self.source),
            mask=self.mask if same else self.mask[sequences],
            own=tuple((k.index_select(0, rows), v.index_select(0, rows)) for k, v in self.own),
        )


class FeedForward(nn.Sequential):
    """D -> inner -> D."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__(nn.LayerNorm(dim), nn.Linear(dim, inner), nn.ReLU(), nn.Linear(inner, dim))


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward."""

    def __init__(self, dim: int, inner: int, heads: int) -> None:
        super().__init__()
        self.norm, self.attention, self.feed = (
            nn.LayerNorm(dim),
            MultiHeadAttention(dim, heads),
            FeedForward(dim, inner),
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        normed = self.norm(x)
        x = x + self.attention.attend(normed, *self.attention.project(normed), mask)
        return x + self.feed(x)


class DecoderLayer(nn.Module):
    """Self-attention over what was written, attention to the source, feed-forward."""

    def __init__(self, dim: int, inner: int, heads: int) -> None:
        super().__init__()
        self.own_norm, self.own = nn.LayerNorm(dim), MultiHeadAttention(dim, heads)
        self.source_norm, self.source = nn.LayerNorm(dim), MultiHeadAttention(dim, heads)
        self.feed = FeedForward(dim, inner)

    def forward(
        self, x: Tensor, own: tuple[Tensor, Tensor], source: tuple[Tensor, Tensor], mask: Tensor
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(B, K, D): one new step of each beam."""
        B, K, D = x.shape
        normed = self.own_norm(x).view(B * K, 1, D)
        keys, values = self.own.project(normed)
        own = (torch.cat([own[0], keys], dim=2), torch.cat([own[1], values], dim=2))
        x = x + self.own.attend(normed, *own).view(B, K, D)
        x = x + self.source.attend(self.source_norm(x), *source, mask)
        return x + self.feed(x), own


class Transformer(nn.Module):
    """Encoder and decoder of ``layers`` layers each; one table of embeddings, tied to the output.

    Args:
        vocab_size: of both languages.
        target_pieces: (V,) those that the target uses.
    """

    def __init__(
        self,
        vocab_size: int,
        target_pieces: Tensor,
        dim: int,
        inner: int,
        layers: int,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.heads, self.dim, self.target_pieces = heads, dim, target_pieces
        self.embedding = nn.Embedding(vocab_size, dim)
        self.encoder = nn.ModuleList(EncoderLayer(dim, inner, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(dim, inner, heads) for _ in range(layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.bias = nn.Parameter(torch.zeros(len(target_pieces)))
        rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(10_000) / dim))
        angles = torch.arange(512).unsqueeze(1) * rates
        self.register_buffer("positions", torch.cat([angles.sin(), angles.cos()], dim=1))

    def start(self, source: Tensor, source_lens: Tensor, num_beams: int) -> Cache:
        """(B, S), (B,) -> the caches before the first step."""
        mask = length_mask(source_lens, source.size(1)).unsqueeze(1)
        x = self.embedding(source) * math.sqrt(self.dim) + self.positions[: source.size(1)]
        for layer in self.encoder:
            x = layer(x, mask)
        memory = self.encoder_norm(x)
        empty = x.new_zeros(source.size(0) * num_beams, self.heads, 0, self.dim // self.heads)
        self.weight = self.embedding.weight[self.target_pieces]
        keys_and_values = tuple(layer.source.project(memory) for layer in self.decoder)
        return Cache(keys_and_values, mask, ((empty, empty),) * len(self.decoder), num_beams, 0)

    def step(self, tokens: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """(B, K) -> log_probs (B, K, V), caches."""
        x = (
            functional.embedding(tokens, self.weight) * math.sqrt(self.dim)
            + self.positions[cache.step]
        )
        own = []
        for layer, mine, source in zip(self.decoder, cache.own, cache.source, strict=True):
            x, mine = layer(x, mine, source, cache.mask)
            own.append(mine)
        logits = functional.linear(self.decoder_norm(x), self.weight, self.bias)
        return logits.log_softmax(-1), replace(cache, own=tuple(own), step=cache.step + 1)

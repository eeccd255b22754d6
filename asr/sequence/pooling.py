"""Pooling of a sequence into one vector. B batch, T steps, D features, A attention width."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from asr.sequence.lengths import length_mask

__all__ = ["POOLINGS", "AttentionPooling", "AttentiveStatistics", "Pooling"]

POOLINGS = ("last", "mean", "max", "attention")


class AttentionPooling(nn.Module):
    """Weighted mean over time: softmax of v tanh(W x_t + b) (Yang et al. 2016, equations 8-10).

    Args:
        dim: D.
        attention_dim: A (0: D).
    """

    def __init__(self, dim: int, attention_dim: int = 0) -> None:
        super().__init__()
        width = attention_dim or dim
        self.hidden = nn.Linear(dim, width)
        self.energy = nn.Parameter(torch.empty(width).uniform_(-1, 1) / math.sqrt(width))

    def weights(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, T, D), (B,) -> (B, T): weights that sum to 1 over each sequence; 0 in the padding."""
        scores = torch.tanh(self.hidden(x)) @ self.energy.to(x.dtype)
        inside = length_mask(x_lens, x.size(1))
        scores = scores.float().masked_fill(~inside, torch.finfo(torch.float32).min)
        return scores.softmax(-1).masked_fill(~inside, 0.0)

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, T, D), (B,) -> (B, D)."""
        return torch.einsum("bt,btd->bd", self.weights(x, x_lens).to(x.dtype), x)


class AttentiveStatistics(nn.Module):
    """Weighted mean and standard deviation over time (Okabe et al. 2018, section 3.2).

    Args:
        dim: D.
        attention_dim: A (0: D).
        floor: least variance.
    """

    def __init__(self, dim: int, attention_dim: int = 0, floor: float = 1e-4) -> None:
        super().__init__()
        self.attention = AttentionPooling(dim, attention_dim)
        self.floor = floor

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, T, D), (B,) -> (B, 2 D): means, then deviations."""
        return self.statistics(x, self.attention.weights(x, x_lens))

    def statistics(self, x: Tensor, weights: Tensor) -> Tensor:
        """(B, T, D), weights (B, T) that sum to 1 -> (B, 2 D)."""
        weights = weights.to(x.dtype).unsqueeze(1)
        mean = (weights @ x).squeeze(1)
        variance = (weights @ (x - mean.unsqueeze(1)).square()).squeeze(1)
        return torch.cat([mean, variance.clamp(min=self.floor).sqrt()], -1)


class Pooling(nn.Module):
    """Pools the steps of each sequence, without padding; a sequence of length 0 gives zeros.

    Args:
        kind: ``last``, ``mean``, ``max`` or ``attention`` (see :class:`AttentionPooling`).
        dim: D.
        bidirectional: for ``last``: the first half of the features is from the forward direction
            and is taken at the last step; the second half is from the backward direction and is
            taken at the first step. There each direction has seen the whole sequence.

    Example:
        >>> x = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]])
        >>> Pooling("mean", 2)(x, torch.tensor([2])).tolist()
        [[2.0, 3.0]]
    """

    def __init__(self, kind: str, dim: int, bidirectional: bool = False) -> None:
        super().__init__()
        if kind not in POOLINGS:
            raise ValueError(f"unknown pooling {kind!r}; known: {', '.join(POOLINGS)}")
        self.kind = kind
        self.forward_dim = dim // 2 if bidirectional else dim
        self.attention = AttentionPooling(dim) if kind == "attention" else None

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, T, D), (B,) -> (B, D)."""
        x = x.masked_fill(~length_mask(x_lens, x.size(1)).unsqueeze(-1), 0.0)
        if self.attention is not None:
            pooled: Tensor = self.attention(x, x_lens)
            return pooled
        if self.kind == "mean":
            return x.sum(1) / x_lens.clamp(min=1).to(x.dtype).unsqueeze(-1)
        if self.kind == "max":
            return self._max(x, x_lens)
        last = x[torch.arange(x.size(0), device=x.device), (x_lens - 1).clamp(min=0)]
        return torch.cat([last[:, : self.forward_dim], x[:, 0, self.forward_dim :]], -1)

    def _max(self, x: Tensor, x_lens: Tensor) -> Tensor:
        outside = ~length_mask(x_lens, x.size(1)).unsqueeze(-1)
        highest = x.masked_fill(outside, torch.finfo(x.dtype).min).amax(1)
        return highest.masked_fill((x_lens == 0).unsqueeze(-1), 0.0)

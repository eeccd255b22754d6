"""Normalisation between layers that padding cannot reach. Legend: B batch, T steps, D features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.sequence.lengths import length_mask

__all__ = ["NORMS", "MaskedBatchNorm", "MaskedLayerNorm", "build_norm"]


class MaskedLayerNorm(nn.LayerNorm):
    """Layer normalisation of each step (Ba et al. 2016); padding has no part in it, so lengths are only accepted."""

    def forward(self, x: Tensor, x_lens: Tensor | None = None) -> Tensor:
        return super().forward(x)


class MaskedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) over the valid steps only, so that padding never changes a result.

    Args:
        num_features: D.
        momentum: weight of a batch in the running statistics.
        eps: added to the variance.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, num_features: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_features))
        self.bias = nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.momentum = momentum
        self.eps = eps

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, T, D), (B,) -> (B, T, D)."""
        if self.training:
            mean, var = self._batch_statistics(x, x_lens)
        else:
            mean, var = self.running_mean, self.running_var
        return (x - mean) * torch.rsqrt(var + self.eps) * self.weight + self.bias

    def _batch_statistics(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        valid = x.float()[length_mask(x_lens, x.size(1))]
        var, mean = torch.var_mean(valid, dim=0, correction=0)
        with torch.no_grad():
            unbiased = var * (len(valid) / max(1, len(valid) - 1))
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
        return mean, var


class NoNorm(nn.Module):
    """Returns its input."""

    def forward(self, x: Tensor, x_lens: Tensor | None = None) -> Tensor:
        return x


NORMS = ("layer", "batch", "none")


def build_norm(kind: str, num_features: int) -> nn.Module:
    """Return the normalisation called ``kind`` (one of :data:`NORMS`), called with ``(x, x_lens)``."""
    if kind == "layer":
        return MaskedLayerNorm(num_features)
    if kind == "batch":
        return MaskedBatchNorm(num_features)
    if kind == "none":
        return NoNorm()
    raise ValueError(f"unknown normalisation {kind!r}; known: {', '.join(NORMS)}")

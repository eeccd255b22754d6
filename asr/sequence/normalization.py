"""Normalisation layers that ignore padding. B batch, T steps, D features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from asr.sequence.lengths import length_mask

__all__ = ["NORMS", "MaskedBatchNorm", "MaskedLayerNorm", "build_norm"]


class MaskedLayerNorm(nn.LayerNorm):
    """Layer normalisation of each step (Ba et al. 2016); it needs no lengths."""

    def forward(self, x: Tensor, x_lens: Tensor | None = None) -> Tensor:
        return super().forward(x)


class MaskedBatchNorm(nn.Module):
    """Batch normalisation (Ioffe & Szegedy 2015) with statistics of the valid steps only.

    Args:
        num_features: D.
        momentum: weight of the new batch in the running statistics.
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
        """(B, T, ..., D), (B,) -> (B, T, ..., D); in training the padding of the result is 0."""
        if not self.training:
            return self._normalize(x.reshape(-1, x.size(-1)), training=False).view(x.shape)
        steps = x.flatten(0, 1)  # (B * T, ..., D)
        index = length_mask(x_lens, x.size(1)).flatten().nonzero().squeeze(1)
        if len(index) == len(steps):
            return self._normalize(steps.reshape(-1, x.size(-1)), training=True).view(x.shape)
        valid = steps.index_select(0, index)
        normed = self._normalize(valid.reshape(-1, x.size(-1)), training=True).view(valid.shape)
        return (
            torch.zeros(steps.shape, dtype=normed.dtype, device=x.device)
            .index_copy(0, index, normed)
            .view(x.shape)
        )

    def _normalize(self, points: Tensor, training: bool) -> Tensor:
        """(N, D) -> (N, D) with torch's fused kernel.

        A single point has no variance, so it uses the running statistics and does not change them.
        """
        training = training and len(points) > 1
        return torch.batch_norm(
            points,
            self.weight,
            bias=self.bias,
            running_mean=self.running_mean,
            running_var=self.running_var,
            training=training,
            momentum=self.momentum,
            eps=self.eps,
            cudnn_enabled=torch.backends.cudnn.enabled,
        )


class NoNorm(nn.Module):
    """Returns its input."""

    def forward(self, x: Tensor, x_lens: Tensor | None = None) -> Tensor:
        return x


NORMS = ("layer", "batch", "none")


def build_norm(kind: str, num_features: int) -> nn.Module:
    """Return the normalisation ``kind``, one of :data:`NORMS`; it is called with (x, x_lens)."""
    if kind == "layer":
        return MaskedLayerNorm(num_features)
    if kind == "batch":
        return MaskedBatchNorm(num_features)
    if kind == "none":
        return NoNorm()
    raise ValueError(f"unknown normalisation {kind!r}; known: {', '.join(NORMS)}")

"""Dropout, with a mask per step or one mask for all steps. B batch, T steps, D features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Dropout", "VariationalDropout", "dropout"]

BITS = 16  # resolution of the dropout probability on CPUs
PACKED = 64 // BITS


def dropout(x: Tensor, p: float, training: bool = True) -> Tensor:
    """Return ``x`` with a share ``p`` of its values zeroed and the others scaled by 1 / (1 - p).

    On CPUs torch draws 32 random bits per element. Here four elements share 64 bits, so the
    probability is rounded to a multiple of 2**-16.
    """
    dropped = round(p * 2**BITS)
    if not training or x.device.type != "cpu" or not 0 < dropped < 2**BITS:
        return functional.dropout(x, p, training)
    drawn = torch.empty(-(-x.numel() // PACKED), dtype=torch.int64).random_(-(2**63), None)
    bits = drawn.view(torch.int16)[: x.numel()].view(x.shape)
    scale = torch.empty(x.shape, dtype=x.dtype)
    torch.ge(bits, dropped - 2 ** (BITS - 1), out=scale)
    return x * scale.mul_(1 / (1 - dropped / 2**BITS))


class Dropout(nn.Dropout):
    """``torch.nn.Dropout`` with faster random numbers on CPUs."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return dropout(x, self.p, self.training)


class VariationalDropout(nn.Module):
    """Dropout with one mask for all steps of a sequence (Gal & Ghahramani 2016, section 4).

    Args:
        p: probability that a feature is dropped; the others are scaled by 1 / (1 - p).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        if not self.training or not self.p:
            return x
        return x * dropout(x.new_ones(x.size(0), 1, x.size(2)), self.p)

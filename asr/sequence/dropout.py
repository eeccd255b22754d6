"""Dropout, with a mask a step or one for all steps. Legend: B batch, T steps, D features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Dropout", "VariationalDropout"]

BITS = 16  # of a random number, in which processors draw a probability
PACKED = 64 // BITS


class Dropout(nn.Dropout):
    """``torch.nn.Dropout``, whose mask is drawn faster on processors.

    torch draws a number of 32 bits for each element there; here four elements share one of 64, so
    that the probability is the nearest multiple of 2**-16. Other devices draw as torch does.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape -> the same."""
        dropped = round(self.p * 2**BITS)
        if not self.training or x.device.type != "cpu" or not 0 < dropped < 2**BITS:
            return super().forward(x)
        drawn = torch.empty(-(-x.numel() // PACKED), dtype=torch.int64).random_(-(2**63), None)
        bits = drawn.view(torch.int16)[: x.numel()].view(x.shape)
        scale = torch.empty(x.shape, dtype=x.dtype)
        torch.ge(bits, dropped - 2 ** (BITS - 1), out=scale)
        return x * scale.mul_(1 / (1 - dropped / 2**BITS))


class VariationalDropout(nn.Module):
    """Drops the same features of a sequence at every step (Gal & Ghahramani 2016, section 4), in
    training only.

    Args:
        p: probability that a feature is dropped; what is kept is scaled by 1 / (1 - p).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, T, D)."""
        if not self.training or not self.p:
            return x
        return x * functional.dropout(x.new_ones(x.size(0), 1, x.size(2)), self.p)

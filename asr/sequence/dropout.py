"""Dropout whose mask does not change over time. Legend: B batch, T steps, D features."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["VariationalDropout"]


class VariationalDropout(nn.Module):
    """Drops the same features of a sequence at every step (Gal & Ghahramani 2016, section 4), in training only.

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

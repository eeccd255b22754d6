"""Masks and reversal of padded sequences.

B batch, T steps, D features; ``x_lens`` (B,) int64, in steps.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = [
    "length_mask",
    "mask_padding",
    "reverse_index",
    "reverse_within_length",
    "reversed_rows",
    "swap_rows",
]


def length_mask(x_lens: Tensor, max_len: int) -> Tensor:
    """Return (B, T) bool, true where a step is inside its sequence."""
    return torch.arange(max_len, device=x_lens.device) < x_lens.unsqueeze(1)


def mask_padding(x: Tensor, x_lens: Tensor) -> Tensor:
    """Return ``x`` (B, T, ...) with all padding steps set to zero."""
    mask = length_mask(x_lens, x.size(1))
    return x.masked_fill(~mask.view(*mask.shape, *[1] * (x.dim() - 2)), 0.0)


def reverse_index(x_lens: Tensor, max_len: int) -> Tensor:
    """Return (B, T) int64: n-1-t at step t of a sequence of length n, t itself in the padding."""
    steps = torch.arange(max_len, device=x_lens.device).expand(x_lens.size(0), max_len)
    mirrored = x_lens.unsqueeze(1) - 1 - steps
    return torch.where(mirrored >= 0, mirrored, steps)


def reverse_within_length(x: Tensor, x_lens: Tensor) -> Tensor:
    """Return ``x`` (B, T, D) with each sequence reversed; padding stays at the end."""
    index = reverse_index(x_lens, x.size(1))
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.size(-1)))


def reversed_rows(x_lens: Tensor, max_len: int) -> Tensor:
    """Return (T * B,) int64: the index that reverses a time-major batch, T and B as one axis."""
    batch = torch.arange(x_lens.size(0), device=x_lens.device)
    return (reverse_index(x_lens, max_len).t() * x_lens.size(0) + batch).flatten()


def swap_rows(x: Tensor, rows: Tensor) -> Tensor:
    """Return ``x`` (T, B, D) with its rows (T and B as one axis) permuted.

    ``rows`` must be its own inverse, so the backward pass is the same permutation. It copies whole
    rows, which is faster than ``gather`` and, in the backward pass, ``scatter_add``.
    """
    swapped: Tensor = _Swap.apply(x, rows)  # type: ignore[no-untyped-call]
    return swapped


class _Swap(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        return x.reshape(-1, x.size(-1)).index_select(0, rows).view(x.shape)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, None]:
        return swap_rows(dy, *ctx.saved_tensors), None

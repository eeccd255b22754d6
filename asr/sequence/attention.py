"""Attention over padded sequences.

B batch, L queries, S memory steps, Q query width, D memory width, H heads.

Additive: Bahdanau et al. 2015, appendix A.1.2. Dot and general: Luong et al. 2015, section 3.1.
Multi-head and causal: Vaswani et al. 2017, sections 3.2.1-3.2.3. Local window: Beltagy et al. 2020
(Longformer), section 3.1, sliding window. Padding never changes a result, and a memory of length 0
gives a context of zeros.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.dropout import Dropout, dropout
from asr.sequence.lengths import length_mask
from asr.sequence.normalization import build_norm
from asr.sequence.recurrent import RecurrentStack

__all__ = [
    "SCORES",
    "Attention",
    "AttentionMemory",
    "LocalAttention",
    "MultiHeadAttention",
    "RecurrentAttentionBlock",
    "attention_mask",
    "masked_softmax",
]

SCORES = ("additive", "dot", "general")


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Return the softmax of scores (..., S) over the steps where mask is true; else zeros."""
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(-1).masked_fill(~mask, 0.0)


def attention_mask(
    memory_lens: Tensor,
    num_queries: int,
    num_steps: int,
    causal: bool = False,
    window: int = 0,
    offset: int = 0,
) -> Tensor:
    """Return (B, L, S) bool, true where a query may attend; (B, 1, S) if it is equal for all.

    Args:
        memory_lens: (B,).
        num_queries: L.
        num_steps: S.
        causal: query i attends to steps up to i.
        window: query i attends to steps i - window to i + window (0: all).
        offset: step of query 0.
    """
    mask = length_mask(memory_lens, num_steps).unsqueeze(1)
    if not (causal or window):
        return mask
    device = memory_lens.device
    ahead = torch.arange(num_steps, device=device) - (
        torch.arange(num_queries, device=device) + offset
    ).unsqueeze(1)
    if causal:
        mask = mask & (ahead <= 0)
    if window:
        mask = mask & (ahead.abs() <= window)
    return mask


@dataclass(frozen=True)
class AttentionMemory:
    """Keys and values that queries attend to, projected once for all queries.

    Attributes:
        keys: (B, S, A), A the width of the score.
        values: (B, S, D).
        mask: (B, S), true inside a sequence.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor

    def select(self, rows: Tensor) -> AttentionMemory:
        """Return the memory of batch rows (N,)."""
        return AttentionMemory(self.keys[rows], self.values[rows], self.mask[rows])


class Attention(nn.Module):
    """Single-head attention with the scores of Bahdanau or Luong.

    Args:
        query_dim: Q.
        memory_dim: D.
        score: ``additive`` v tanh(W q + U m), ``dot`` q m (needs Q = D) or ``general`` q W m.
        attention_dim: width of the additive score's hidden layer (0: Q).

    Example:
        >>> attention = Attention(4, 6, "general")
        >>> memory = attention.remember(torch.randn(2, 5, 6), torch.tensor([5, 3]))
        >>> context, weights = attention(torch.randn(2, 1, 4), memory)
        >>> context.shape, weights[1, 0, 3:].tolist()
        (torch.Size([2, 1, 6]), [0.0, 0.0])
    """

    def __init__(
        self, query_dim: int, memory_dim: int, score: str = "additive", attention_dim: int = 0
    ) -> None:
        super().__init__()
        if score not in SCORES:
            raise ValueError(f"unknown attention score {score!r}; known: {', '.join(SCORES)}")
        if score == "dot" and query_dim != memory_dim:
            raise ValueError(
                f"dot attention needs queries as wide as the memory, not {query_dim} and "
                f"{memory_dim}"
            )
        self.score = score
        width = attention_dim or query_dim
        self.key_map: nn.Module = nn.Identity()
        if score == "additive":
            self.query_map = nn.Linear(query_dim, width, bias=False)
            self.key_map = nn.Linear(memory_dim, width)
            self.energy = nn.Parameter(torch.empty(width).uniform_(-1, 1) / math.sqrt(width))
        elif score == "general":
            self.key_map = nn.Linear(memory_dim, query_dim, bias=False)

    def remember(self, memory: Tensor, memory_lens: Tensor) -> AttentionMemory:
        """(B, S, D), (B,) -> memory for :meth:`forward`, created once for many queries."""
        return AttentionMemory(
            self.key_map(memory), memory, length_mask(memory_lens, memory.size(1))
        )

    def forward(self, query: Tensor, memory: AttentionMemory) -> tuple[Tensor, Tensor]:
        """(B, L, Q), memory -> context (B, L, D), weights (B, L, S)."""
        weights = masked_softmax(self._scores(query, memory.keys), memory.mask.unsqueeze(1))
        return torch.bmm(weights.to(memory.values.dtype), memory.values), weights

    def _scores(self, query: Tensor, keys: Tensor) -> Tensor:
        if self.score == "additive":
            # (B, L, S, A)
            hidden = torch.tanh(self.query_map(query).unsqueeze(2) + keys.unsqueeze(1))
            return hidden @ self.energy.to(hidden.dtype)
        return torch.bmm(query.to(keys.dtype), keys.transpose(1, 2))


class MultiHeadAttention(nn.Module):
    """Multi-head scaled dot-product attention, equal to ``torch.nn.MultiheadAttention``.

    Args:
        query_dim: Q, also the output's width.
        num_heads: H, a divisor of Q.
        memory_dim: D (0: Q).
        dropout: of the attention weights, in training.
        causal: see :func:`attention_mask`; for self-attention.
        window: see :func:`attention_mask`; for self-attention.
    """

    def __init__(
        self,
        query_dim: int,
        num_heads: int = 4,
        memory_dim: int = 0,
        dropout: float = 0.0,
        causal: bool = False,
        window: int = 0,
    ) -> None:
        super().__init__()
        if query_dim % num_heads:
            raise ValueError(f"a width of {query_dim} cannot be split into {num_heads} heads")
        self.num_heads, self.dropout, self.causal, self.window = num_heads, dropout, causal, window
        self.query_map = nn.Linear(query_dim, query_dim)
        self.key_map = nn.Linear(memory_dim or query_dim, query_dim)
        self.value_map = nn.Linear(memory_dim or query_dim, query_dim)
        self.output_map = nn.Linear(query_dim, query_dim)
        for projection in (self.query_map, self.key_map, self.value_map, self.output_map):
            nn.init.xavier_uniform_(projection.weight)
            nn.init.zeros_(projection.bias)

    def project(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(B, S, D) -> keys and values (B, H, S, Q / H) for :meth:`attend`.

        Project once if queries come one by one.
        """
        return self._split(self.key_map(memory)), self._split(self.value_map(memory))

    def attend(
        self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """(B, L, Q), projected memory, mask (B, L or 1, S) -> (B, L, Q); computes no weights."""
        q = self._split(self.query_map(query))
        dropout = self.dropout if self.training else 0.0
        heads = functional.scaled_dot_product_attention(
            q, keys, values, None if mask is None else mask.unsqueeze(1), dropout
        )
        if mask is not None:  # on some devices the kernel returns NaN if all steps are masked
            heads = heads.masked_fill(~mask.any(-1).unsqueeze(1).unsqueeze(-1), 0.0)
        return self._merge(heads)

    def forward(
        self, query: Tensor, memory: Tensor | None = None, memory_lens: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, L, Q), memory (B, S, D), (B,) -> output (B, L, Q), weights (B, H, L, S).

        Without memory it is self-attention.
        """
        memory = query if memory is None else memory
        if memory_lens is None:
            memory_lens = torch.full((memory.size(0),), memory.size(1), device=memory.device)
        mask = attention_mask(
            memory_lens, query.size(1), memory.size(1), self.causal, self.window
        ).unsqueeze(1)
        keys, values = self.project(memory)
        q = self._split(self.query_map(query))
        weights = masked_softmax(q @ keys.transpose(-1, -2) / math.sqrt(q.size(-1)), mask)
        dropped = dropout(weights, self.dropout, self.training)
        return self._merge(dropped.to(values.dtype) @ values), weights

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.num_heads, -1).transpose(1, 2)

    def _merge(self, heads: Tensor) -> Tensor:
        merged: Tensor = self.output_map(heads.transpose(1, 2).flatten(2))
        return merged


class LocalAttention(nn.Module):
    """Multi-head self-attention in which step t attends to steps t - window to t + window.

    It works in blocks of ``window`` steps; a block attends to itself and its two neighbours. So
    time and memory grow with L, not with L squared. Equals :class:`MultiHeadAttention` with the
    same ``window`` and weights.

    Args:
        dim: Q, width of input and output.
        num_heads: H.
        window: steps to each side.
        dropout: of the attention weights, in training.
    """

    def __init__(
        self, dim: int, num_heads: int = 4, window: int = 16, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if window < 1:
            raise ValueError(f"a local window is at least 1 step wide, not {window}")
        self.window = window
        self.heads = MultiHeadAttention(dim, num_heads, dropout=dropout)

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, L, Q), (B,) -> (B, L, Q)."""
        B, L, Q = x.shape
        w = self.window
        num_blocks = (L + w - 1) // w
        blocks = functional.pad(x, (0, 0, 0, num_blocks * w - L)).view(B * num_blocks, w, Q)
        # (B, blocks, Q, 3 w): each block with its neighbours.
        around = functional.pad(x, (0, 0, w, (num_blocks + 1) * w - L)).unfold(1, 3 * w, w)
        keys, values = self.heads.project(
            around.permute(0, 1, 3, 2).reshape(B * num_blocks, 3 * w, Q)
        )
        mask = self._mask(x_lens, num_blocks)
        y = self.heads.attend(blocks, keys, values, mask.view(B * num_blocks, w, 3 * w))
        return y.reshape(B, num_blocks * w, Q)[:, :L]

    def _mask(self, x_lens: Tensor, num_blocks: int) -> Tensor:
        w, device = self.window, x_lens.device
        around = torch.arange(-w, 2 * w, device=device)
        steps = torch.arange(num_blocks, device=device).unsqueeze(1) * w + around
        inside = (steps >= 0) & (steps < x_lens.view(-1, 1, 1))  # (B, blocks, 3 w)
        ahead = around - torch.arange(w, device=device).unsqueeze(1)  # (w, 3 w)
        return inside.unsqueeze(2) & (ahead.abs() <= w)


class RecurrentAttentionBlock(nn.Module):
    """A recurrent stack, followed by self-attention over its output.

    y = r + dropout(attention(norm(r))), r = recurrent(x); pre-norm as in Xiong et al. 2020. Close
    to the encoder of Chen et al. 2018 ("The Best of Both Worlds", section 5), with one attention
    layer.

    Args:
        recurrent: the recurrent stack, r (B, T, D).
        num_heads: H.
        dropout: of the attention weights and of the attention's output.
        window: steps to each side that a step attends to (0: all).
        causal: no step attends to a later one; only without a window.
    """

    def __init__(
        self,
        recurrent: RecurrentStack,
        num_heads: int = 4,
        dropout: float = 0.0,
        window: int = 0,
        causal: bool = False,
    ) -> None:
        super().__init__()
        if window and causal:
            raise ValueError("a local window covers both sides; it cannot be causal")
        self.recurrent = recurrent
        width = recurrent.output_dim
        self.norm = build_norm("layer", width)
        self.attention: nn.Module = (
            LocalAttention(width, num_heads, window, dropout)
            if window
            else MultiHeadAttention(width, num_heads, dropout=dropout, causal=causal)
        )
        self.dropout = Dropout(dropout)
        self.output_dim = width

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, input), (B,) -> (B, T, output_dim), (B,)."""
        x, x_lens, _ = self.recurrent(x, x_lens)
        normed = self.norm(x)
        if isinstance(self.attention, MultiHeadAttention):
            mask = attention_mask(x_lens, x.size(1), x.size(1), self.attention.causal)
            y = self.attention.attend(normed, *self.attention.project(normed), mask)
        else:
            y = self.attention(normed, x_lens)
        return x + self.dropout(y), x_lens

"""CTC over all spellings of a transcript.

Legend: B batch, T' output frames, V vocabulary, N nodes, K arcs a node.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from asr.sequence.threads import over_batch
from asr.speech.losses.spellings import Spellings

__all__ = ["log_space_losses", "spelling_loss"]

NONE = -1e30  # logarithm of nothing whose gradients are still numbers


def spelling_loss(log_probs: Tensor, lens: Tensor, spellings: Spellings) -> Tensor:
    """Return the summed -log of the weighted probability of all spellings, of log_probs (B, T', V).

    Infinite where frames are too few for every spelling.
    """
    with torch.autocast(log_probs.device.type, enabled=False):
        log_probs = log_probs.float()
        if log_probs.device.type != "cpu":
            return log_space_losses(log_probs, lens, spellings).sum().float()
        losses: Tensor = _Spelled.apply(log_probs, lens, spellings)  # type: ignore[no-untyped-call]
        known = losses.isfinite()
        if known.all():
            return losses.sum()
        rows = (~known).nonzero().flatten()
        others = log_space_losses(log_probs[rows], lens[rows], spellings.take(rows.tolist()))
        return losses[known].sum() + others.sum().float()


class _Spelled(torch.autograd.Function):
    """The losses (B,) on processors; infinite where the compiled code has no answer."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, lens: Tensor, spellings: Spellings) -> Tensor:
        # numba takes a second to import
        from asr.speech.losses.spelling_kernels import Graph, spelling_posteriors

        probs = log_probs.detach().exp().contiguous()
        gamma = torch.zeros_like(probs)
        losses = torch.full((len(probs),), math.inf, dtype=torch.float64)
        s, frames = spellings, lens.long().contiguous().numpy()
        graphs = Graph(s.labels, s.first, s.sources, s.weights, s.ends)
        arguments = (probs.numpy(), frames, graphs, s.nodes, s.arcs, gamma.numpy(), losses.numpy())
        over_batch(spelling_posteriors, len(probs), [arguments])
        ctx.save_for_backward(gamma.neg_())
        return losses.float()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream.view(-1, 1, 1), None, None


def log_space_losses(log_probs: Tensor, lens: Tensor, spellings: Spellings) -> Tensor:
    """Return the losses (B,) in float64: by logarithms, slower, but without a limit of range."""
    labels, sources, weights, same, ends = (t.to(log_probs.device) for t in _padded(spellings))
    exact = log_probs.double()
    B, N = labels.shape
    nothing = exact.new_full((B, 1), NONE)
    spoken = nothing.expand(B, N + 1)
    blank = functional.pad(nothing.expand(B, N), (0, 1))  # the beginning, node N, has all
    flat = sources.flatten(1)
    for t in range(int(lens.max())):
        frame = exact[:, t]
        either = torch.logaddexp(spoken, blank)
        from_blank, from_either = (x.gather(1, flat).view_as(sources) for x in (blank, either))
        arrived = (torch.where(same, from_blank, from_either) + weights).logsumexp(-1)
        entered = torch.logaddexp(spoken[:, :N], arrived) + frame.gather(1, labels)
        inside = (t < lens).unsqueeze(1)
        spoken = torch.where(inside, torch.cat([entered, nothing], 1), spoken)
        blank = torch.where(inside, either + frame[:, :1], blank)
    total = (torch.logaddexp(spoken, blank)[:, :N] + ends).logsumexp(-1)
    return torch.where(total > NONE / 2, -total, math.inf)


def _padded(spellings: Spellings) -> tuple[Tensor, ...]:
    """Labels (B, N); sources, log weights, whether both ends have one label (B, N, K); log ends."""
    B, N = len(spellings), int(np.diff(spellings.nodes).max())
    K = max(int(np.diff(spellings[b].first).max()) for b in range(B))
    labels, ends = np.zeros((B, N), np.int64), np.full((B, N), NONE)
    sources, weights = np.zeros((B, N, K), np.int64), np.full((B, N, K), NONE)
    same = np.zeros((B, N, K), bool)
    for b in range(B):
        one = spellings[b]
        n, counts = len(one.labels), np.diff(one.first)
        labels[b, :n] = one.labels
        np.log(one.ends, out=ends[b, :n], where=one.ends > 0)
        node = np.repeat(np.arange(n), counts)
        place = node, np.arange(len(node)) - one.first[node]
        sources[b][place] = np.where(one.sources == n, N, one.sources)
        weights[b][place] = np.log(one.weights)
        same[b][place] = np.append(one.labels, -1)[one.sources] == one.labels[node]
    return tuple(map(torch.from_numpy, (labels, sources, weights, same, ends)))

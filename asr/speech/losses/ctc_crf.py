"""CTC-CRF: the transcript against all label sequences that an n-gram of the labels thinks possible.

Legend: B batch, T' output frames, V vocabulary, L labels, S states of the label model. Xiang & Ou
2019, "CRF-based Single-stage Acoustic Modeling with CTC Topology"; docs/theory/ctc-crf.md has the
mathematics.
"""

from __future__ import annotations

import warnings
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from asr.sequence.lengths import length_mask
from asr.sequence.threads import over_batch
from asr.speech.losses.ctc import ctc_loss
from asr.speech.losses.label_graph import Arcs, LabelGraph
from asr.speech.losses.spelling_loss import spelling_loss
from asr.speech.losses.spellings import Spellings

__all__ = ["by_matrices", "ctc_crf_loss", "log_denominators"]


def ctc_crf_loss(
    log_probs: Tensor,
    lens: Tensor,
    labels: Tensor,
    label_lens: Tensor,
    graph: LabelGraph,
    spellings: Spellings | None = None,
    ctc_share: float = 0.0,
) -> Tensor:
    """Return the summed CTC-CRF loss; infinite where frames are too few for the labels.

    Args:
        log_probs: (B, T', V).
        lens: (B,) frames.
        labels: (B, L).
        label_lens: (B,).
        graph: the label model.
        spellings: made with ``graph``; the transcripts are these, not ``labels`` alone.
        ctc_share: so much of the CTC loss is added.
    """
    with torch.autocast(
        log_probs.device.type, enabled=False
    ):  # sums of hundreds of frames need all digits
        log_probs = log_probs.float()
        possible = log_denominators(log_probs, lens, graph).sum()
        if spellings is None:
            rows = zip(labels.tolist(), label_lens.tolist(), strict=True)
            score = sum(graph.log_score(row[:n]) for row, n in rows)
            spelled = ctc_loss(log_probs, lens, labels, label_lens)
        else:  # they hold the label model's score, which is no part of CTC
            score = float(spellings.log_weights.sum())
            spelled = spelling_loss(log_probs, lens, spellings) + score
        return (1 + ctc_share) * spelled - score + possible


def log_denominators(log_probs: Tensor, lens: Tensor, graph: LabelGraph) -> Tensor:
    """Return log Z (B,) of log_probs (B, T', V).

    Z sums over all label sequences their probability under the label model times that of all
    their CTC paths.
    """
    log_z: Tensor = _Denominator.apply(log_probs, lens, graph)  # type: ignore[no-untyped-call]
    return log_z


class _Denominator(torch.autograd.Function):
    """log Z; its gradient is how probable each symbol is in each frame."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, lens: Tensor, graph: LabelGraph) -> Tensor:
        probs = log_probs.detach().exp().contiguous()
        find = _compiled if probs.device.type == "cpu" else by_matrices
        log_z, gamma = find(probs, lens, graph)
        ctx.save_for_backward(gamma)
        return log_z.float()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gamma,) = ctx.saved_tensors
        return gamma * upstream.view(-1, 1, 1), None, None


def _compiled(probs: Tensor, lens: Tensor, graph: LabelGraph) -> tuple[Tensor, Tensor]:
    from asr.speech.losses.ctc_crf_kernels import (
        LANES,
        Automaton,
        denominators,
    )  # numba: a second to import

    by_target, by_source = graph.incoming, graph.outgoing
    automaton = Automaton(
        begin=graph.begin,
        label=graph.label,
        backoff=graph.backoff,
        backoff_weight=graph.backoff_weight,
        final=graph.final,
        in_first=by_target.first,
        in_sources=by_target.other,
        in_weights=by_target.weights,
        out_first=by_source.first,
        out_targets=by_source.other,
        out_weights=by_source.weights,
    )
    gamma, log_z = torch.zeros_like(probs), torch.zeros(len(probs), dtype=torch.float64)
    frames = lens.long().contiguous().numpy()
    arguments = (probs.numpy(), frames, automaton, gamma.numpy(), log_z.numpy())
    over_batch(denominators, len(probs), [arguments], together=LANES)
    return log_z, gamma


def by_matrices(probs: Tensor, lens: Tensor, graph: LabelGraph) -> tuple[Tensor, Tensor]:
    """Return log Z (B,) and the occupation (B, T', V) of probs (B, T', V), on any device.

    The kernels' computation with all utterances side by side: a frame is a product of sparse
    matrices of the states and a dense one of the utterances.
    """
    matrices, label, final = _matrices(graph, probs.device, probs.dtype)
    onward, onward_back, again, again_back, members = matrices
    frames = functional.pad(probs, (0, 1)).permute(1, 2, 0)  # (T', V + 1, B): the begin has label V
    inside = length_mask(lens, probs.size(1)).t()
    spoken = probs.new_zeros(len(label), len(probs))
    blank = spoken.clone()
    blank[graph.begin] = 1.0
    history, scales = [], []
    log_z = torch.zeros(len(probs), dtype=torch.float64, device=probs.device)
    for frame, valid in zip(frames, inside, strict=True):
        mass = spoken + blank
        entered = (spoken + onward @ mass + again @ blank) * frame[label]
        total = entered.sum(0) + (mass * frame[0]).sum(0)
        spoken = torch.where(valid, entered / total, spoken)
        blank = torch.where(valid, mass * frame[0] / total, blank)
        log_z += torch.where(valid, total.log(), 0.0)
        history.append(spoken)
        scales.append(total)
    end = (spoken + blank).t() @ final
    after_spoken = after_blank = (final[:, None] / end).expand_as(spoken)
    gamma = torch.zeros_like(frames)
    for t in range(len(frames) - 1, -1, -1):
        gamma[t] = torch.where(inside[t], members @ (history[t] * after_spoken), 0.0)
        entered = after_spoken * frames[t][label] / scales[t]
        stayed = after_blank * frames[t, 0] / scales[t]
        moved = stayed + onward_back @ entered
        after_spoken = torch.where(inside[t], moved + entered, after_spoken)
        after_blank = torch.where(inside[t], moved + again_back @ entered, after_blank)
    gamma = gamma[:, :-1].permute(2, 0, 1).contiguous()
    gamma[..., 0] = torch.where(inside.t(), 1.0 - gamma.sum(-1), 0.0)
    return log_z + end.double().log(), gamma


@lru_cache(maxsize=4)
def _matrices(
    graph: LabelGraph, device: torch.device, dtype: torch.dtype
) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
    """What a frame is multiplied with, and each state's label (S,) and end (S,).

    The matrices: (S, S) arcs to another label, the same transposed, arcs to the same label again,
    the same transposed, and (V + 1, S) which states a label has.
    """
    S, V = graph.scores.shape
    source, label = (graph.scores[:, 1:] > 0).nonzero()
    label = label + 1
    target, weight = graph.following[source, label], graph.scores[source, label]
    same = graph.label[source] == label
    matrices = []
    for rows in (~same, same):
        matrices.append(Arcs.by(target[rows], source[rows], weight[rows], S))
        matrices.append(Arcs.by(source[rows], target[rows], weight[rows], S))
    matrices.append(Arcs.by(graph.label, np.arange(S), np.ones(S), V + 1))
    sparse = tuple(_sparse(arcs, S).to(device, dtype) for arcs in matrices)
    labels, final = torch.from_numpy(graph.label), torch.from_numpy(graph.final)
    return sparse, labels.to(device), final.to(device, dtype)


def _sparse(arcs: Arcs, columns: int) -> Tensor:
    first, other = (torch.from_numpy(a.astype(np.int64)) for a in (arcs.first, arcs.other))
    size = (len(first) - 1, columns)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse")  # CSR tensors are "in beta"
        weights = torch.from_numpy(arcs.weights)
        return torch.sparse_csr_tensor(first, other, weights, size, check_invariants=False)

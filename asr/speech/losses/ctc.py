"""The CTC loss and its regularisation terms.

CTC: Graves et al. 2006, "Connectionist Temporal Classification".

Legend: B batch, T' output frames, V vocabulary, L labels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from asr.config import check_choice, check_range
from asr.sequence.lengths import length_mask
from asr.sequence.threads import over_batch

__all__ = ["CtcLossConfig", "consistency", "ctc_loss", "smoothing"]

KINDS = ("ctc", "ctc_crf")
PRONUNCIATIONS = ("first", "all")
SMOOTHINGS = ("uniform", "entropy")


@dataclass(frozen=True)
class CtcLossConfig:
    """Terms that training adds to the CTC loss; the model itself does not depend on them.

    Attributes:
        kind: ``ctc``, or ``ctc_crf``: the transcript against all label sequences that an n-gram of
            the training labels allows (Xiang & Ou 2019). Decode such a model with a language model.
        label_order: order of that n-gram, 2 to 4.
        label_ngrams: n-grams that pruning leaves of it (0: all).
        pronunciations: ``first`` or ``all`` of the pronunciations of a word, weighed by that n-gram
            where there is one.
        ctc_share: share of the plain CTC loss that ``ctc_crf`` adds, for stability.
        consistency: weight of the divergence between the outputs of two differently masked views of
            every utterance (0: one view). A step then costs twice as much. The authors use 0.2 with
            2.5 times the usual time masks (Yao et al. 2024, "CR-CTC: Consistency Regularization on
            CTC").
        smoothing_weight: share of a term that penalises overconfident frames (0: none).
        smoothing: that term, summed over frames: ``uniform`` is KL(uniform, output), what label
            smoothing adds to cross-entropy; ``entropy`` is KL(output, uniform), a penalty on low
            entropy (Pereyra et al. 2017; for CTC Kim et al. 2018, "Improved Training for Online
            End-to-End Speech Recognition Systems").
    """

    kind: str = "ctc"
    label_order: int = 3
    label_ngrams: int = 0
    pronunciations: str = "first"
    ctc_share: float = 0.1
    consistency: float = 0.0
    smoothing_weight: float = 0.0
    smoothing: str = "uniform"

    def __post_init__(self) -> None:
        check_choice("loss.kind", self.kind, KINDS)
        check_choice("loss.pronunciations", self.pronunciations, PRONUNCIATIONS)
        check_range("loss.label_order", self.label_order, 2, 4)
        check_range("loss.label_ngrams", self.label_ngrams, 0)
        check_range("loss.ctc_share", self.ctc_share, 0, 10)
        check_range("loss.consistency", self.consistency, 0)
        check_range("loss.smoothing_weight", self.smoothing_weight, 0, 0.99)
        check_choice("loss.smoothing", self.smoothing, SMOOTHINGS)


def ctc_loss(log_probs: Tensor, lens: Tensor, labels: Tensor, label_lens: Tensor) -> Tensor:
    """Return the summed CTC loss; infinite where an utterance has too few frames for its labels.

    Args:
        log_probs: (B, T', V).
        lens: (B,) valid frames.
        labels: (B, L) padded, or all labels one after another.
        label_lens: (B,).
    """
    with torch.autocast(log_probs.device.type, enabled=False):  # CTC needs single precision
        log_probs = log_probs.float()
        if log_probs.device.type != "cpu":
            return functional.ctc_loss(
                log_probs.transpose(0, 1), labels, lens, label_lens, reduction="sum"
            )
        if labels.dim() > 1:
            labels = labels[length_mask(label_lens, labels.size(1))]
        losses: Tensor = _Ctc.apply(log_probs, lens, labels, label_lens)  # type: ignore[no-untyped-call]
        known = losses.isfinite()
        if known.all():
            return losses.sum()
        # Our kernel has no answer for the others: torch computes them in double precision.
        left, theirs = ~known, labels[(~known).repeat_interleave(label_lens)]
        exact = log_probs[left].double().transpose(0, 1)
        others = functional.ctc_loss(exact, theirs, lens[left], label_lens[left], reduction="sum")
        return losses[known].sum() + others.float()


class _Ctc(torch.autograd.Function):
    """CTC losses (B,) and their gradient on processors, several times as fast as torch's own.

    The kernel is in asr/speech/losses/ctc_kernels.py. A loss is infinite where it has no answer: no
    path, a probability outside its range of numbers, or NaN.
    """

    @staticmethod
    def forward(
        ctx: Any, log_probs: Tensor, lens: Tensor, labels: Tensor, label_lens: Tensor
    ) -> Tensor:
        from asr.speech.losses.ctc_kernels import posteriors  # numba takes a second to import

        B, T, V = log_probs.shape
        if int(lens.max()) > T or (len(labels) and int(labels.max()) >= V):
            raise ValueError(
                f"lengths up to {lens.max()} of {T} frames, labels up to {labels.max()} of {V}"
            )
        probs = log_probs.detach().exp().contiguous()
        gamma, losses = torch.zeros_like(probs), torch.full((B,), math.inf, dtype=torch.float64)
        offsets = label_lens.cumsum(0) - label_lens
        whole = (array.long().contiguous().numpy() for array in (lens, labels, offsets, label_lens))
        over_batch(posteriors, B, [(probs.numpy(), *whole, gamma.numpy(), losses.numpy())])
        # the gradient of the loss by the logits: output minus posterior probabilities
        padding = ~length_mask(lens, probs.size(1)).unsqueeze(-1)
        gradient = probs.sub_(gamma).masked_fill_(padding, 0.0)
        ctx.save_for_backward(gradient)
        return losses.float()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream.view(-1, 1, 1), None, None, None


def consistency(log_probs: Tensor, lens: Tensor) -> Tensor:
    """Return the divergence between two views, summed over utterances and frames.

    It is half the sum of KL(b, a) and KL(a, b); each view learns from the other, whose gradient is
    stopped (Yao et al. 2024, equation 4).

    Args:
        log_probs: (2B, T', V), the first view of all utterances, then the second.
        lens: (2B,) valid frames.
    """
    a, b = log_probs.chunk(2)
    towards_b = functional.kl_div(a, b.detach(), reduction="none", log_target=True)
    towards_a = functional.kl_div(b, a.detach(), reduction="none", log_target=True)
    valid = length_mask(lens[: len(a)], a.size(1)).unsqueeze(-1)
    return 0.5 * (towards_a + towards_b).masked_fill(~valid, 0.0).sum()


def smoothing(kind: str, log_probs: Tensor, lens: Tensor) -> Tensor:
    """Return the smoothing term of log_probs (B, T', V), summed over valid frames.

    Args:
        kind: ``uniform`` or ``entropy``, see :class:`CtcLossConfig`.
        log_probs: (B, T', V).
        lens: (B,) valid frames.
    """
    log_size = math.log(log_probs.size(-1))
    if kind == "uniform":
        divergence = -log_probs.mean(-1) - log_size
    else:
        divergence = (log_probs.exp() * log_probs).sum(-1) + log_size
    return divergence.masked_fill(~length_mask(lens, log_probs.size(1)), 0.0).sum()

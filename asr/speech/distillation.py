"""A small speech model that learns from a large one, beside the transcripts.

Legend: B batch, T' output frames, V vocabulary, L labels.

Frame-wise: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2, a frame
being an example. Sequences: Kim & Rush 2016, "Sequence-Level Knowledge Distillation", section 3.2,
with the greedy hypothesis.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from asr.config import check_choice, check_range
from asr.errors import ConfigError
from asr.sequence.lengths import length_mask
from asr.speech.batches import SpeechBatch
from asr.speech.network import CtcTask, CtcTaskConfig

__all__ = ["DistillTask", "DistillationConfig", "frame_divergence", "hypotheses", "sequence_loss"]

KINDS = ("frames", "sequences")


@dataclass(frozen=True)
class DistillationConfig:
    """What a teacher adds to the loss of its student.

    Attributes:
        teacher: model folder; none without one.
        kind: ``frames``, KL(teacher, student) of every output frame, for which both need the same
            frame rate; or ``sequences``, the CTC loss of the teacher's greedy hypotheses as labels.
        weight: share of it in the loss; the transcripts have the rest.
        temperature: divides the logits of both before KL, which is multiplied by its square, so
            that gradients stay of a size (frames only).
    """

    teacher: str = ""
    kind: str = "frames"
    weight: float = 0.5
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_choice("distillation.kind", self.kind, KINDS)
        check_range("distillation.weight", self.weight, 0, 1)
        check_range("distillation.temperature", self.temperature, 0.1, 100)


class DistillTask(CtcTask):
    """A CTC task with a teacher. The teacher hears each batch unmasked and is no part of the
    student's weights.

    Args:
        config: of the student, see :class:`asr.speech.network.CtcTask`.
        vocab_size: of the student, see :class:`asr.speech.network.CtcTask`.
        teacher: with the same tokens.
        distillation: settings.

    Raises:
        ConfigError: teacher and student have other features or, for frames, other times of output
        frames.
    """

    def __init__(
        self,
        config: CtcTaskConfig,
        vocab_size: int,
        teacher: CtcTask,
        distillation: DistillationConfig,
    ) -> None:
        super().__init__(config, vocab_size)
        _check_fit(config, teacher.config, distillation)
        self.distillation = distillation
        self._teacher = (
            teacher.eval().requires_grad_(False),
        )  # in a tuple: torch counts it no part of the student

    def _regularized(
        self, loss: Tensor, batch: SpeechBatch, log_probs: Tensor, lens: Tensor, views: int
    ) -> Tensor:
        taught = self._taught(batch, log_probs, lens, views)
        loss = torch.lerp(loss, taught / views, self.distillation.weight)
        return super()._regularized(loss, batch, log_probs, lens, views)

    def _taught(self, batch: SpeechBatch, log_probs: Tensor, lens: Tensor, views: int) -> Tensor:
        teacher = self._teacher[0].to(log_probs.device)
        with torch.no_grad():
            target, target_lens = teacher(batch.features, batch.feature_lens)
        target, target_lens = torch.cat([target] * views), torch.cat([target_lens] * views)
        if self.distillation.kind == "frames":
            return frame_divergence(log_probs, target, lens, self.distillation.temperature)
        return sequence_loss(log_probs, lens, *hypotheses(target, target_lens))


def frame_divergence(
    log_probs: Tensor, target: Tensor, lens: Tensor, temperature: float = 1.0
) -> Tensor:
    """Return KL(target, output) of two (B, T', V), both at ``temperature``, times its square; over
    valid frames.
    """
    output, target = ((x.float() / temperature).log_softmax(-1) for x in (log_probs, target))
    divergence = functional.kl_div(output, target, reduction="none", log_target=True).sum(-1)
    return temperature**2 * divergence.masked_fill(~length_mask(lens, log_probs.size(1)), 0.0).sum()


def hypotheses(log_probs: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
    """Return the greedy labels of log_probs (B, T', V) one after the other, (sum of L,), and their
    numbers L (B,).
    """
    best = log_probs.argmax(-1)
    before = functional.pad(best[:, :-1], (1, 0))  # blank
    kept = (best != 0) & (best != before) & length_mask(lens, best.size(1))
    return best[kept], kept.sum(1)


def sequence_loss(log_probs: Tensor, lens: Tensor, labels: Tensor, label_lens: Tensor) -> Tensor:
    """Return the summed CTC loss of labels that :func:`hypotheses` gave; those that need more
    frames count zero.
    """
    with torch.autocast(log_probs.device.type, enabled=False):
        return functional.ctc_loss(
            log_probs.float().transpose(0, 1),
            labels,
            lens,
            label_lens,
            reduction="sum",
            zero_infinity=True,
        )


def _check_fit(
    student: CtcTaskConfig, teacher: CtcTaskConfig, distillation: DistillationConfig
) -> None:
    if student.features != teacher.features:
        raise ConfigError(
            "Teacher and student hear other features.",
            "Prepare the data with the teacher's feature settings.",
        )
    if distillation.kind != "frames":
        return
    rates = student.model.subsampling, teacher.model.subsampling
    if rates[0] != rates[1]:
        raise ConfigError(
            f"model.subsampling is {rates[0]}, the teacher's is {rates[1]}: their frames cannot be compared.",
            "Take the teacher's, or distillation.kind=sequences.",
        )
    if student.specaugment.time_warp:
        raise ConfigError(
            "specaugment.time_warp moves the student's frames away from the teacher's.",
            "Set specaugment.time_warp=0, or distillation.kind=sequences.",
        )

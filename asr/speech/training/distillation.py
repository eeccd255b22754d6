"""Knowledge distillation: a student learns from a teacher's outputs as well as from transcripts.

- By frames: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2, each
  output frame being an example.
- By sequences: Kim & Rush 2016, "Sequence-Level Knowledge Distillation", section 3.2, with the
  teacher's greedy hypothesis.

Legend: B batch, T' output frames, V vocabulary, L labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from asr.config import check_choice, check_range
from asr.errors import ConfigError
from asr.sequence.lengths import length_mask
from asr.speech.acoustics.network import CtcTask, CtcTaskConfig
from asr.speech.data.batches import SpeechBatch

__all__ = ["DistillTask", "DistillationConfig", "frame_divergence", "hypotheses", "sequence_loss"]

KINDS = ("frames", "sequences")


@dataclass(frozen=True)
class DistillationConfig:
    """The part of the loss that comes from a teacher.

    Attributes:
        teacher: its model folder; empty for no teacher.
        kind: ``frames``, KL(teacher, student) of every output frame, for which both need the same
            frame rate; or ``sequences``, the CTC loss of the teacher's greedy hypotheses as labels.
        weight: its share in the loss; the transcripts have the rest.
        temperature: divides the logits of both before KL, which is multiplied by its square, so
            that the size of the gradient stays the same (frames only).
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
    """A CTC task with a teacher, which gets each batch without SpecAugment.

    The teacher's weights are no part of the student's.

    Args:
        config: of the student, see :class:`asr.speech.acoustics.network.CtcTask`.
        vocab_size: V of both.
        teacher: network with the same tokens.
        distillation: settings.

    Raises:
        ConfigError: teacher and student have different features or, for frames, output frames at
            different times.
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
        # in a tuple, so that torch does not count it among the student's modules
        self._teacher = (teacher.eval().requires_grad_(False),)

    def _regularized(
        self, loss: Tensor, batch: SpeechBatch, log_probs: Tensor, lens: Tensor, views: int
    ) -> Tensor:
        taught = self._teacher_loss(batch, log_probs, lens, views)
        loss = torch.lerp(loss, taught / views, self.distillation.weight)
        return super()._regularized(loss, batch, log_probs, lens, views)

    def _teacher_loss(
        self, batch: SpeechBatch, log_probs: Tensor, lens: Tensor, views: int
    ) -> Tensor:
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
    """Return KL(target, output), summed over valid frames, times the squared temperature.

    Args:
        log_probs: output (B, T', V).
        target: (B, T', V).
        lens: (B,) valid frames.
        temperature: divides the logits of both.
    """
    output, target = ((x.float() / temperature).log_softmax(-1) for x in (log_probs, target))
    divergence = functional.kl_div(output, target, reduction="none", log_target=True).sum(-1)
    return temperature**2 * divergence.masked_fill(~length_mask(lens, log_probs.size(1)), 0.0).sum()


def hypotheses(log_probs: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
    """Return the greedy labels of all utterances one after the other, and their numbers L (B,).

    Args:
        log_probs: (B, T', V).
        lens: (B,) valid frames.
    """
    best = log_probs.argmax(-1)
    before = functional.pad(best[:, :-1], (1, 0))  # a blank before the first frame
    kept = (best != 0) & (best != before) & length_mask(lens, best.size(1))
    return best[kept], kept.sum(1)


def sequence_loss(log_probs: Tensor, lens: Tensor, labels: Tensor, label_lens: Tensor) -> Tensor:
    """Return the summed CTC loss of the labels that :func:`hypotheses` returned.

    Utterances with too few frames for their labels count zero.
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
            "Teacher and student have different features.",
            "Prepare the data with the teacher's feature settings.",
        )
    if distillation.kind != "frames":
        return
    rates = student.model.subsampling, teacher.model.subsampling
    if rates[0] != rates[1]:
        raise ConfigError(
            f"model.subsampling is {rates[0]}, the teacher's is {rates[1]}: their frames cannot be "
            "compared.",
            "Take the teacher's, or distillation.kind=sequences.",
        )
    if student.specaugment.time_warp:
        raise ConfigError(
            "specaugment.time_warp moves the student's frames away from the teacher's.",
            "Set specaugment.time_warp=0, or distillation.kind=sequences.",
        )

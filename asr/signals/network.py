"""Classification of whole sequences, signals and texts alike.

Legend: B batch, T steps, D input width, S static features, C classes. (embedding ->) (convolution
over time ->) recurrent layers (-> self-attention) -> pooling -> with static features -> C.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.config import check_range
from asr.sequence.augment import augment
from asr.sequence.classifier import ClassifierConfig, ClassifierNetwork
from asr.signals.batches import LabelledBatch
from asr.training.task import LossSum, Task

__all__ = ["AugmentConfig", "ClassifierTask", "ClassifierTaskConfig"]


@dataclass(frozen=True)
class AugmentConfig:
    """Changes of normalised signals in training; see :func:`asr.sequence.augment.augment`."""

    noise: float = 0.0
    scale: float = 0.0
    time_masks: int = 0
    time_share: float = 0.1
    channel_mask: float = 0.0

    def __post_init__(self) -> None:
        for name in ("noise", "scale", "time_masks"):
            check_range(f"augment.{name}", getattr(self, name), 0)
        check_range("augment.time_share", self.time_share, 0, 1)
        check_range("augment.channel_mask", self.channel_mask, 0, 1)


@dataclass(frozen=True)
class ClassifierTaskConfig:
    """Shape, augmentation and loss.

    Attributes:
        label_smoothing: share of a label that is given to all classes alike (Szegedy et al. 2016,
            section 7).
    """

    model: ClassifierConfig = field(default_factory=ClassifierConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_range("label_smoothing", self.label_smoothing, 0, 0.99)


class ClassifierTask(Task):
    """Normalisation, augmentation (in training), network and weighted cross-entropy.

    Args:
        config: see :class:`ClassifierTaskConfig`.
        input_dim: see :class:`ClassifierNetwork`. Signals are normalised by :meth:`set_statistics`;
            tokens (an embedding is given) are neither normalised nor augmented.
        num_classes: see :class:`ClassifierNetwork`. Signals are normalised by
            :meth:`set_statistics`; tokens (an embedding is given) are neither normalised nor
            augmented.
        static_dim: see :class:`ClassifierNetwork`. Signals are normalised by
            :meth:`set_statistics`; tokens (an embedding is given) are neither normalised nor
            augmented.
        embedding: see :class:`ClassifierNetwork`. Signals are normalised by :meth:`set_statistics`;
            tokens (an embedding is given) are neither normalised nor augmented.
    """

    mean: Tensor
    std: Tensor
    static_mean: Tensor
    static_std: Tensor
    class_weights: Tensor

    def __init__(
        self,
        config: ClassifierTaskConfig,
        input_dim: int,
        num_classes: int,
        static_dim: int = 0,
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.network = ClassifierNetwork(
            config.model, input_dim, num_classes, static_dim, embedding
        )
        signal_dim = 0 if embedding is not None else input_dim
        for name, width, value in (
            ("mean", signal_dim, 0.0),
            ("std", signal_dim, 1.0),
            ("static_mean", static_dim, 0.0),
            ("static_std", static_dim, 1.0),
            ("class_weights", num_classes, 1.0),
        ):
            self.register_buffer(name, torch.full((width,), value))

    def set_statistics(self, **statistics: npt.ArrayLike) -> None:
        """Set ``mean``, ``std`` (D), ``static_mean``, ``static_std`` (S) or ``class_weights`` (C),
        which are kept.
        """
        for name, values in statistics.items():
            buffer: Tensor = getattr(self, name)
            buffer.copy_(torch.as_tensor(values, dtype=torch.float32))

    def forward(self, x: Tensor, x_lens: Tensor, static: Tensor | None = None) -> Tensor:
        """Sequences as they are, (B,), static features as they are (B, S) -> unnormalised scores
        (B, C).
        """
        return self._scores(self._normalised(x), x_lens, static)

    def _normalised(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std if self.network.embedding is None else x

    def _scores(self, x: Tensor, x_lens: Tensor, static: Tensor | None) -> Tensor:
        if static is not None:
            static = (static - self.static_mean) / self.static_std
        scores: Tensor = self.network(x, x_lens, static)
        return scores

    def loss(self, batch: LabelledBatch, generator: torch.Generator | None = None) -> LossSum:
        """Sum of the weighted cross-entropy and of the weights; see
        :class:`asr.training.task.Task`.
        """
        x = self._normalised(batch.x)
        if generator is not None and self.network.embedding is None:
            x = augment(x, batch.x_lens, generator, **asdict(self.config.augment))
        scores = self._scores(x, batch.x_lens, batch.static)
        smoothing = self.config.label_smoothing if self.training else 0.0
        total = functional.cross_entropy(
            scores, batch.labels, self.class_weights, reduction="sum", label_smoothing=smoothing
        )
        return LossSum(total, self.class_weights[batch.labels].sum())

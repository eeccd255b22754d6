"""Network of a signal classifier: normalisation, augmentation, layers and loss.

Legend: B batch, T steps, D channels, S static features, C classes. The layers are those of
:mod:`asr.sequence.classifier`: convolutions over time, recurrent layers, self-attention, pooling,
then with the static features to C scores.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from asr.config import check_range
from asr.sequence.augment import augment
from asr.sequence.classifier import ClassifierConfig, ClassifierNetwork
from asr.signals.batches import LabelledBatch
from asr.training.task import LossSum, Task

__all__ = ["AugmentConfig", "ClassifierTask", "ClassifierTaskConfig"]


@dataclass(frozen=True)
class AugmentConfig:
    """Augmentation of normalised signals in training; see :func:`asr.sequence.augment.augment`.

    Attributes:
        noise: deviation of added noise.
        scale: deviation of a random factor on the whole signal.
        time_masks: masked stretches of time.
        time_share: longest masked stretch, as a share of the signal.
        channel_mask: probability that a channel is masked.
    """

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
        model: layers.
        augment: changes of the signals in training.
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
        channels: D.
        num_classes: C.
        static_dim: S.

    Attributes:
        mean: (D,) of the training signals; see :meth:`set_statistics`.
        std: (D,) their deviation.
        static_mean: (S,) of the static features.
        static_std: (S,) their deviation.
        class_weights: (C,) of the loss.
    """

    mean: Tensor
    std: Tensor
    static_mean: Tensor
    static_std: Tensor
    class_weights: Tensor

    def __init__(
        self, config: ClassifierTaskConfig, channels: int, num_classes: int, static_dim: int = 0
    ) -> None:
        super().__init__()
        self.config = config
        self.network = ClassifierNetwork(config.model, channels, num_classes, static_dim)
        # buffers: saved with the weights, but not trained
        for name, width, value in (
            ("mean", channels, 0.0),
            ("std", channels, 1.0),
            ("static_mean", static_dim, 0.0),
            ("static_std", static_dim, 1.0),
            ("class_weights", num_classes, 1.0),
        ):
            self.register_buffer(name, torch.full((width,), value))

    def set_statistics(self, **statistics: npt.ArrayLike) -> None:
        """Set some of the buffers by name; see the class's attributes."""
        for name, values in statistics.items():
            buffer: Tensor = getattr(self, name)
            buffer.copy_(torch.as_tensor(values, dtype=torch.float32))

    def forward(self, x: Tensor, x_lens: Tensor, static: Tensor | None = None) -> Tensor:
        """Return scores (B, C) before softmax of signals (B, T, D), steps (B,), features (B, S)."""
        return self._scores((x - self.mean) / self.std, x_lens, static)

    def _scores(self, normalised: Tensor, x_lens: Tensor, static: Tensor | None) -> Tensor:
        if static is not None:
            static = (static - self.static_mean) / self.static_std
        scores: Tensor = self.network(normalised, x_lens, static)
        return scores

    def loss(self, batch: LabelledBatch, generator: torch.Generator | None = None) -> LossSum:
        """Return the weighted cross-entropy, summed, and the sum of the weights.

        See :class:`asr.training.task.Task`.
        """
        x = (batch.x - self.mean) / self.std
        if generator is not None:
            x = augment(x, batch.x_lens, generator, **asdict(self.config.augment))
        scores = self._scores(x, batch.x_lens, batch.static)
        smoothing = self.config.label_smoothing if self.training else 0.0
        total = functional.cross_entropy(
            scores, batch.labels, self.class_weights, reduction="sum", label_smoothing=smoothing
        )
        return LossSum(total, self.class_weights[batch.labels].sum())

"""Classification of whole sequences, signals and texts alike.

Legend: B batch, T steps, D input width, S static features, C classes.
(embedding ->) (convolution over time ->) recurrent layers (-> self-attention) -> pooling -> with static features -> C.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.batches.labelled import LabelledBatch
from asr.config import check_choice, check_range
from asr.sequence import Dropout, Pooling, RecurrentStack, TemporalConv
from asr.sequence.attention import RecurrentAttentionBlock
from asr.sequence.augment import augment
from asr.sequence.normalization import NORMS
from asr.sequence.pooling import POOLINGS
from asr.sequence.recurrent import CELLS
from asr.tasks.base import LossSum, Task

__all__ = ["AugmentConfig", "ClassifierConfig", "ClassifierNetwork", "ClassifierTask", "ClassifierTaskConfig"]


@dataclass(frozen=True)
class ClassifierConfig:
    """Shape of a classifier.

    Attributes:
        conv_layers: convolutions over time, each halving the steps (0: none). conv_channels, conv_kernel, conv_norm:
            theirs.
        hidden_dim: per direction. num_layers, cell, bidirectional, norm, residual, projection_dim: see
            :class:`asr.sequence.RecurrentStack`. variational: dropout with one mask over time.
        attention_heads: of self-attention over the recurrent layers' output (0: none). attention_window: steps to each
            side that it sees (0: all).
        pooling: ``last``, ``mean``, ``max`` or ``attention``.
        head_dim: hidden layer between the pooled vector and the classes (0: none).
        dropout: before and between recurrent layers, on the pooled vector, and in the head.
    """

    conv_layers: int = 0
    conv_channels: int = 32
    conv_kernel: int = 5
    conv_norm: str = "batch"
    hidden_dim: int = 64
    num_layers: int = 1
    cell: str = "lstm"
    bidirectional: bool = True
    norm: str = "layer"
    residual: bool = True
    projection_dim: int = 0
    variational: bool = False
    attention_heads: int = 0
    attention_window: int = 0
    pooling: str = "attention"
    head_dim: int = 0
    dropout: float = 0.2

    def __post_init__(self) -> None:
        check_choice("model.conv_norm", self.conv_norm, NORMS)
        check_choice("model.norm", self.norm, NORMS)
        check_choice("model.cell", self.cell, CELLS)
        check_choice("model.pooling", self.pooling, POOLINGS)
        check_range("model.dropout", self.dropout, 0, 0.95)
        for name in ("conv_channels", "conv_kernel", "num_layers", "hidden_dim"):
            check_range(f"model.{name}", getattr(self, name), 1)
        for name in ("conv_layers", "attention_heads", "attention_window", "head_dim", "projection_dim"):
            check_range(f"model.{name}", getattr(self, name), 0)


class ClassifierNetwork(nn.Module):
    """Sequence to class scores.

    Args:
        config: shape. input_dim: D (of the embedding, where there is one). num_classes: C. static_dim: S.
        embedding: module that maps the input, such as (B, T) tokens, to (B, T, D); None: the input is that already.

    Example:
        >>> network = ClassifierNetwork(ClassifierConfig(), input_dim=2, num_classes=3, static_dim=4)
        >>> network(torch.zeros(5, 9, 2), torch.full((5,), 9), torch.zeros(5, 4)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        config: ClassifierConfig,
        input_dim: int,
        num_classes: int,
        static_dim: int = 0,
        embedding: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.conv = TemporalConv(
            input_dim, config.conv_channels, (2,) * config.conv_layers, config.conv_kernel, config.conv_norm
        )
        self.encoder_dropout = Dropout(config.dropout if embedding is not None or config.conv_layers else 0.0)
        encoder = RecurrentStack(
            self.conv.output_dim, config.hidden_dim, config.num_layers, config.cell, config.bidirectional,
            config.norm, config.residual, config.dropout, config.projection_dim, config.variational,
            input_norm=False,
        )  # fmt: skip
        self.encoder: nn.Module = encoder
        if config.attention_heads:
            self.encoder = RecurrentAttentionBlock(
                encoder, config.attention_heads, config.dropout, config.attention_window
            )
        width = encoder.output_dim
        self.pooling = Pooling(config.pooling, width, config.bidirectional and not config.projection_dim)
        self.head = _head(width + static_dim, config.head_dim, num_classes, config.dropout)

    def encode(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D) or what the embedding takes, (B,) -> (B, T', width), (B,): what is pooled."""
        if self.embedding is not None:
            x = self.embedding(x)
        x, x_lens = self.conv(x, x_lens)
        encoded = self.encoder(self.encoder_dropout(x), x_lens)
        return encoded[0], encoded[1]

    def forward(self, x: Tensor, x_lens: Tensor, static: Tensor | None = None) -> Tensor:
        """(B, T, D) or what the embedding takes, (B,), (B, S) -> unnormalised scores (B, C), float32."""
        pooled = self.pooling(*self.encode(x, x_lens))
        if static is not None:
            pooled = torch.cat([pooled, static.to(pooled.dtype)], -1)
        scores: Tensor = self.head(pooled)
        return scores.float()


def _head(width: int, hidden: int, num_classes: int, dropout: float) -> nn.Module:
    if not hidden:
        return nn.Sequential(Dropout(dropout), nn.Linear(width, num_classes))
    return nn.Sequential(
        Dropout(dropout), nn.Linear(width, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, num_classes)
    )


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
        label_smoothing: share of a label that is given to all classes alike (Szegedy et al. 2016, section 7).
    """

    model: ClassifierConfig = field(default_factory=ClassifierConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_range("label_smoothing", self.label_smoothing, 0, 0.99)


class ClassifierTask(Task):
    """Normalisation, augmentation (in training), network and weighted cross-entropy.

    Args:
        config: see :class:`ClassifierTaskConfig`. input_dim, num_classes, static_dim, embedding: see
            :class:`ClassifierNetwork`. Signals are normalised by :meth:`set_statistics`; tokens (an embedding is given)
            are neither normalised nor augmented.
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
        self.network = ClassifierNetwork(config.model, input_dim, num_classes, static_dim, embedding)
        signal_dim = 0 if embedding is not None else input_dim
        for name, width, value in (
            ("mean", signal_dim, 0.0), ("std", signal_dim, 1.0), ("static_mean", static_dim, 0.0),
            ("static_std", static_dim, 1.0), ("class_weights", num_classes, 1.0),
        ):  # fmt: skip
            self.register_buffer(name, torch.full((width,), value))

    def set_statistics(self, **statistics: npt.ArrayLike) -> None:
        """Set ``mean``, ``std`` (D), ``static_mean``, ``static_std`` (S) or ``class_weights`` (C), which are kept."""
        for name, values in statistics.items():
            buffer: Tensor = getattr(self, name)
            buffer.copy_(torch.as_tensor(values, dtype=torch.float32))

    def forward(self, x: Tensor, x_lens: Tensor, static: Tensor | None = None) -> Tensor:
        """Sequences as they are, (B,), static features as they are (B, S) -> unnormalised scores (B, C)."""
        return self._scores(self._normalised(x), x_lens, static)

    def _normalised(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.std if self.network.embedding is None else x

    def _scores(self, x: Tensor, x_lens: Tensor, static: Tensor | None) -> Tensor:
        if static is not None:
            static = (static - self.static_mean) / self.static_std
        scores: Tensor = self.network(x, x_lens, static)
        return scores

    def loss(self, batch: LabelledBatch, generator: torch.Generator | None = None) -> LossSum:
        """Sum of the weighted cross-entropy and of the weights; see :class:`asr.tasks.base.Task`."""
        x = self._normalised(batch.x)
        if generator is not None and self.network.embedding is None:
            x = augment(x, batch.x_lens, generator, **asdict(self.config.augment))
        scores = self._scores(x, batch.x_lens, batch.static)
        smoothing = self.config.label_smoothing if self.training else 0.0
        total = functional.cross_entropy(
            scores, batch.labels, self.class_weights, reduction="sum", label_smoothing=smoothing
        )
        return LossSum(total, self.class_weights[batch.labels].sum())

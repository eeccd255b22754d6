"""Network that classifies whole sequences, signals or texts.

(Embedding ->) (convolution over time ->) recurrent layers (-> self-attention) -> pooling (+ static
features) -> classes. B batch, T steps, D input width, S static features, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr.config import check_choice, check_range
from asr.sequence import Dropout, Pooling, RecurrentStack, TemporalConv
from asr.sequence.attention import RecurrentAttentionBlock
from asr.sequence.normalization import NORMS
from asr.sequence.pooling import POOLINGS
from asr.sequence.recurrent import CELLS

__all__ = ["ClassifierConfig", "ClassifierNetwork"]


@dataclass(frozen=True)
class ClassifierConfig:
    """Architecture of a classifier.

    Attributes:
        conv_layers: number of convolutions over time, each with stride 2 (0: none).
        conv_channels: output channels of each convolution.
        conv_kernel: kernel width of each convolution.
        conv_norm: normalisation after each convolution.
        hidden_dim: width of the recurrent layers per direction.
        num_layers: see :class:`asr.sequence.RecurrentStack`.
        cell: see :class:`asr.sequence.RecurrentStack`.
        bidirectional: see :class:`asr.sequence.RecurrentStack`.
        norm: see :class:`asr.sequence.RecurrentStack`.
        residual: see :class:`asr.sequence.RecurrentStack`.
        projection_dim: see :class:`asr.sequence.RecurrentStack`.
        variational: use the same dropout mask at all steps.
        attention_heads: heads of self-attention over the recurrent output (0: no attention).
        attention_window: steps to each side that a step attends to (0: all).
        pooling: ``last``, ``mean``, ``max`` or ``attention``.
        head_dim: width of a hidden layer before the classes (0: none).
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
        for name in (
            "conv_layers",
            "attention_heads",
            "attention_window",
            "head_dim",
            "projection_dim",
        ):
            check_range(f"model.{name}", getattr(self, name), 0)


class ClassifierNetwork(nn.Module):
    """Maps a sequence to class scores.

    Args:
        config: architecture.
        input_dim: D (the embedding's, if there is one).
        num_classes: C.
        static_dim: S.
        embedding: module that maps the input, such as (B, T) tokens, to (B, T, D); None: the input
            is (B, T, D) itself.

    Example:
        >>> config = ClassifierConfig()
        >>> network = ClassifierNetwork(config, input_dim=2, num_classes=3, static_dim=4)
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
            input_dim,
            config.conv_channels,
            (2,) * config.conv_layers,
            config.conv_kernel,
            config.conv_norm,
        )
        self.encoder_dropout = Dropout(
            config.dropout if embedding is not None or config.conv_layers else 0.0
        )
        encoder = RecurrentStack(
            input_dim=self.conv.output_dim,
            hidden_dim=config.hidden_dim,
            num_layers=config.num_layers,
            cell=config.cell,
            bidirectional=config.bidirectional,
            norm=config.norm,
            residual=config.residual,
            dropout=config.dropout,
            projection_dim=config.projection_dim,
            variational=config.variational,
            input_norm=False,
        )
        self.encoder: nn.Module = encoder
        if config.attention_heads:
            self.encoder = RecurrentAttentionBlock(
                encoder, config.attention_heads, config.dropout, config.attention_window
            )
        width = encoder.output_dim
        self.pooling = Pooling(
            config.pooling, width, config.bidirectional and not config.projection_dim
        )
        self.head = _head(width + static_dim, config.head_dim, num_classes, config.dropout)

    def encode(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """Return encoded steps (B, T', width) and lengths (B,), for the input of `forward`."""
        if self.embedding is not None:
            x = self.embedding(x)
        x, x_lens = self.conv(x, x_lens)
        encoded = self.encoder(self.encoder_dropout(x), x_lens)
        return encoded[0], encoded[1]

    def forward(self, x: Tensor, x_lens: Tensor, static: Tensor | None = None) -> Tensor:
        """Return logits (B, C), float32.

        Args:
            x: (B, T, D), or the input of the embedding.
            x_lens: (B,).
            static: (B, S).
        """
        pooled = self.pooling(*self.encode(x, x_lens))
        if static is not None:
            pooled = torch.cat([pooled, static.to(pooled.dtype)], -1)
        scores: Tensor = self.head(pooled)
        return scores.float()


def _head(width: int, hidden: int, num_classes: int, dropout: float) -> nn.Module:
    if not hidden:
        return nn.Sequential(Dropout(dropout), nn.Linear(width, num_classes))
    return nn.Sequential(
        Dropout(dropout),
        nn.Linear(width, hidden),
        nn.ReLU(),
        Dropout(dropout),
        nn.Linear(hidden, num_classes),
    )

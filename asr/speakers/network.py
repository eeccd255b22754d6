"""Network of a speaker embedding: convolutions over time, recurrent layers, attentive statistics.

Legend: B windows, T frames, F mel bands, D features, E embedding. TDNN front end: Snyder et al.
2018; recurrent embedding: Wan et al. 2018; pooling: Okabe et al. 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.lengths import length_mask, mask_padding
from asr.sequence.normalization import MaskedBatchNorm
from asr.sequence.pooling import AttentiveStatistics
from asr.sequence.recurrent import RecurrentStack
from asr.sequence.residual import ResidualConv
from asr.sequence.temporal import TemporalConv
from asr.speakers.config import EmbeddingConfig

__all__ = ["EmbeddingNetwork", "OverlapDetector", "levelled"]


def levelled(x: Tensor, x_lens: Tensor, range_nepers: float) -> Tensor:
    """Return log-Mel features (B, T, F) relative to the mean power of each window (B,) long.

    So the embedding does not depend on how loud a recording is. What lies far below the mean, or
    in the padding, gets the lowest value.
    """
    inside = length_mask(x_lens, x.size(1)).unsqueeze(-1)
    lowest = torch.finfo(x.dtype).min
    count = (x_lens.clamp(min=1) * x.size(2)).to(x.dtype).log()
    level = x.masked_fill(~inside, lowest).flatten(1).logsumexp(1) - count
    return (x - level.view(-1, 1, 1)).clamp(min=-range_nepers).masked_fill(~inside, -range_nepers)


class OverlapDetector(nn.Module):
    """Overlapped speech detection: whether two people speak at once, step by step.

    Args:
        input_dim: C, of the convolutions.
        config: shape of the network.
    """

    def __init__(self, input_dim: int, config: EmbeddingConfig) -> None:
        super().__init__()
        self.stack = RecurrentStack(
            input_dim, config.overlap_dim, 1, cell=config.cell, bidirectional=True, input_norm=False
        )
        self.output = nn.Linear(self.stack.output_dim, 1)

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """Steps (B, T', C) of the convolutions, lengths (B,) -> log-odds (B, T')."""
        logits: Tensor = self.output(self.stack(x, x_lens)[0]).squeeze(-1)
        return logits


class EmbeddingNetwork(nn.Module):
    """Log-Mel features -> an embedding of length 1.

    Args:
        config: shape.
        num_features: F.

    Attributes:
        mean: (F,) of levelled features; see :meth:`set_statistics`.
        std: (F,) their deviation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: EmbeddingConfig, num_features: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))
        self.front: ResidualConv | TemporalConv
        if config.front == "residual":
            self.front = ResidualConv(num_features, config.channels, config.conv_strides)
        else:
            self.front = TemporalConv(
                num_features, config.channels, config.conv_strides, config.conv_kernel
            )
        self.stack = RecurrentStack(
            self.front.output_dim,
            config.hidden_dim,
            config.num_layers,
            cell=config.cell,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
            input_norm=False,
        )
        width = self.stack.output_dim
        self.pooling = AttentiveStatistics(width, config.attention_dim)
        self.pooled_norm = MaskedBatchNorm(2 * width)
        self.output = nn.Linear(2 * width, config.dim)
        overlap = OverlapDetector(self.front.output_dim, config) if config.overlap_dim else None
        self.overlap = overlap

    def set_statistics(self, mean: object, std: object) -> None:
        """Set mean and deviation of levelled features, (F,) each."""
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(std).clamp(min=1e-3))

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """Features (B, T, F), lengths (B,) -> embeddings (B, E)."""
        return self.embedded(*self.convolved(x, x_lens))

    def convolved(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, T, F), lengths (B,) -> outputs of the convolutions (B, T', C), lengths."""
        x = (levelled(x, x_lens, self.config.range_nepers) - self.mean) / self.std
        convolved: tuple[Tensor, Tensor] = self.front(mask_padding(x, x_lens), x_lens)
        return convolved

    def embedded(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """Steps (B, T', C) of the convolutions, lengths (B,) -> embeddings (B, E)."""
        x, x_lens, _ = self.stack(x, x_lens)
        return self.embedding(self.pooling(x, x_lens))

    def embedding(self, pooled: Tensor) -> Tensor:
        """Statistics (B, 2 D) -> embeddings (B, E)."""
        ones = torch.ones(len(pooled), dtype=torch.int64, device=pooled.device)
        pooled = self.pooled_norm(pooled.unsqueeze(1), ones).squeeze(1)
        return functional.normalize(self.output(pooled), dim=-1)

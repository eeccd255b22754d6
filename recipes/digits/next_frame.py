"""Prediction of the next frame of a video.

Legend: B batch, T pictures, H x W pixels, grey values between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.config import check_range
from asr.sequence import ConvLSTM, length_mask
from asr.training.task import LossSum, Task

__all__ = ["FrameBatch", "NextFrameConfig", "NextFrameTask"]


@dataclass(frozen=True)
class FrameBatch:
    """Padded films: frames (B, T, H, W) float32, lens (B,), ids, seed of this batch."""

    frames: Tensor
    lens: Tensor
    ids: tuple[str, ...]
    seed: int = 0

    def to(self, device: torch.device | str) -> FrameBatch:
        """Return the batch on another device."""
        return replace(self, frames=self.frames.to(device), lens=self.lens.to(device))

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class NextFrameConfig:
    """Channels, layers and kernel of a :class:`asr.sequence.ConvLSTM`."""

    hidden_channels: int = 16
    num_layers: int = 2
    kernel_size: int = 3

    def __post_init__(self) -> None:
        for name in ("hidden_channels", "num_layers", "kernel_size"):
            check_range(f"model.{name}", getattr(self, name), 1)


class NextFrameTask(Task):
    """ConvLSTM and a 1 x 1 convolution; cross-entropy of each pixel, as in Shi et al.

    2015, section 4.1.
    """

    def __init__(self, config: NextFrameConfig) -> None:
        super().__init__()
        self.encoder = ConvLSTM(1, config.hidden_channels, config.num_layers, config.kernel_size)
        self.output = nn.Conv2d(config.hidden_channels, 1, 1)

    def forward(self, frames: Tensor, lens: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """(B, T, H, W), (B,), carried state -> logits of the picture after each (B, T, H, W),
        state.
        """
        y, _, state = self.encoder(frames.unsqueeze(2), lens, state)
        logits: Tensor = self.output(y.flatten(0, 1)).view(frames.shape)
        return logits, state

    def roll_out(self, frames: Tensor, steps: int) -> Tensor:
        """(B, T, H, W) -> the next ``steps`` pictures (B, steps, H, W), each predicted from those
        before it.
        """
        lens = torch.full((len(frames),), frames.size(1), device=frames.device)
        logits, state = self(frames, lens)
        predicted = [logits[:, -1:].sigmoid()]
        while len(predicted) < steps:
            logits, state = self(predicted[-1], torch.ones_like(lens), state)
            predicted.append(logits.sigmoid())
        return torch.cat(predicted, 1)

    def loss(self, batch: FrameBatch, generator: Any = None) -> LossSum:
        """Summed cross-entropy over the pixels of all pictures but the first, and their number."""
        lens = batch.lens - 1
        logits, _ = self(batch.frames[:, :-1], lens)
        losses = functional.binary_cross_entropy_with_logits(
            logits.float(), batch.frames[:, 1:], reduction="none"
        )
        per_frame = losses.sum((2, 3))
        inside = length_mask(lens, per_frame.size(1))
        pixels = inside.sum() * batch.frames.size(2) * batch.frames.size(3)
        return LossSum((per_frame * inside).sum(), pixels)

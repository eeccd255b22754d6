"""Residual convolutional network (ResNet) over time and frequency.

B batch, T frames, F input features, C channels, T' = ceil(T / subsampling), F' bands that are left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.conv import convolve
from asr.sequence.lengths import mask_padding
from asr.sequence.normalization import build_norm

__all__ = ["ResidualConv"]

KERNEL = 3


class ResidualConv(nn.Module):
    """Stages of a strided 3x3 convolution and a residual block of two more (He et al. 2016).

    Each stage halves the bands. Padding frames are set to zero before each layer, as the
    convolutions pad with zeros: the output of a sequence does not depend on its batch's padding.

    Args:
        input_dim: F.
        channels: C of each stage.
        strides: over time, of each stage; their product is :attr:`subsampling`.
    """

    def __init__(self, input_dim: int, channels: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        width, before = input_dim, 1
        for count, stride in zip(channels, self.strides, strict=True):
            for inputs, step in ((before, (stride, 2)), (count, (1, 1)), (count, (1, 1))):
                conv = nn.Conv2d(inputs, count, KERNEL, step, KERNEL // 2, bias=False)
                self.convs.append(conv)
                self.norms.append(build_norm("batch", count))
            width, before = (width + 1) // 2, count
        self.output_dim = before * width

    @property
    def subsampling(self) -> int:
        """Return the number of input steps per output step."""
        return math.prod(self.strides)

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, T, F), lengths (B,) -> features (B, T', C * F'), lengths (B,)."""
        x = x.unsqueeze(1)
        for stage, stride in enumerate(self.strides):
            first = 3 * stage
            after = (x_lens + stride - 1) // stride
            x = functional.relu(self._layer(first, x, x_lens, after))
            y = functional.relu(self._layer(first + 1, x, after, after))
            x = functional.relu(x + self._layer(first + 2, y, after, after))
            x_lens = after
        return x.transpose(1, 2).flatten(2), x_lens

    def _layer(self, number: int, x: Tensor, x_lens: Tensor, after: Tensor) -> Tensor:
        """Convolution and normalisation of (B, C, T, F), of lengths (B,) before and after."""
        x = mask_padding(x.transpose(1, 2), x_lens).transpose(1, 2)
        x = convolve(self.convs[number], x, (KERNEL // 2, KERNEL // 2))
        normed: Tensor = self.norms[number](x.permute(0, 2, 3, 1), after)
        return normed.permute(0, 3, 1, 2)

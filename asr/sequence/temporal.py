"""Convolution over time only.

B batch, T steps, D features, C channels, T' = ceil(T / subsampling).
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.lengths import mask_padding
from asr.sequence.normalization import build_norm

__all__ = ["TemporalConv"]


class TemporalConv(nn.Module):
    """Layers of 1-D convolution, normalisation and ReLU, for signals without a frequency axis.

    Padding steps are set to zero before each layer, as the convolution itself pads with zeros. So
    the output of a sequence does not depend on the padding that its batch needs.

    Args:
        input_dim: D.
        channels: C of each layer, or of all alike.
        strides: stride of each layer; their product is :attr:`subsampling`.
        kernel_size: width of the kernels, odd.
        norm: ``layer``, ``batch`` or ``none``.
    """

    def __init__(
        self,
        input_dim: int,
        channels: int | Sequence[int],
        strides: Sequence[int],
        kernel_size: int = 5,
        norm: str = "batch",
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"a kernel over time has an odd width, not {kernel_size}")
        self.strides, self.padding = tuple(strides), kernel_size // 2
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        width = input_dim
        widths = [channels] * len(self.strides) if isinstance(channels, int) else channels
        for stride, outputs in zip(self.strides, widths, strict=True):
            self.convs.append(nn.Conv1d(width, outputs, kernel_size, stride=stride))
            self.norms.append(build_norm(norm, outputs))
            width = outputs
        self.output_dim = width

    @property
    def subsampling(self) -> int:
        """Return the number of input steps per output step."""
        product = 1
        for stride in self.strides:
            product *= stride
        return product

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, D), (B,) -> (B, T', C), (B,)."""
        for conv, norm, stride in zip(self.convs, self.norms, self.strides, strict=True):
            x = functional.pad(mask_padding(x, x_lens), (0, 0, self.padding, self.padding))
            x = conv(x.transpose(1, 2)).transpose(1, 2)
            x_lens = (x_lens + stride - 1) // stride
            x = functional.relu(norm(x, x_lens))
        return x, x_lens

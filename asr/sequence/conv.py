"""Convolutional front end that subsamples time.

B batch, T frames, F input features, C channels, T' = ceil(T / subsampling).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.lengths import mask_padding
from asr.sequence.normalization import build_norm
from asr.sequence.tracing import is_tracing

__all__ = ["ConvSubsampling", "convolve", "subsampled_lengths"]

KERNEL = 3
# Time strides of the layers for each subsampling factor. The first two layers also halve the
# frequency axis.
TIME_STRIDES = {1: (1, 1), 2: (2, 1), 4: (2, 2), 8: (2, 2, 2)}


def subsampled_lengths(x_lens: Tensor, subsampling: int) -> Tensor:
    """Return ceil(``x_lens`` / ``subsampling``), the output lengths of :class:`ConvSubsampling`."""
    for stride in TIME_STRIDES[subsampling]:
        x_lens = (x_lens + stride - 1) // stride
    return x_lens


def convolve(conv: nn.Module, x: Tensor, padding: tuple[int, int]) -> Tensor:
    """Convolve (B, C, T, F) -> (B, C', T', F'), with the channels last in memory.

    On a processor a product with the patches of a single channel takes a fifth of oneDNN's time.

    Args:
        conv: a ``Conv2d``, whose own padding is not looked at.
        x: input.
        padding: zeros on both sides of time and of frequency.
    """
    assert isinstance(conv, nn.Conv2d)
    if x.size(1) > 1 or x.device.type != "cpu" or is_tracing(x):
        x = x.contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, conv.weight, conv.bias, conv.stride, padding)
    (time, frequency), (height, width) = padding, conv.kernel_size
    x = functional.pad(x.squeeze(1), (frequency, frequency, time, time))
    patches = x.unfold(1, height, conv.stride[0]).unfold(2, width, conv.stride[1]).flatten(3)
    return functional.linear(patches, conv.weight.flatten(1), conv.bias).permute(0, 3, 1, 2)


class ConvSubsampling(nn.Module):
    """Strided 3x3 convolutions over time and frequency (Deep Speech 2, Amodei et al. 2016).

    Padding frames are set to zero before each layer, as the convolution itself pads with zeros. So
    the output of a sequence does not depend on the padding that its batch needs.

    Args:
        input_dim: F.
        channels: C of each layer.
        subsampling: input frames per output frame: 1, 2, 4 or 8.
        norm: normalisation over channels after each layer: ``layer``, ``batch`` or ``none``.
        causal: pad in the past only, so that :attr:`right_context` is 0.
    """

    def __init__(
        self,
        input_dim: int,
        channels: int = 32,
        subsampling: int = 4,
        norm: str = "batch",
        causal: bool = False,
    ) -> None:
        super().__init__()
        if subsampling not in TIME_STRIDES:
            raise ValueError(
                f"subsampling must be one of {', '.join(map(str, TIME_STRIDES))}, not {subsampling}"
            )
        self.subsampling = subsampling
        self.strides = TIME_STRIDES[subsampling]
        self.time_padding = (KERNEL - 1, 0) if causal else (KERNEL // 2, KERNEL // 2)
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        width = input_dim
        for layer, stride in enumerate(self.strides):
            freq_stride = 2 if layer < 2 else 1
            self.convs.append(
                nn.Conv2d(
                    1 if layer == 0 else channels,
                    channels,
                    KERNEL,
                    stride=(stride, freq_stride),
                    padding=(0, KERNEL // 2),
                )
            )
            width = (width + freq_stride - 1) // freq_stride
            self.norms.append(build_norm(norm, channels * width if norm == "layer" else channels))
        self.norm_per_channel = norm == "batch"
        self.output_dim = channels * width

    @property
    def right_context(self) -> int:
        """Return the look-ahead: input frames behind an output's own stride that it depends on."""
        context, reach = 0, 1
        for stride in self.strides:
            context += self.time_padding[1] * reach
            reach *= stride
        return context

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F), (B,) -> (B, T', C * F'), (B,)."""
        x = x.unsqueeze(1)  # (B, 1, T, F)
        before, after = self.time_padding
        alike = before == after  # so the convolution itself can pad
        # batch normalisation in training leaves zeros in the padding
        zeroed = self.norm_per_channel and all(norm.training for norm in self.norms)
        for layer, (conv, norm, stride) in enumerate(
            zip(self.convs, self.norms, self.strides, strict=True)
        ):
            if layer:
                x = functional.relu(x)
            if not (layer and zeroed):
                x = mask_padding(x.transpose(1, 2), x_lens).transpose(1, 2)
            if not alike:
                x = functional.pad(x, (0, 0, before, after))
            x = convolve(conv, x, (before if alike else 0, KERNEL // 2))
            x_lens = (x_lens + stride - 1) // stride
            x = self._normalise(norm, x, x_lens)
        B, C, T, F = x.shape
        return functional.relu(x.transpose(1, 2).reshape(B, T, C * F)), x_lens

    def _normalise(self, norm: nn.Module, x: Tensor, x_lens: Tensor) -> Tensor:
        B, C, T, F = x.shape
        if self.norm_per_channel:  # each (time, frequency) point is a sample of its channel
            normed: Tensor = norm(x.permute(0, 2, 3, 1), x_lens)
            return normed.permute(0, 3, 1, 2)
        frames = x.transpose(1, 2).reshape(B, T, C * F)
        normed = norm(frames, x_lens)
        return normed.view(B, T, C, F).transpose(1, 2)

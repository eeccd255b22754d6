"""Parts of a speech model in the form that is exported: the results of the trained parts, in fewer
and faster operations.

- The spectrum is a product with the Fourier basis, since exporters know no FFT.
- Batch normalisation is folded into the convolutions.
- The two directions of a recurrent layer become one kernel that is told the lengths.

Legend: B batch, N samples, T frames, F features, C channels, T' output frames, H hidden, L layers,
D input size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.errors import ModelError
from asr.features.config import FeatureConfig
from asr.features.extraction import LogMel, Normalizer
from asr.sequence import ConvSubsampling, MaskedBatchNorm, RecurrentStack
from asr.sequence.conv import KERNEL
from asr.sequence.graph import merged_kernel
from asr.sequence.lengths import length_mask
from asr.sequence.recurrent import Feedback, RecurrentLayer
from asr.speech.acoustics.ranges import (
    SQUASHED,
    LinearInRange,
    Range,
    Ranges,
    lstm_in_range,
    with_ends,
)

__all__ = [
    "GraphConv",
    "GraphLogMel",
    "GraphNormalizer",
    "GraphRecurrent",
    "fourier_bins",
    "half_window",
]


def fourier_bins(filters: Tensor) -> list[int]:
    """Return the first frequency that any filter (bins, F) hears, and the one after the last."""
    heard = filters.abs().sum(1).nonzero().flatten()
    return [int(heard[0]), int(heard[-1]) + 1]


def half_window(config: FeatureConfig) -> npt.NDArray[np.float64]:
    """Return the first half of the Hann window, without its first sample, which is 0."""
    window = np.hanning(config.frame_length + 1)[1 : config.frame_length // 2 + 1]
    if config.frame_length % 2 == 0:
        window[-1] /= 2  # the middle sample stands in both halves
    return window


class GraphLogMel(nn.Module):
    """Log-Mel features or MFCC of :class:`asr.features.extraction.LogMel`, by matrix products.

    A power spectrum does not depend on where time is counted from. Counted from the middle of the
    window, which is symmetric, the cosine part needs only the sum of the two samples at the same
    distance before and after the middle, the sine part only their difference: half the products.
    Frames are put together from blocks of samples, so that whole rows are copied at once.

    Args:
        extractor: the features to compute.

    Attributes:
        bins: the first frequency that a filter hears, and the one after the last.
    """

    cosines: Tensor
    sines: Tensor
    filters: Tensor
    dct: Tensor | None

    def __init__(self, extractor: LogMel) -> None:
        super().__init__()
        self.config = config = extractor.config
        self.reach = config.frame_length // 2
        self.block = math.gcd(self.reach, config.frame_shift)
        first, last = self.bins = fourier_bins(extractor.filters)
        # The phase is reduced to one period in whole numbers: large angles would cost digits.
        n, bins = torch.arange(1, self.reach + 1).unsqueeze(1), torch.arange(first, last)
        phase = (2 * n - config.frame_length) * bins % (2 * config.n_fft)
        angle = phase.double() * (math.pi / config.n_fft)
        window = torch.from_numpy(half_window(config)).unsqueeze(1)
        self.register_buffer("cosines", (window * angle.cos()).float())
        self.register_buffer("sines", (window * angle.sin()).float())
        self.register_buffer("filters", extractor.filters[first:last].clone())
        self.register_buffer("dct", None if extractor.dct is None else extractor.dct.clone())

    def forward(self, samples: Tensor) -> Tensor:
        """(B, N) -> (B, T, F), padding not masked."""
        length, shift = self.config.frame_length, self.config.frame_shift
        spare = samples.size(1) - length
        steps = torch.arange(spare // shift + 1, device=samples.device) * (shift // self.block)
        # The first half of each frame, forward (its first sample has weight 0), and the second half
        # backward, from the end of a stretch that is a whole number of blocks longer than a frame.
        whole = spare // self.block
        before = self._half_frames(samples[:, 1:], steps)
        behind = self._half_frames(samples[:, : length + whole * self.block].flip(1), whole - steps)
        real, imaginary = (before + behind) @ self.cosines, (before - behind) @ self.sines
        power = real.square() + imaginary.square()
        features: Tensor = (power @ self.filters).clamp(min=self.config.floor).log()
        return features if self.dct is None else features @ self.dct

    def _half_frames(self, samples: Tensor, first_blocks: Tensor) -> Tensor:
        """(B, N), number of the first block (T,) -> half frames (B, T, reach)."""
        B, N = samples.shape
        blocks = samples[:, : N // self.block * self.block].reshape(B, -1, self.block)
        offsets = torch.arange(self.reach // self.block, device=samples.device)
        numbers = first_blocks.unsqueeze(1) + offsets
        frames: Tensor = blocks.index_select(1, numbers.flatten()).reshape(B, -1, self.reach)
        return frames

    def frame_lens(self, lens: Tensor) -> Tensor:
        """Samples (B,), each at least one window, -> frames (B,)."""
        return (lens - self.config.frame_length) // self.config.frame_shift + 1


class GraphNormalizer(Normalizer):
    """:class:`asr.features.extraction.Normalizer` with the statistics of utterances as products.

    As sums they would differ in the last digits between a recording alone and in a batch: ONNX
    Runtime adds in another order.
    """

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, T, F), (B,) -> (B, T, F); padding becomes zero."""
        if self.kind != "utterance":
            return super().forward(x, x_lens)
        valid = length_mask(x_lens, x.size(1)).to(x.dtype).unsqueeze(1)
        share = valid / x_lens.clamp(min=1).view(-1, 1, 1)
        x = x - x[:, :1]  # small numbers, as in Normalizer
        centred = (x - share @ x) * valid.transpose(1, 2)
        return centred / (share @ centred.square()).sqrt().clamp(min=1e-3)


class GraphConv(nn.Module):
    """:class:`asr.sequence.ConvSubsampling` with its batch normalisation folded in."""

    def __init__(self, conv: ConvSubsampling) -> None:
        super().__init__()
        self.strides, self.time_padding = conv.strides, conv.time_padding
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        for layer, norm in zip(conv.convs, conv.norms, strict=True):
            assert isinstance(layer, nn.Conv2d)
            folded = isinstance(norm, MaskedBatchNorm)
            self.convs.append(_folded(layer, norm) if isinstance(norm, MaskedBatchNorm) else layer)
            self.norms.append(nn.Identity() if folded else norm)
        self.per_frame_norm = not conv.norm_per_channel

    def forward(self, x: Tensor, x_lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T, F), (B,) -> (B, T', C * F'), (B,)."""
        x = x.unsqueeze(1)
        for number, stride in enumerate(self.strides):
            x = x * length_mask(x_lens, x.size(2)).to(x.dtype)[:, None, :, None]
            x = self._layer(number, functional.pad(x, (0, 0, *self.time_padding)))
            x_lens = (x_lens + stride - 1) // stride
        return _flat(x), x_lens

    def step(
        self, x: Tensor, caches: Sequence[Tensor], tail: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Next frames of a stream (1, T, F) -> (1, T', C * F'), new caches.

        Args:
            x: frames, so many that every layer has whole strides to do
                (:attr:`StreamingGraph.first_frames`, then multiples of the subsampling).
            caches: the last input frames of each layer.
            tail: zeros (1, 1, R, 1); R is 0, and at the end of a stream the frames that a layer
                pads with on the right.
        """
        x, new_caches = x.unsqueeze(1), []
        for number, (stride, cache) in enumerate(zip(self.strides, caches, strict=True)):
            x = torch.cat([cache, x, tail.expand(-1, x.size(1), -1, x.size(3))], dim=2)
            new_caches.append(x[:, :, -(KERNEL - stride) :])
            x = self._layer(number, x)
        return _flat(x), new_caches

    def _layer(self, number: int, x: Tensor) -> Tensor:
        x = self.convs[number](x)
        if self.per_frame_norm:
            B, C, T, F = x.shape
            frames = self.norms[number](x.transpose(1, 2).reshape(B, T, C * F), None)
            x = frames.view(B, T, C, F).transpose(1, 2)
        return functional.relu(x)


def _folded(conv: nn.Conv2d, norm: MaskedBatchNorm) -> nn.Conv2d:
    """One convolution that does what a convolution and the batch normalisation after it do."""
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    folded = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        KERNEL,
        stride=(conv.stride[0], conv.stride[1]),
        padding=(0, KERNEL // 2),
    )
    assert conv.bias is not None
    folded.weight.data = (conv.weight * scale.view(-1, 1, 1, 1)).detach()
    folded.bias = nn.Parameter(((conv.bias - norm.running_mean) * scale + norm.bias).detach())
    return folded


def _flat(x: Tensor) -> Tensor:
    """(B, C, T, F) -> (B, T, C * F)."""
    B, C, T, F = x.shape
    return x.transpose(1, 2).reshape(B, T, C * F)


class GraphLayer(nn.Module):
    """A recurrent layer in time-major order, its two directions in one kernel.

    Args:
        layer: the trained layer.
        ends: fixed range of its input, see asr/speech/acoustics/ranges.py.
    """

    def __init__(self, layer: RecurrentLayer, ends: Range | None = None) -> None:
        super().__init__()
        kernel = merged_kernel(layer)
        self.kernel, self.ends, self.hidden_dim = kernel, ends, kernel.hidden_size
        if ends is not None and isinstance(kernel, nn.LSTM):
            self.kernel = lstm_in_range(kernel)

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(T, B, D), (B,) -> (T, B, H of all directions)."""
        x = self._clamped(x)
        if not self.kernel.bidirectional:
            return self._without_ends(self.kernel(x)[0])
        # the lengths let the backward direction begin at the end of each sequence, not of padding
        packed, _ = self.kernel(pack_padded_sequence(x, x_lens))
        return self._without_ends(pad_packed_sequence(packed)[0])

    def step(self, x: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """(T, 1, D), state -> (T, 1, H), state after the last step.

        A state is one (1, 1, H) for a GRU, two for an LSTM.
        """
        if isinstance(self.kernel, nn.GRU):
            y, last = self.kernel(x, state[0])
            return y, (last,)
        y, after = self.kernel(self._clamped(x), tuple(state))
        return self._without_ends(y), after

    def _clamped(self, x: Tensor) -> Tensor:
        return x if self.ends is None else with_ends(x, self.ends)

    def _without_ends(self, y: Tensor) -> Tensor:
        """Leave out the units that fix the range of each direction's outputs."""
        if self.ends is None:
            return y
        T, B, _ = y.shape
        return y.view(T, B, -1, self.kernel.hidden_size)[..., : self.hidden_dim].reshape(T, B, -1)


class GraphRecurrent(nn.Module):
    """:class:`asr.sequence.RecurrentStack` in time-major order.

    Args:
        stack: the trained layers.
        ranges: fixed ranges of 8-bit activations, see asr/speech/acoustics/ranges.py.

    Raises:
        ModelError: cells that cannot be exported.
    """

    def __init__(self, stack: RecurrentStack, ranges: Ranges | None = None) -> None:
        super().__init__()
        self.stack = stack
        layers = [layer for layer in stack.layers if isinstance(layer, RecurrentLayer)]
        self.cell = layers[0].cell
        if self.cell not in ("lstm", "gru"):
            raise ModelError(
                f"Recurrent layers of the kind {self.cell} cannot be exported.", "Use lstm or gru."
            )
        ends: Sequence[Range | None] = [None] * len(layers)
        if ranges is not None and self.cell == "lstm":  # a GRU's weights stay in full precision
            ends = ranges.layers
        graph_layers = [GraphLayer(layer, pair) for layer, pair in zip(layers, ends, strict=True)]
        self.layers = nn.ModuleList(graph_layers)
        self.state_dim = graph_layers[0].kernel.hidden_size
        self.projections = nn.ModuleList(
            LinearInRange(p, SQUASHED) if ranges is not None and isinstance(p, nn.Linear) else p
            for p in stack.projections
        )

    def forward(self, x: Tensor, x_lens: Tensor, feedback: Feedback) -> Tensor:
        """(T, B, D), (B,) -> (T, B, output_dim)."""
        for number, layer in enumerate(self.layers):
            y = layer(self.stack.norms[number](x, x_lens), x_lens)
            x = self.stack.after_layer(number, x, self.projections[number](y), x_lens, feedback)
        normed: Tensor = self.stack.output_norm(x, x_lens)
        return normed

    def step(
        self, x: Tensor, state: Sequence[Tensor], feedback: Feedback
    ) -> tuple[Tensor, list[Tensor]]:
        """(T, 1, D), state -> (T, 1, output_dim), state after the last step.

        A state is one (L, 1, H) for a GRU, two for an LSTM.
        """
        after: list[list[Tensor]] = [[] for _ in state]
        for number, layer in enumerate(self.layers):
            assert isinstance(layer, GraphLayer)
            carried = [part[number : number + 1] for part in state]
            y, last = layer.step(self.stack.norms[number](x, None), carried)
            for parts, part in zip(after, last, strict=True):
                parts.append(part)
            x = self.stack.after_layer(number, x, self.projections[number](y), None, feedback)
        return self.stack.output_norm(x, None), [torch.cat(parts) for parts in after]

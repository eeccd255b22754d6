"""A CTC model as one graph from samples to log-probabilities, for whole recordings and for chunks
of a stream.

What leaves the trained network's result as it is and makes the graph smaller or faster happens
here: batch normalisation is folded into the convolutions, the two directions of a recurrent layer
become one kernel that is told the lengths, and the spectrum is a product with the Fourier basis
(exporters know no FFT).

Legend: B batch, N samples, T frames, F features, C channels, T' output frames, V vocabulary, H
hidden, L layers.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import ClassVar

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
from asr.sequence.lengths import length_mask
from asr.sequence.recurrent import Feedback, RecurrentLayer
from asr.speech.network import CtcTask, label_feedback
from asr.speech.ranges import (
    PROBABILITY,
    SQUASHED,
    LinearInRange,
    Range,
    Ranges,
    lstm_in_range,
    with_ends,
)

__all__ = [
    "GraphLogMel",
    "OfflineGraph",
    "StreamingGraph",
    "fourier_bins",
    "half_window",
]


def fourier_bins(config: FeatureConfig, filters: Tensor) -> list[int]:
    """Return the first of the frequencies that any filter (bins, F) hears, and the one after the
    last.
    """
    heard = filters.abs().sum(1).nonzero().flatten()
    return [int(heard[0]), int(heard[-1]) + 1]


def half_window(config: FeatureConfig) -> npt.NDArray[np.float64]:
    """Return the Hann window up to its middle without the first sample, which is 0; a middle sample
    counts half.
    """
    window = np.hanning(config.frame_length + 1)[1 : config.frame_length // 2 + 1]
    if config.frame_length % 2 == 0:
        window[-1] /= 2
    return window


class GraphLogMel(nn.Module):
    """Log-Mel features or MFCC as :class:`asr.features.extraction.LogMel` computes them, by matrix
    products.

    A power spectrum does not depend on where time is counted from. Counted from the middle of the
    window, which is symmetric, cosines see only the sum of what lies as far before the middle and
    behind it, sines the difference: half the products. Frames are put together of blocks, so that
    whole rows of samples are moved.
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
        first, last = self.bins = fourier_bins(config, extractor.filters)
        # the product is taken modulo the period in whole numbers: large angles would cost digits
        n, bins = torch.arange(1, self.reach + 1).unsqueeze(1), torch.arange(first, last)
        angle = ((2 * n - config.frame_length) * bins % (2 * config.n_fft)).double() * (
            math.pi / config.n_fft
        )
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
        whole = spare // self.block
        before = self._frames(samples[:, 1:], steps)  # the first sample has no weight
        behind = self._frames(samples[:, : length + whole * self.block].flip(1), whole - steps)
        power = ((before + behind) @ self.cosines).square() + (
            (before - behind) @ self.sines
        ).square()
        features: Tensor = (power @ self.filters).clamp(min=self.config.floor).log()
        return features if self.dct is None else features @ self.dct

    def _frames(self, samples: Tensor, first_blocks: Tensor) -> Tensor:
        """(B, N), number of the first block (T,) -> half frames (B, T, reach)."""
        B, N = samples.shape
        blocks = samples[:, : N // self.block * self.block].reshape(B, -1, self.block)
        numbers = first_blocks.unsqueeze(1) + torch.arange(
            self.reach // self.block, device=samples.device
        )
        frames: Tensor = blocks.index_select(1, numbers.flatten()).reshape(B, -1, self.reach)
        return frames

    def frame_lens(self, lens: Tensor) -> Tensor:
        """Samples (B,), each at least one window, -> frames (B,)."""
        return (lens - self.config.frame_length) // self.config.frame_shift + 1


class GraphNormalizer(Normalizer):
    """Statistics of utterances as products: ONNX Runtime adds up a lone recording in another order
    than a batch.
    """

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, T, F), (B,) -> (B, T, F); padding becomes zero."""
        if self.kind != "utterance":
            return super().forward(x, x_lens)
        valid = length_mask(x_lens, x.size(1)).to(x.dtype).unsqueeze(1)
        share = valid / x_lens.clamp(min=1).view(-1, 1, 1)
        x = x - x[:, :1]  # as in Normalizer
        centred = (x - share @ x) * valid.transpose(1, 2)
        return centred / (share @ centred.square()).sqrt().clamp(min=1e-3)


class GraphConv(nn.Module):
    """:class:`asr.sequence.ConvSubsampling` with its batch normalisation folded in; also frame by
    frame.
    """

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
        """Next frames (1, T, F), last input frames of each layer, zeros (1, 1, R, 1) -> (1, T', C *
        F'), new caches.

        R is 0, or at the end of a stream as many frames as a layer pads with on the right. T must
        be such that every layer has whole strides to do (:attr:`StreamingGraph.first_frames`, then
        multiples of the subsampling).
        """
        x, left = x.unsqueeze(1), []
        for number, (stride, cache) in enumerate(zip(self.strides, caches, strict=True)):
            x = torch.cat([cache, x, tail.expand(-1, x.size(1), -1, x.size(3))], dim=2)
            left.append(x[:, :, -(KERNEL - stride) :])
            x = self._layer(number, x)
        return _flat(x), left

    def _layer(self, number: int, x: Tensor) -> Tensor:
        x = self.convs[number](x)
        if self.per_frame_norm:
            B, C, T, F = x.shape
            frames = self.norms[number](x.transpose(1, 2).reshape(B, T, C * F), None)
            x = frames.view(B, T, C, F).transpose(1, 2)
        return functional.relu(x)


def _folded(conv: nn.Conv2d, norm: MaskedBatchNorm) -> nn.Conv2d:
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
    B, C, T, F = x.shape
    return x.transpose(1, 2).reshape(B, T, C * F)


class GraphLayer(nn.Module):
    """A recurrent layer in time-major order, its two directions in one kernel; ``ends``: see
    asr/speech/ranges.py.
    """

    def __init__(self, layer: RecurrentLayer, ends: Range | None = None) -> None:
        super().__init__()
        kernel = _kernel(layer)
        self.kernel, self.ends, self.hidden_dim = kernel, ends, kernel.hidden_size
        if ends is not None and isinstance(kernel, nn.LSTM):
            self.kernel = lstm_in_range(kernel)

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(T, B, D), (B,) -> (T, B, H of all directions)."""
        x = self._given(x)
        if not self.kernel.bidirectional:
            return self._units(self.kernel(x)[0])
        packed, _ = self.kernel(
            pack_padded_sequence(x, x_lens)
        )  # lengths keep one direction out of the padding
        return self._units(pad_packed_sequence(packed)[0])

    def step(self, x: Tensor, state: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor]]:
        """(T, 1, D), one (1, 1, H) for a GRU, two for an LSTM -> (T, 1, H), state after the last
        step.
        """
        if isinstance(self.kernel, nn.GRU):
            y, last = self.kernel(x, state[0])
            return y, (last,)
        y, after = self.kernel(self._given(x), tuple(state))
        return self._units(y), after

    def _given(self, x: Tensor) -> Tensor:
        return x if self.ends is None else with_ends(x, self.ends)

    def _units(self, y: Tensor) -> Tensor:
        if self.ends is None:
            return y
        T, B, _ = y.shape
        return y.view(T, B, -1, self.kernel.hidden_size)[..., : self.hidden_dim].reshape(T, B, -1)


class GraphRecurrent(nn.Module):
    """:class:`asr.sequence.RecurrentStack` in time-major order; ``ranges``: fixed ones of 8-bit
    activations.
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
        in_range = (
            ranges is not None and self.cell == "lstm"
        )  # the weights of a GRU stay as they are
        ends = ranges.layers if ranges is not None and in_range else [None] * len(layers)
        graph_layers = [GraphLayer(layer, pair) for layer, pair in zip(layers, ends, strict=True)]
        self.layers, self.state_dim = (
            nn.ModuleList(graph_layers),
            graph_layers[0].kernel.hidden_size,
        )
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
        """(T, 1, D), one (L, 1, H) for a GRU, two for an LSTM -> (T, 1, output_dim), state after
        the last step.
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


def _kernel(layer: RecurrentLayer) -> nn.LSTM | nn.GRU:
    if layer.backward_cell is None:
        assert isinstance(layer.forward_cell, (nn.LSTM, nn.GRU))
        return layer.forward_cell
    cells = {"": layer.forward_cell, "_reverse": layer.backward_cell}
    kind = nn.LSTM if layer.cell == "lstm" else nn.GRU
    merged = kind(layer.forward_cell.input_size, layer.forward_cell.hidden_size, bidirectional=True)
    for suffix, cell in cells.items():
        for name, parameter in cell.named_parameters():
            merged.get_parameter(name + suffix).data.copy_(parameter.data)
    return merged


class _Network(nn.Module):
    """What whole recordings and streams go through. ``ranges``: see asr/speech/ranges.py."""

    def __init__(self, task: CtcTask, ranges: Ranges | None = None) -> None:
        super().__init__()
        network = task.network
        self.features = GraphLogMel(LogMel(task.config.features))
        self.normalizer = GraphNormalizer(task.config.features.num_features, task.normalizer.kind)
        self.normalizer.load_state_dict(task.normalizer.state_dict())
        self.conv, self.input_projection = GraphConv(network.conv), network.input_projection
        self.encoder, self.output = GraphRecurrent(network.encoder, ranges), network.output
        self.conditioning = network.conditioning
        if ranges is not None:
            self.input_projection = LinearInRange(network.input_projection, ranges.projected)
            if self.conditioning is not None:
                self.conditioning = copy.deepcopy(self.conditioning)
                self.conditioning.projection = LinearInRange(
                    self.conditioning.projection, PROBABILITY
                )


class OfflineGraph(_Network):
    """Samples of whole recordings, padded, and their lengths -> log-probabilities and theirs."""

    INPUTS = ("samples", "lens")
    OUTPUTS = ("log_probs", "frame_lens")
    DYNAMIC: ClassVar[dict[str, dict[int, str]]] = {
        "samples": {0: "B", 1: "N"},
        "lens": {0: "B"},
        "log_probs": {0: "B", 1: "T"},
        "frame_lens": {0: "B"},
    }

    def forward(self, samples: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N), (B,) -> (B, T', V), (B,)."""
        x_lens = self.features.frame_lens(lens)
        x = self.normalizer(self.features(samples), x_lens)
        x, x_lens = self.conv(x, x_lens)
        feedback = label_feedback(self.conditioning, self.output)
        x = self.encoder(self.input_projection(x).transpose(0, 1), x_lens, feedback)
        return self.output(x).log_softmax(-1).transpose(0, 1), x_lens


class StreamingGraph(_Network):
    """The next samples of a stream and the state after those before -> log-probabilities and the
    state after them.

    Only for one-directional models with global normalisation. The state is the last input frames of
    every convolution and the recurrent layers' own; :meth:`initial_state` begins a stream.

    Attributes:
        first_frames: fewest feature frames of the first call, which give one output frame; a call
            must bring this many (the first) or none (a later one), and any multiple of the
            subsampling on top.
        tail_frames: zero frames that each convolution appends at the end of the stream (its right
            context).

    Raises:
        ModelError: the model needs to see what follows.
    """

    def __init__(self, task: CtcTask, ranges: Ranges | None = None) -> None:
        super().__init__(task, ranges)
        model, network = task.config.model, task.network
        needs = {
            "bidirectional layers": model.bidirectional,
            "normalisation over the utterance": task.config.normalization == "utterance",
            "trimmed speech": task.config.features.trim,
        }
        for what in (name for name, needed in needs.items() if needed):
            raise ModelError(
                f"A model with {what} has to see the whole recording and cannot stream.",
                "Train one with model.bidirectional=false model.causal=true normalization=global.",
            )
        self.first_frames = 1 + network.conv.right_context
        self.tail_frames = network.conv.time_padding[1]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the arguments of :meth:`forward`, the states being :attr:`state_names`."""
        return ("samples", "tail", *self.state_names)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the tensors of the state."""
        caches = [f"cache{n}" for n in range(len(self.conv.strides))]
        return (*caches, "hidden", *(("cell",) if self.encoder.cell == "lstm" else ()))

    def initial_state(self) -> list[Tensor]:
        """Return the state before the first sample."""
        width, channels = self.features.config.num_features, 1
        state = []
        for conv in self.conv.convs:
            state.append(torch.zeros(1, channels, self.conv.time_padding[0], width))
            assert isinstance(conv, nn.Conv2d)
            channels, width = conv.out_channels, (width + conv.stride[1] - 1) // conv.stride[1]
        recurrent = torch.zeros(len(self.encoder.layers), 1, self.encoder.state_dim)
        return [*state, *(recurrent.clone() for _ in self.state_names[len(state) :])]

    def forward(self, samples: Tensor, tail: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """(1, N), zeros (1, 1, R, 1), state -> (1, T', V), new state; R is 0 until the stream ends."""
        x = self.features(samples)
        if self.normalizer.kind == "global":
            x = (x - self.normalizer.mean) / self.normalizer.std
        layers = len(self.conv.strides)
        x, caches = self.conv.step(x, state[:layers], tail)
        feedback = label_feedback(self.conditioning, self.output)
        x, carried = self.encoder.step(
            self.input_projection(x).transpose(0, 1), state[layers:], feedback
        )
        return (self.output(x).log_softmax(-1).transpose(0, 1), *caches, *carried)

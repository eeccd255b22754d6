"""A CTC model as one graph from samples to log-probabilities, for whole recordings and for streams.

Legend: B batch, N samples, T feature frames, T' output frames, V vocabulary, R frames of padding.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from asr.errors import ModelError
from asr.features.extraction import LogMel
from asr.speech.acoustics.graph_layers import (
    GraphConv,
    GraphLogMel,
    GraphNormalizer,
    GraphRecurrent,
)
from asr.speech.acoustics.network import CtcTask, label_feedback
from asr.speech.acoustics.ranges import PROBABILITY, LinearInRange, Ranges

__all__ = ["ExportableGraph", "OfflineGraph", "StreamingGraph"]

Axes = dict[str, dict[int, str]]


class ExportableGraph(nn.Module, ABC):
    """The network from samples on, and what an exporter asks of it.

    Args:
        task: the trained network.
        ranges: fixed ranges of 8-bit activations, see asr/speech/acoustics/ranges.py.
    """

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
            self._fix_ranges(ranges)

    def _fix_ranges(self, ranges: Ranges) -> None:
        self.input_projection = LinearInRange(self.input_projection, ranges.projected)
        if self.conditioning is not None:
            self.conditioning = copy.deepcopy(self.conditioning)  # the task keeps its own
            projection = LinearInRange(self.conditioning.projection, PROBABILITY)
            self.conditioning.projection = projection

    @property
    @abstractmethod
    def input_names(self) -> tuple[str, ...]:
        """Names of the arguments of ``forward``."""

    @property
    @abstractmethod
    def output_names(self) -> tuple[str, ...]:
        """Names of what ``forward`` returns."""

    @property
    @abstractmethod
    def dynamic_axes(self) -> Axes:
        """Name of an input or output -> its axes of any length, with names."""

    @abstractmethod
    def example_inputs(self) -> tuple[Tensor, ...]:
        """Return arguments of ``forward`` to trace it with."""


class OfflineGraph(ExportableGraph):
    """Samples of whole recordings, padded, and their lengths -> log-probabilities and theirs."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the arguments of :meth:`forward`."""
        return ("samples", "lens")

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of what :meth:`forward` returns."""
        return ("log_probs", "frame_lens")

    @property
    def dynamic_axes(self) -> Axes:
        """Axes of any length."""
        return {
            "samples": {0: "B", 1: "N"},
            "lens": {0: "B"},
            "log_probs": {0: "B", 1: "T"},
            "frame_lens": {0: "B"},
        }

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Return a second of noise, and half a second."""
        second = self.features.config.sample_rate
        return torch.randn(2, second) * 0.1, torch.tensor([second, second // 2])

    def forward(self, samples: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N), (B,) -> (B, T', V), (B,)."""
        x_lens = self.features.frame_lens(lens)
        x = self.normalizer(self.features(samples), x_lens)
        x, x_lens = self.conv(x, x_lens)
        feedback = label_feedback(self.conditioning, self.output)
        x = self.encoder(self.input_projection(x).transpose(0, 1), x_lens, feedback)
        return self.output(x).log_softmax(-1).transpose(0, 1), x_lens


class StreamingGraph(ExportableGraph):
    """The next samples of a stream and its state -> log-probabilities and the state after them.

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
        _check_streams(task)
        self.first_frames = 1 + task.network.conv.right_context
        self.tail_frames = task.network.conv.time_padding[1]

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the arguments of :meth:`forward`, the states being :attr:`state_names`."""
        return ("samples", "tail", *self.state_names)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of what :meth:`forward` returns."""
        return ("log_probs", *(f"next_{name}" for name in self.state_names))

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the tensors of the state."""
        caches = [f"cache{n}" for n in range(len(self.conv.strides))]
        return (*caches, "hidden", *(("cell",) if self.encoder.cell == "lstm" else ()))

    @property
    def dynamic_axes(self) -> Axes:
        """Axes of any length."""
        axes = {"samples": {1: "N"}, "tail": {2: "R"}, "log_probs": {1: "T"}}
        # a stream begins with more zeros than it carries over later
        for number in range(len(self.conv.strides)):
            axes |= {f"cache{number}": {2: f"K{number}"}, f"next_cache{number}": {2: f"M{number}"}}
        return axes

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

    def example_inputs(self) -> tuple[Tensor, ...]:
        """Return the beginning of a stream of noise."""
        config = self.features.config
        num_frames = self.first_frames + 4 * 8  # a multiple of every subsampling on top
        samples = torch.randn(1, config.frame_length + config.frame_shift * (num_frames - 1)) * 0.1
        return samples, torch.zeros(1, 1, 0, 1), *self.initial_state()

    def forward(self, samples: Tensor, tail: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """(1, N), zeros (1, 1, R, 1), state -> (1, T', V), new state.

        R is 0, and at the end of the stream :attr:`tail_frames`.
        """
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


def _check_streams(task: CtcTask) -> None:
    sees_all = {
        "bidirectional layers": task.config.model.bidirectional,
        "normalisation over the utterance": task.config.normalization == "utterance",
        "trimmed speech": task.config.features.trim,
    }
    for what in (name for name, there in sees_all.items() if there):
        raise ModelError(
            f"A model with {what} has to see the whole recording and cannot stream.",
            "Train one with model.bidirectional=false model.causal=true normalization=global.",
        )

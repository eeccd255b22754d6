"""Fixed ranges of 8-bit activations, so that a transcript does not depend on the rest of its batch.

ONNX Runtime's dynamic quantisation takes the range of a tensor at run time, over all recordings of
the batch, and within a recurrent layer over the outputs of all sequences at each step. To fix it,
all columns are clamped to a range that was measured before, and two columns are added that hold the
ends of that range; their weights are zero.

The outputs of an LSTM between its own steps cannot be clamped. It gets two more units whose gates
are always open: after t steps they give tanh(t) and -tanh(t), which no other unit exceeds, since
the cell of a unit changes by at most one a step.

Legend: D input size, H hidden units.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.speech.acoustics.network import CtcNetwork

__all__ = [
    "ENDS",
    "PROBABILITY",
    "SQUASHED",
    "LinearInRange",
    "Range",
    "Ranges",
    "lstm_in_range",
    "measured",
    "with_ends",
]

Range = tuple[float, float]

ENDS = 2  # columns that are added
SPARE = 1.1  # a range is as many times as wide as what was measured
OPEN = 20.0  # the logistic function and tanh of it are 1 in single precision
PROBABILITY, SQUASHED = (0.0, 1.0), (-1.0, 1.0)  # of probabilities, and of outputs of an LSTM


@dataclass
class Ranges:
    """Ranges of the inputs of a network's layers.

    Attributes:
        projected: of the input projection.
        layers: of each recurrent layer.
    """

    projected: Range = (0.0, 0.0)
    layers: list[Range] = field(default_factory=list)


@contextmanager
def measured(network: CtcNetwork) -> Iterator[Ranges]:
    """Yield the ranges of everything that the network computes within the block.

    They are filled in when the block ends, with some margin.
    """
    seen: dict[nn.Module, float] = {}  # largest absolute value

    def watch(key: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: Any, output: Tensor | None = None) -> None:
            tensor = inputs[0] if output is None else output
            seen[key] = max(seen.get(key, 0.0), float(tensor.abs().max()))

        return hook

    norms, ranges = list(network.encoder.norms), Ranges()
    hooks = [norm.register_forward_hook(watch(norm)) for norm in norms]
    projection = network.input_projection
    hooks.append(projection.register_forward_pre_hook(watch(projection)))
    try:
        yield ranges
    finally:
        for hook in hooks:
            hook.remove()
    ranges.projected = (0.0, SPARE * seen[projection])  # convolutions end in a ReLU
    ranges.layers = [(-SPARE * seen[norm], SPARE * seen[norm]) for norm in norms]


def with_ends(x: Tensor, ends: Range) -> Tensor:
    """(..., D) -> (..., D + 2): clamped, with the ends of the range in the last two columns."""
    low, high = ends
    with_low = functional.pad(x.clamp(low, high), (0, 1), value=low)
    return functional.pad(with_low, (0, 1), value=high)


class LinearInRange(nn.Linear):
    """A linear layer whose input has a fixed range.

    Args:
        linear: the trained layer.
        ends: the range.
    """

    def __init__(self, linear: nn.Linear, ends: Range) -> None:
        super().__init__(linear.in_features + ENDS, linear.out_features)
        self.ends = ends
        self.weight.data = functional.pad(linear.weight.detach(), (0, ENDS))
        self.bias.data = linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., out_features)."""
        return super().forward(with_ends(x, self.ends))


def lstm_in_range(lstm: nn.LSTM) -> nn.LSTM:
    """Return the layer for inputs :func:`with_ends`.

    Each direction has H + 2 outputs; the last two fix the range of the others.
    """
    hidden = lstm.hidden_size
    wide = nn.LSTM(lstm.input_size + ENDS, hidden + ENDS, bidirectional=lstm.bidirectional)
    for name, parameter in lstm.named_parameters():
        columns = (0, ENDS) if parameter.dim() == 2 else ()
        gates = [
            functional.pad(gate, (*columns, 0, ENDS))
            for gate in torch.split(parameter.detach(), hidden)
        ]
        if name.startswith("bias_ih"):
            for number, gate in enumerate(gates):
                gate[hidden:] = OPEN
                if number == 2:  # the cell's input: that of the last unit counts down
                    gate[-1] = -OPEN
        wide.get_parameter(name).data = torch.cat(gates)
    return wide

"""Fixed ranges of 8-bit activations, so that what a recording gives does not depend on its company.

ONNX Runtime's dynamic quantisation takes the range of a tensor as it passes, with all recordings of
the batch in it, and in a recurrent layer that of all sequences' outputs at each step. Here two more
columns lie at the ends of a range that was measured before, into which all others are clamped;
weights of zero read them. An LSTM gets two units more whose gates are open for good: after t steps
they give tanh(t) and -tanh(t), and no unit's cell counts further than theirs.

Legend: D input size, H hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.speech.network import CtcNetwork

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
SPARE = 1.1  # times what was measured
OPEN = 20.0  # the logistic function and tanh of it are 1 in single precision
PROBABILITY, SQUASHED = (0.0, 1.0), (-1.0, 1.0)


@dataclass
class Ranges:
    """Of what a network's layers are given.

    Attributes:
        projected: by the convolutions to the input projection.
        layers: to each recurrent layer.
    """

    projected: Range = (0.0, 0.0)
    layers: list[Range] = field(default_factory=list)


@contextmanager
def measured(network: CtcNetwork) -> Iterator[Ranges]:
    """Watch what is computed within the block; afterwards the ranges of all of it, and some more,
    are known.
    """
    seen: dict[nn.Module, float] = {}

    def watch(key: nn.Module) -> Callable[..., None]:
        def hook(_: nn.Module, inputs: Any, output: Tensor | None = None) -> None:
            seen[key] = max(
                seen.get(key, 0.0), float((inputs[0] if output is None else output).abs().max())
            )

        return hook

    norms, ranges = list(network.encoder.norms), Ranges()
    hooks = [norm.register_forward_hook(watch(norm)) for norm in norms]
    hooks.append(
        network.input_projection.register_forward_pre_hook(watch(network.input_projection))
    )
    try:
        yield ranges
    finally:
        for hook in hooks:
            hook.remove()
    ranges.projected = (0.0, SPARE * seen[network.input_projection])  # rectified
    ranges.layers = [(-SPARE * seen[norm], SPARE * seen[norm]) for norm in norms]


def with_ends(x: Tensor, ends: Range) -> Tensor:
    """(..., D) -> (..., D + 2), clamped, the ends of the range themselves in the last columns."""
    low, high = ends
    return functional.pad(functional.pad(x.clamp(low, high), (0, 1), value=low), (0, 1), value=high)


class LinearInRange(nn.Linear):
    """A linear layer whose input is clamped."""

    def __init__(self, linear: nn.Linear, ends: Range) -> None:
        super().__init__(linear.in_features + ENDS, linear.out_features)
        self.ends = ends
        self.weight.data = functional.pad(linear.weight.detach(), (0, ENDS))
        self.bias.data = linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., out_features)."""
        return super().forward(with_ends(x, self.ends))


def lstm_in_range(lstm: nn.LSTM) -> nn.LSTM:
    """Return the layer for inputs :func:`with_ends`; the last two of each direction's H + 2 outputs
    are ends, too.
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
                if number == 2:  # the cell's input: one end counts down
                    gate[-1] = -OPEN
        wide.get_parameter(name).data = torch.cat(gates)
    return wide

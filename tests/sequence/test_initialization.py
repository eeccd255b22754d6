"""Initialisations by name: each against what its paper says of the matrices."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from asr.errors import ConfigError
from asr.sequence import RecurrentStack
from asr.sequence.initialization import initialize
from asr.speech.acoustics.network import CtcModelConfig, CtcNetwork


def gates(module: nn.Module, kind: str) -> list[torch.Tensor]:
    found = []
    for name, parameter in module.named_parameters():
        if f"weight_{kind}" in name:
            found += list(parameter.detach().chunk(4))
    return found


def made(name: str) -> CtcNetwork:
    torch.manual_seed(0)
    return CtcNetwork(
        CtcModelConfig(hidden_dim=24, num_layers=2, conv_channels=4, initialization=name), 80, 5
    )


def test_xavier_fills_the_range_of_inputs_and_outputs() -> None:
    for kind, inputs in (("ih", 48), ("hh", 24)):
        bound = math.sqrt(6 / (inputs + 24))
        for gate in gates(made("xavier").encoder, kind):
            assert 0.95 * bound < float(gate.abs().max()) <= bound
            assert float(gate.std()) == pytest.approx(bound / math.sqrt(3), rel=0.1)


def test_kaiming_fills_the_range_of_inputs() -> None:
    for kind, inputs in (("ih", 48), ("hh", 24)):
        bound = math.sqrt(3 / inputs)
        for gate in gates(made("kaiming").encoder, kind):
            assert 0.95 * bound < float(gate.abs().max()) <= bound


def test_orthogonal_keeps_lengths() -> None:
    network = made("orthogonal")
    for gate in gates(network.encoder, "hh") + gates(
        network.encoder, "ih"
    ):  # (24, 24) and (24, 48)
        torch.testing.assert_close(gate @ gate.t(), torch.eye(24), atol=1e-5, rtol=0)


def test_default_is_as_built_and_biases_stay() -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(6, 4, num_layers=1)
    before = {name: p.detach().clone() for name, p in stack.named_parameters()}
    initialize(stack, "default")
    assert all(torch.equal(before[name], p) for name, p in stack.named_parameters())
    initialize(stack, "kaiming")
    for name, parameter in stack.named_parameters():
        assert torch.equal(before[name], parameter) == (".weight_" not in name), name
    assert stack.layers[0].forward_cell.bias_ih_l0[4:8].tolist() == [1.0] * 4  # type: ignore[union-attr, index]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="default, xavier, kaiming, orthogonal"):
        CtcModelConfig(initialization="zeros")
    with pytest.raises(ValueError, match="zeros"):
        initialize(nn.LSTM(1, 1), "zeros")

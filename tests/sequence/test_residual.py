"""Residual convolutions beside torch's own layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from asr.sequence.residual import ResidualConv


def made(channels: tuple[int, ...] = (4, 6), strides: tuple[int, ...] = (2, 1)) -> ResidualConv:
    torch.manual_seed(0)
    front = ResidualConv(10, channels, strides)
    for name, buffer in front.named_buffers():
        (buffer.uniform_(0.5, 2) if name.endswith("var") else buffer.normal_())
    return front.eval()


def test_a_stage_is_a_strided_convolution_and_a_residual_block() -> None:
    front, x = made((4,), (2,)), torch.randn(2, 9, 10)
    layers = []
    for conv, norm in zip(front.convs, front.norms, strict=True):
        theirs = nn.BatchNorm2d(4).eval()
        theirs.load_state_dict(norm.state_dict(), strict=False)
        layers.append(nn.Sequential(conv, theirs))
    first = functional.relu(layers[0](x.unsqueeze(1)))
    expected = functional.relu(first + layers[2](functional.relu(layers[1](first))))
    y, lens = front(x, torch.tensor([9, 9]))
    assert lens.tolist() == [5, 5]
    assert y.shape == (2, 5, front.output_dim)
    assert torch.allclose(y, expected.permute(0, 2, 1, 3).flatten(2), atol=1e-5)


@pytest.mark.parametrize("length", [1, 6, 7])
def test_padding_changes_nothing(length: int) -> None:
    front, x = made(), torch.randn(1, 12, 10)
    alone, lens = front(x[:, :length], torch.tensor([length]))
    padded, again = front(x, torch.tensor([length]))
    assert lens == again == -(-length // front.subsampling)
    assert torch.allclose(alone[0], padded[0, : int(lens)], atol=1e-5)


def test_it_learns_in_bfloat16_as_in_float32() -> None:
    front, x = made().train(), torch.randn(3, 20, 10)
    upstream = torch.randn(3, 10, front.output_dim)  # a sum of squares hardly changes behind a norm
    gradients = []
    for enabled in (False, True):
        front.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            y, _ = front(x, torch.tensor([20, 20, 20]))
        (y.float() * upstream).sum().backward()
        gradients.append(front.convs[0].weight.grad.flatten().clone())
    assert functional.cosine_similarity(*gradients, dim=0) > 0.95  # eight bits, six layers

"""The peephole LSTM against torch's LSTM where peepholes are zero, and against its equations where
they are not.
"""

from __future__ import annotations

import torch
from torch import nn

from asr.sequence import PeepholeLSTM, RecurrentStack, length_mask

LENS = torch.tensor([9, 5, 1])


def twins(double: bool = True) -> tuple[PeepholeLSTM, nn.LSTM]:
    torch.manual_seed(0)
    ours, oracle = PeepholeLSTM(4, 6), nn.LSTM(4, 6)
    for name, parameter in oracle.named_parameters():
        parameter.data.copy_(getattr(ours, name))
    return (ours.double(), oracle.double()) if double else (ours, oracle)


def test_zero_peepholes_give_torchs_values_and_gradients() -> None:
    ours, oracle = twins()
    x = torch.randn(9, 3, 4, dtype=torch.float64)
    state = (torch.randn(1, 3, 6, dtype=torch.float64), torch.randn(1, 3, 6, dtype=torch.float64))
    weight = torch.randn(9, 3, 6, dtype=torch.float64)
    grads = []
    for layer in (ours, oracle):
        inputs = x.clone().requires_grad_()
        y, (h, c) = layer(inputs, state)
        ((y * weight).sum() + h.sum() + c.square().sum()).backward()
        grads.append(
            [
                y,
                h,
                c,
                inputs.grad,
                *(layer.get_parameter(name).grad for name, _ in oracle.named_parameters()),
            ]
        )
    for mine, theirs in zip(*grads, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-12, rtol=1e-10)


def test_peepholes_follow_the_equations_of_graves() -> None:
    ours, _ = twins()
    nn.init.normal_(ours.peephole_l0)
    x = torch.randn(5, 1, 4, dtype=torch.float64)
    y, _ = ours(x)
    h = c = torch.zeros(6, dtype=torch.float64)
    p_i, p_f, p_o = ours.peephole_l0.view(3, 6)
    for t in range(5):
        a = ours.weight_ih_l0 @ x[t, 0] + ours.bias_ih_l0 + ours.weight_hh_l0 @ h + ours.bias_hh_l0
        a_i, a_f, a_c, a_o = a.view(4, 6)
        i, f = torch.sigmoid(a_i + p_i * c), torch.sigmoid(a_f + p_f * c)
        c = f * c + i * torch.tanh(a_c)
        h = torch.sigmoid(a_o + p_o * c) * torch.tanh(c)
        torch.testing.assert_close(y[t, 0], h)


def test_gradients_of_peepholes_are_the_numerical_ones() -> None:
    ours, _ = twins()
    nn.init.normal_(ours.peephole_l0)
    x = torch.randn(3, 2, 4, dtype=torch.float64)
    parameters = dict(ours.named_parameters())

    def run(peephole: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = torch.func.functional_call(
            ours, parameters | {"peephole_l0": peephole}, (x,)
        )[0]
        return out

    torch.autograd.gradcheck(run, ours.peephole_l0)


def test_stack_of_peepholes_is_blind_to_padding_and_carries_state() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 9, 4)
    both = RecurrentStack(4, 5, num_layers=2, cell="peephole_lstm").eval()
    for parameter in both.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    together, _, _ = both(x.masked_fill(~length_mask(LENS, 9).unsqueeze(-1), 1e3), LENS)
    for row, length in enumerate(LENS.tolist()):
        alone, _, _ = both(x[row : row + 1, :length], LENS[row : row + 1])
        torch.testing.assert_close(together[row, :length], alone[0], atol=1e-6, rtol=1e-5)


def test_forget_gate_starts_open() -> None:
    stack = RecurrentStack(4, 5, num_layers=1, cell="peephole_lstm", forget_bias=2.0)
    cell = stack.layers[0].forward_cell
    torch.testing.assert_close((cell.bias_ih_l0 + cell.bias_hh_l0)[5:10], torch.full((5,), 2.0))
    assert not cell.peephole_l0.any()

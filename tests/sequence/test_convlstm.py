"""ConvLSTM against torch's LSTM (one pixel, kernel of one) and against the equations written out
pixel by pixel.
"""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asr.sequence import ConvLSTM

LENS = torch.tensor([6, 4, 1])


def test_one_pixel_equals_torchs_lstm_in_values_and_gradients() -> None:
    torch.manual_seed(0)
    ours, oracle = ConvLSTM(3, 5, kernel_size=1).double(), nn.LSTM(3, 5, batch_first=True).double()
    cell = ours.cells[0]
    oracle.weight_ih_l0.data.copy_(cell.weight_ih[..., 0, 0])
    oracle.weight_hh_l0.data.copy_(cell.weight_hh[..., 0, 0])
    oracle.bias_ih_l0.data.copy_(cell.bias)
    oracle.bias_hh_l0.data.zero_()
    x = torch.randn(2, 6, 3, dtype=torch.float64)
    y, _, [(h, c)] = ours(x[..., None, None], torch.tensor([6, 6]))
    expected, (h_n, c_n) = oracle(x)
    for mine, theirs in ((y[..., 0, 0], expected), (h[..., 0, 0], h_n[0]), (c[..., 0, 0], c_n[0])):
        torch.testing.assert_close(mine, theirs)
    y.square().sum().backward()
    expected.square().sum().backward()
    torch.testing.assert_close(cell.weight_hh.grad[..., 0, 0], oracle.weight_hh_l0.grad)
    torch.testing.assert_close(cell.weight_ih.grad[..., 0, 0], oracle.weight_ih_l0.grad)


def test_a_step_with_peepholes_is_equation_3_of_shi() -> None:
    torch.manual_seed(0)
    ours = ConvLSTM(1, 2, kernel_size=3, picture=(4, 5)).double()
    cell = ours.cells[0]
    nn.init.normal_(cell.peephole)
    x, h, c = (torch.randn(1, n, 4, 5, dtype=torch.float64) for n in (1, 2, 2))
    _, _, [(h_next, c_next)] = ours(x[:, None], torch.tensor([1]), [(h, c)])

    def gate(number: int, row: int, column: int) -> torch.Tensor:
        total = cell.bias.view(4, 2)[number].clone()
        for weight, picture in ((cell.weight_ih, x), (cell.weight_hh, h)):
            block = weight.view(4, 2, -1, 3, 3)[number]
            for i, j in ((i, j) for i in range(3) for j in range(3)):
                if 0 <= row + i - 1 < 4 and 0 <= column + j - 1 < 5:
                    total = total + block[..., i, j] @ picture[0, :, row + i - 1, column + j - 1]
        return total

    for row, column in ((0, 0), (2, 3), (3, 4)):
        w_i, w_f, w_o = cell.peephole[:, :, row, column]
        before = c[0, :, row, column]
        after = torch.sigmoid(gate(1, row, column) + w_f * before) * before + torch.sigmoid(
            gate(0, row, column) + w_i * before
        ) * torch.tanh(gate(2, row, column))
        out = torch.sigmoid(gate(3, row, column) + w_o * after) * torch.tanh(after)
        torch.testing.assert_close(c_next[0, :, row, column], after)
        torch.testing.assert_close(h_next[0, :, row, column], out)


def test_chunks_and_padding_never_change_a_result() -> None:
    torch.manual_seed(0)
    ours = ConvLSTM(1, 3, num_layers=2, picture=(4, 4)).eval()
    x = torch.randn(3, 6, 1, 4, 4)
    whole, _, state = ours(x, LENS)
    first, _, carried = ours(x[:, :2], LENS.clamp(max=2))
    second, _, last = ours(x[:, 2:], (LENS - 2).clamp(min=0), carried)
    torch.testing.assert_close(torch.cat([first, second], 1)[0], whole[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(last, state, atol=1e-6, rtol=0)  # of each sequence's own end
    alone, _, own = ours(x[1:2, :4], LENS[1:2])
    torch.testing.assert_close(whole[1, :4], alone[0], atol=1e-6, rtol=0)
    torch.testing.assert_close(state[1][1][1], own[1][1][0], atol=1e-6, rtol=0)


def test_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        ConvLSTM(1, 2, kernel_size=4)

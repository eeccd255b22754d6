"""The stack against torch's own packed LSTM, and against itself under padding."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.sequence import MaskedBatchNorm, RecurrentStack, length_mask, reverse_within_length
from asr.sequence.recurrent import RecurrentLayer

LENS = torch.tensor([7, 4, 1])


def batch(width: int = 6) -> torch.Tensor:
    return torch.randn(3, 7, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_bidirectional_layer_equals_torch_packed(cell: str) -> None:
    torch.manual_seed(0)
    layer = RecurrentLayer(6, 5, cell)
    oracle = {"lstm": nn.LSTM, "gru": nn.GRU}[cell](6, 5, bidirectional=True, batch_first=True)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        getattr(oracle, name).data.copy_(getattr(layer.forward_cell, name))
        getattr(oracle, f"{name}_reverse").data.copy_(getattr(layer.backward_cell, name))
    x = batch()
    packed, _ = oracle(pack_padded_sequence(x, LENS, batch_first=True))
    expected, _ = pad_packed_sequence(packed, batch_first=True)
    stack = RecurrentStack(6, 5, num_layers=1, cell=cell, norm="none", residual=False)
    stack.layers[0].load_state_dict(layer.state_dict())
    y, _, _ = stack(x, LENS)
    mask = length_mask(LENS, 7)
    torch.testing.assert_close(y[mask], expected[mask], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
@pytest.mark.parametrize("projection", [0, 4])
def test_padding_and_batch_never_change_a_result(norm: str, projection: int) -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(6, 3, num_layers=3, norm=norm, projection_dim=projection).eval()
    x = batch()
    together, _, _ = stack(x.masked_fill(~length_mask(LENS, 7).unsqueeze(-1), 1e3), LENS)
    for row, length in enumerate(LENS.tolist()):
        alone, _, _ = stack(x[row : row + 1, :length], LENS[row : row + 1])
        torch.testing.assert_close(together[row, :length], alone[0], atol=1e-6, rtol=1e-5)


def test_carried_state_continues_a_sequence() -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(6, 5, num_layers=3, bidirectional=False)
    x, full = batch()[:1], torch.tensor([7])
    whole, _, _ = stack(x, full)
    first, _, state = stack(x[:, :3], torch.tensor([3]))
    second, _, _ = stack(x[:, 3:], torch.tensor([4]), state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)


def test_bidirectional_stack_refuses_state() -> None:
    with pytest.raises(ValueError, match="carry state"):
        RecurrentStack(6, 5, num_layers=1)(batch(), LENS, [(torch.zeros(1, 3, 5),) * 2])


def test_initialisation_is_what_it_says() -> None:
    stack = RecurrentStack(6, 5, num_layers=2)
    for layer in stack.layers:
        for cell in (layer.forward_cell, layer.backward_cell):
            torch.testing.assert_close((cell.bias_ih_l0 + cell.bias_hh_l0)[5:10], torch.ones(5))
            gate = cell.weight_hh_l0[:5]
            torch.testing.assert_close(gate @ gate.T, torch.eye(5), atol=1e-5, rtol=0)


def test_reverse_within_length() -> None:
    x = torch.arange(7).float().view(1, 7, 1).expand(3, 7, 1)
    reversed_x = reverse_within_length(x, LENS)[..., 0].tolist()
    assert reversed_x == [[6, 5, 4, 3, 2, 1, 0], [3, 2, 1, 0, 4, 5, 6], [0, 1, 2, 3, 4, 5, 6]]


def test_masked_batch_norm_equals_torch_on_the_valid_steps() -> None:
    ours, oracle = MaskedBatchNorm(6), nn.BatchNorm1d(6)
    x, mask = batch(), length_mask(LENS, 7)
    torch.testing.assert_close(ours(x, LENS)[mask], oracle(x[mask]))
    torch.testing.assert_close(ours.running_var, oracle.running_var)
    torch.testing.assert_close(ours.eval()(x, LENS)[mask], oracle.eval()(x[mask]))

"""Carried state, truncated back-propagation and variational dropout."""

from __future__ import annotations

import pytest
import torch

from asr.sequence import RecurrentStack, detach_state, truncated
from asr.sequence.recurrent import CELLS

LENS = torch.tensor([11, 11])


def sequence() -> torch.Tensor:
    return torch.randn(2, 11, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("projection", [0, 4])
@pytest.mark.parametrize("chunk", [1, 4, 20])
def test_chunks_give_what_the_whole_gives(cell: str, projection: int, chunk: int) -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(3, 5, 2, cell, bidirectional=False, projection_dim=projection)
    x = sequence()
    whole, _, _ = stack(x, LENS)
    parts = [y for _, y, _ in truncated(stack, x, LENS, chunk)]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-6, rtol=0)


def test_shorter_sequences_end_within_their_chunk() -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(3, 5, 1, bidirectional=False)
    x, lens = sequence(), torch.tensor([11, 5])
    whole, _, _ = stack(x, lens)
    parts, lengths = zip(
        *((y, n.tolist()) for _, y, n in truncated(stack, x, lens, 4)), strict=True
    )
    assert lengths == ([4, 4], [4, 1], [3, 0])
    torch.testing.assert_close(torch.cat(parts, 1)[1, :5], whole[1, :5], atol=1e-6, rtol=0)


def test_gradients_stop_at_the_border_of_a_chunk() -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(3, 5, 1, bidirectional=False)
    x = sequence().requires_grad_()
    chunks = list(truncated(stack, x, LENS, 4))
    (grad,) = torch.autograd.grad(chunks[1][1].sum(), x)
    assert grad.abs().sum((0, 2)).gt(0).tolist() == [False] * 4 + [True] * 4 + [False] * 3


def test_sum_over_chunks_equals_detaching_by_hand() -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(3, 5, 1, bidirectional=False)
    x = sequence()
    for _, y, _ in truncated(stack, x, LENS, 6):
        y.square().sum().backward()
    ours = [p.grad.clone() for p in stack.parameters()]
    stack.zero_grad()
    first, _, state = stack(x[:, :6], torch.tensor([6, 6]))
    second, _, _ = stack(x[:, 6:], torch.tensor([5, 5]), detach_state(state))
    (first.square().sum() + second.square().sum()).backward()
    for mine, parameter in zip(ours, stack.parameters(), strict=True):
        torch.testing.assert_close(mine, parameter.grad)


def test_bidirectional_stack_and_empty_chunk_are_refused() -> None:
    with pytest.raises(ValueError, match="from the end"):
        next(truncated(RecurrentStack(3, 5, 1), sequence(), LENS, 4))
    with pytest.raises(ValueError, match="at least 1"):
        next(truncated(RecurrentStack(3, 5, 1, bidirectional=False), sequence(), LENS, 0))


def test_a_variational_stack_drops_the_same_features_at_every_step() -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(
        3, 40, 1, bidirectional=False, norm="none", residual=False, dropout=0.5, variational=True
    )
    y, _, _ = stack(sequence(), LENS)
    zero = y == 0
    assert torch.equal(zero, zero[:, :1].expand_as(zero))
    assert zero.any()
    plain = RecurrentStack(3, 40, 1, bidirectional=False, norm="none", residual=False, dropout=0.5)
    assert plain.state_dict().keys() == stack.state_dict().keys()

"""Attention against torch's own, against the formulas step by step, and against padding."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn

from asr.sequence.attention import (
    SCORES,
    Attention,
    LocalAttention,
    MultiHeadAttention,
    RecurrentAttentionBlock,
    masked_softmax,
)
from asr.sequence.recurrent import RecurrentStack

LENS = torch.tensor([7, 4, 1])


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(3)


def score_by_hand(attention: Attention, query: Tensor, step: Tensor) -> Tensor:
    if attention.score == "dot":
        return query @ step
    if attention.score == "general":
        return query @ (attention.key_map.weight @ step)
    key = attention.key_map.weight @ step + attention.key_map.bias
    return attention.energy @ torch.tanh(attention.query_map.weight @ query + key)


@pytest.mark.parametrize("score", SCORES)
def test_one_head_equals_its_formula(score: str) -> None:
    attention = Attention(6, 6, score)
    memory, queries = torch.randn(3, 7, 6), torch.randn(3, 2, 6)
    context, weights = attention(queries, attention.remember(memory, LENS))
    for b, i in itertools.product(range(3), range(2)):
        scores = torch.stack(
            [score_by_hand(attention, queries[b, i], m) for m in memory[b, : LENS[b]]]
        )
        expected = scores.softmax(0)
        torch.testing.assert_close(weights[b, i, : LENS[b]], expected)
        torch.testing.assert_close(context[b, i], expected @ memory[b, : LENS[b]])
        assert not weights[b, i, LENS[b] :].any()


@pytest.mark.parametrize("score", SCORES)
def test_padding_of_one_head_changes_nothing(score: str) -> None:
    attention = Attention(6, 6, score)
    memory, queries = torch.randn(3, 7, 6), torch.randn(3, 2, 6)
    context, _ = attention(queries, attention.remember(memory, LENS))
    for b, n in enumerate(LENS.tolist()):
        alone, _ = attention(
            queries[b : b + 1], attention.remember(memory[b : b + 1, :n], LENS[b : b + 1])
        )
        torch.testing.assert_close(context[b : b + 1], alone)


def test_an_empty_memory_gives_zeros_and_no_nan() -> None:
    attention = Attention(4, 4)
    memory = torch.randn(1, 3, 4, requires_grad=True)
    context, weights = attention(
        torch.randn(1, 1, 4), attention.remember(memory, torch.tensor([0]))
    )
    context.sum().backward()
    assert not context.any()
    assert not weights.any()
    assert torch.isfinite(memory.grad).all()
    heads = MultiHeadAttention(4, 2)
    y = heads.attend(
        torch.randn(1, 2, 4),
        *heads.project(memory.detach()),
        torch.zeros(1, 1, 3, dtype=torch.bool),
    )
    torch.testing.assert_close(y, heads.output_map.bias.expand(1, 2, 4))


def test_selected_rows_are_the_memory_of_those_rows() -> None:
    attention = Attention(4, 4)
    memory = attention.remember(torch.randn(3, 7, 4), LENS)
    query, rows = torch.randn(2, 1, 4), torch.tensor([2, 0])
    torch.testing.assert_close(
        attention(query, memory.select(rows))[0],
        torch.cat([attention(query, memory.select(rows[[i]].repeat(2)))[0][[i]] for i in (0, 1)]),
    )


def same_weights(ours: MultiHeadAttention) -> nn.MultiheadAttention:
    theirs = nn.MultiheadAttention(ours.query_map.in_features, ours.num_heads, batch_first=True)
    maps = (ours.query_map, ours.key_map, ours.value_map)
    theirs.in_proj_weight.data = torch.cat([m.weight.data for m in maps])
    theirs.in_proj_bias.data = torch.randn_like(theirs.in_proj_bias)
    for m, bias in zip(maps, theirs.in_proj_bias.data.chunk(3), strict=True):
        m.bias.data.copy_(bias)
    theirs.out_proj.load_state_dict(ours.output_map.state_dict())
    return theirs


@pytest.mark.parametrize(("causal", "window"), [(False, 0), (True, 0), (False, 2)])
def test_multi_head_equals_torch(causal: bool, window: int) -> None:
    ours = MultiHeadAttention(8, 2, causal=causal, window=window)
    theirs = same_weights(ours)
    x = torch.randn(3, 7, 8)
    ahead = torch.arange(7) - torch.arange(7).unsqueeze(1)
    unseen = (ahead > 0) if causal else (ahead.abs() > (window or 7))
    padding = torch.arange(7) >= LENS.unsqueeze(1)
    y, weights = theirs(
        x, x, x, key_padding_mask=padding, attn_mask=unseen, average_attn_weights=False
    )
    mine, my_weights = ours(x, memory_lens=LENS)
    valid = ~padding
    torch.testing.assert_close(mine[valid], y[valid])
    torch.testing.assert_close(my_weights.transpose(1, 2)[valid], weights.transpose(1, 2)[valid])


def test_cached_memory_gives_what_the_weights_give() -> None:
    heads = MultiHeadAttention(8, 2, memory_dim=5)
    query, memory = torch.randn(3, 4, 8), torch.randn(3, 7, 5)
    mask = (torch.arange(7) < LENS.unsqueeze(1)).unsqueeze(1)
    torch.testing.assert_close(
        heads.attend(query, *heads.project(memory), mask), heads(query, memory, LENS)[0]
    )


@pytest.mark.parametrize("window", [1, 3, 7, 20])
def test_blocks_equal_the_masked_whole(window: int) -> None:
    local = LocalAttention(8, 2, window)
    local.heads.window = window
    x = torch.randn(3, 11, 8)
    lens = torch.tensor([11, 6, 1])
    whole, _ = local.heads(x, memory_lens=lens)
    y = local(x, lens)
    for b, n in enumerate(lens.tolist()):
        torch.testing.assert_close(y[b, :n], whole[b, :n])


@pytest.mark.parametrize("kwargs", [{}, {"window": 2}, {"causal": True}])
def test_hybrid_block_ignores_padding(kwargs: dict[str, int]) -> None:
    block = RecurrentAttentionBlock(RecurrentStack(5, 4, 2), 2, **kwargs).eval()
    x = torch.randn(3, 7, 5)
    y, lens = block(x, LENS)
    assert y.shape == (3, 7, block.output_dim)
    for b, n in enumerate(lens.tolist()):
        torch.testing.assert_close(y[b : b + 1, :n], block(x[b : b + 1, :n], LENS[b : b + 1])[0])


def test_a_causal_hybrid_of_one_direction_sees_no_future() -> None:
    block = RecurrentAttentionBlock(
        RecurrentStack(5, 8, 1, bidirectional=False), 2, causal=True
    ).eval()
    x = torch.randn(1, 7, 5)
    changed = x.clone()
    changed[:, 5:] += 1
    lens = torch.tensor([7])
    torch.testing.assert_close(block(x, lens)[0][:, :5], block(changed, lens)[0][:, :5])


def test_gradients() -> None:
    attention = Attention(3, 4, "additive", 5).double()
    memory, query = (
        torch.randn(2, 3, 4).double().requires_grad_(),
        torch.randn(2, 2, 3).double().requires_grad_(),
    )
    lens = torch.tensor([3, 2])
    assert torch.autograd.gradcheck(
        lambda q, m: attention(q, attention.remember(m, lens))[0], (query, memory)
    )


def test_softmax_of_nothing_is_zero() -> None:
    weights = masked_softmax(
        torch.randn(2, 3), torch.tensor([[True, False, True], [False, False, False]])
    )
    assert weights[0].sum() == pytest.approx(1)
    assert not weights[1].any()


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown attention score"):
        Attention(4, 4, "cosine")
    with pytest.raises(ValueError, match="as wide as the memory"):
        Attention(4, 6, "dot")
    with pytest.raises(ValueError, match="3 heads"):
        MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match="at least 1"):
        LocalAttention(8, 2, 0)
    with pytest.raises(ValueError, match="cannot be causal"):
        RecurrentAttentionBlock(RecurrentStack(4, 4, 1), 2, window=2, causal=True)

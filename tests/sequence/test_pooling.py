"""Pooling and convolution over time against plain loops; padding never changes a result."""

from __future__ import annotations

import pytest
import torch

from asr.sequence import Pooling, RecurrentStack, TemporalConv, length_mask
from asr.sequence.pooling import POOLINGS, AttentionPooling

LENS = torch.tensor([7, 4, 1])


def batch(width: int = 6) -> torch.Tensor:
    return torch.randn(3, 7, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", POOLINGS)
def test_padding_and_batch_never_change_a_pooled_vector(kind: str) -> None:
    torch.manual_seed(0)
    pooling, x = Pooling(kind, 6), batch()
    together = pooling(x.masked_fill(~length_mask(LENS, 7).unsqueeze(-1), float("nan")), LENS)
    for row, length in enumerate(LENS.tolist()):
        alone = pooling(x[row : row + 1, :length], LENS[row : row + 1])
        torch.testing.assert_close(together[row], alone[0], atol=1e-6, rtol=0)


def test_pooled_vectors_are_what_they_say() -> None:
    x = batch()
    for row, n in enumerate(LENS.tolist()):
        valid = x[row, :n]
        torch.testing.assert_close(Pooling("mean", 6)(x, LENS)[row], valid.mean(0))
        torch.testing.assert_close(Pooling("max", 6)(x, LENS)[row], valid.amax(0))
        torch.testing.assert_close(Pooling("last", 6)(x, LENS)[row], valid[-1])
        both = torch.cat([valid[-1, :3], valid[0, 3:]])
        torch.testing.assert_close(Pooling("last", 6, bidirectional=True)(x, LENS)[row], both)


def test_attention_is_a_softmax_of_its_scores() -> None:
    torch.manual_seed(0)
    pooling, x = AttentionPooling(6, 3), batch()
    weights = pooling.weights(x, LENS)
    torch.testing.assert_close(weights.sum(1), torch.ones(3))
    assert not weights[~length_mask(LENS, 7)].any()
    scores = torch.stack([pooling.energy @ torch.tanh(pooling.hidden(step)) for step in x[1, :4]])
    torch.testing.assert_close(weights[1, :4], scores.softmax(0))


def test_last_of_both_directions_has_seen_everything() -> None:
    torch.manual_seed(0)
    stack = RecurrentStack(6, 4, num_layers=1, norm="none", residual=False)
    x = batch().requires_grad_()
    y, lens, _ = stack(x, LENS)
    Pooling("last", 8, bidirectional=True)(y, lens).sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(-1) > 0).equal(length_mask(LENS, 7))


@pytest.mark.parametrize("kind", POOLINGS)
def test_an_empty_sequence_gives_zeros(kind: str) -> None:
    pooled = Pooling(kind, 6)(batch(), torch.tensor([7, 0, 1]))
    assert pooled.isfinite().all()
    assert not pooled[1].any()


def test_unknown_pooling_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown pooling 'middle'"):
        Pooling("middle", 6)


@pytest.mark.parametrize("norm", ["layer", "batch", "none"])
def test_convolution_over_time_is_blind_to_padding(norm: str) -> None:
    torch.manual_seed(0)
    conv = TemporalConv(6, 5, (2, 1, 2), kernel_size=3, norm=norm).eval()
    x = batch()
    together, lens = conv(x.masked_fill(~length_mask(LENS, 7).unsqueeze(-1), 1e3), LENS)
    assert lens.tolist() == [2, 1, 1]
    assert conv.subsampling == 4
    for row, length in enumerate(LENS.tolist()):
        alone, _ = conv(x[row : row + 1, :length], LENS[row : row + 1])
        torch.testing.assert_close(together[row, : lens[row]], alone[0], atol=1e-6, rtol=1e-5)


def test_even_kernel_over_time_is_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        TemporalConv(1, 2, (1,), kernel_size=4)

"""Both dropouts against what they promise and against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asr.sequence import Dropout, VariationalDropout


def test_variational_dropout_has_one_mask_over_time() -> None:
    torch.manual_seed(0)
    dropped = VariationalDropout(0.4)(torch.ones(50, 9, 20))
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.6], rel=1e-4)
    assert abs(dropped.bool().float().mean().item() - 0.6) < 0.05
    assert not torch.equal(dropped[0], dropped[1])
    assert torch.equal(VariationalDropout(0.4).eval()(dropped), dropped)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.85])
def test_dropout_drops_its_share_and_keeps_the_mean(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x = torch.ones(61, 53, 101, dtype=dtype, requires_grad=True)  # not a multiple of four
    dropped = Dropout(p)(x)
    dropped.sum().backward()
    kept = (dropped != 0).double()
    assert dropped.dtype == dtype
    assert torch.equal(x.grad, dropped)
    assert dropped.detach().float().unique().tolist() == pytest.approx([0.0, 1 / (1 - p)], rel=4e-3)
    expected = (1 - p) * p / kept.numel()
    assert abs(kept.mean().item() - (1 - p)) < 4 * expected**0.5
    for lag in (1, 2, 3, 4, 5, 16):  # numbers that share 64 bits are independent too
        flat = kept.flatten() - kept.mean()
        assert abs((flat[lag:] * flat[:-lag]).mean().item()) < 5 * p * (1 - p) / kept.numel() ** 0.5


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_dropout_of_nothing_or_all_is_torchs(p: float) -> None:
    x = torch.randn(5, 7)
    assert torch.equal(Dropout(p)(x), x if p < 0.5 else torch.zeros_like(x))
    assert torch.equal(Dropout(p).eval()(x), x)


def test_dropout_is_drawn_from_torchs_generator() -> None:
    first, again, other = (
        nn.Sequential(Dropout(0.3)),
        nn.Sequential(Dropout(0.3)),
        nn.Sequential(Dropout(0.3)),
    )
    masks = []
    for seed, module in ((3, first), (3, again), (4, other)):
        torch.manual_seed(seed)
        masks.append(module(torch.ones(40, 40)))
    assert torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[0], masks[2])

"""The convolutional front end: lengths, context, and independence of padding."""

from __future__ import annotations

import pytest
import torch

from asr.sequence import ConvSubsampling
from asr.sequence.conv import subsampled_lengths


@pytest.mark.parametrize("subsampling", [1, 2, 4, 8])
@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_padding_and_batch_never_change_a_result(subsampling: int, norm: str) -> None:
    torch.manual_seed(0)
    conv = ConvSubsampling(10, channels=3, subsampling=subsampling, norm=norm).eval()
    lens = torch.tensor([21, 9, 1])
    x = torch.randn(3, 21, 10)
    together, out_lens = conv(x, lens)
    assert (
        out_lens.tolist()
        == [-(-n // subsampling) for n in lens.tolist()]
        == subsampled_lengths(lens, subsampling).tolist()
    )
    assert together.shape == (3, out_lens[0], conv.output_dim)
    for row, length in enumerate(lens.tolist()):
        alone, alone_len = conv(x[row : row + 1, :length], lens[row : row + 1])
        torch.testing.assert_close(together[row, : alone_len[0]], alone[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("subsampling", [1, 2, 4, 8])
@pytest.mark.parametrize("causal", [False, True])
def test_declared_right_context_is_the_true_one(subsampling: int, causal: bool) -> None:
    conv = ConvSubsampling(
        10, channels=3, subsampling=subsampling, norm="none", causal=causal
    ).eval()
    x = torch.randn(1, 64, 10, requires_grad=True)
    y, _ = conv(x, torch.tensor([64]))
    y[0, 3].sum().backward()
    assert x.grad is not None
    last = int(x.grad[0].abs().sum(-1).nonzero().max())
    assert last <= 3 * subsampling + conv.right_context
    assert causal == (conv.right_context == 0)


def test_unknown_subsampling_is_refused() -> None:
    with pytest.raises(ValueError, match="1, 2, 4, 8"):
        ConvSubsampling(10, subsampling=3)

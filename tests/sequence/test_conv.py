"""The convolutional front end: lengths, context, and independence of padding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from onnxruntime import InferenceSession
from torch import nn

from asr.sequence import ConvSubsampling
from asr.sequence.conv import convolve, subsampled_lengths


@pytest.mark.parametrize("stride", [(1, 1), (2, 2), (2, 1)])
@pytest.mark.parametrize("time", [0, 1])
@pytest.mark.parametrize("channels", [1, 3])
def test_convolution_equals_torch_s(channels: int, time: int, stride: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv, x = nn.Conv2d(channels, 5, 3, stride), torch.randn(2, channels, 9, 8)
    theirs = nn.Conv2d(channels, 5, 3, stride, (time, 1))
    theirs.load_state_dict(conv.state_dict())
    found = []
    for run in (lambda x: convolve(conv, x, (time, 1)), theirs):
        given = x.clone().requires_grad_()
        y = run(given)
        y.square().sum().backward()
        found.append([y, given.grad])
    found[0] += [p.grad for p in conv.parameters()]
    found[1] += [p.grad for p in theirs.parameters()]
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-5)
    assert found[0][0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("frozen", [False, True])
def test_padding_changes_nothing_in_training(frozen: bool) -> None:
    torch.manual_seed(0)
    conv = ConvSubsampling(10, channels=3)
    if frozen:  # as people do who fine-tune on little speech
        conv.norms.eval()
    for norm in conv.norms:
        norm.bias.data.uniform_(-1, 1)
    x, lens = torch.randn(2, 20, 10), torch.tensor([20, 12])
    expected = conv(x, lens)[0]
    padded = torch.cat([x, torch.randn(2, 8, 10)], 1)
    padded[1, 12:] = 100.0
    found = conv(padded, lens)[0]
    for row, length in enumerate((5, 3)):
        torch.testing.assert_close(found[row, :length], expected[row, :length])


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


@pytest.mark.filterwarnings("ignore::Warning")  # of torch, about its own exporter
@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_it_can_be_exported_for_any_length(norm: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    conv, x = ConvSubsampling(10, channels=3, norm=norm).eval(), torch.randn(1, 20, 10)
    path, axes = tmp_path / "conv.onnx", {"x": {0: "B", 1: "T"}, "lens": {0: "B"}}
    torch.onnx.export(
        conv,
        (x, torch.tensor([20])),
        path,
        input_names=["x", "lens"],
        dynamic_axes=axes,
        dynamo=False,
    )
    other, lens = torch.randn(2, 33, 10), torch.tensor([33, 21])
    (y, *_) = InferenceSession(path).run(None, {"x": other.numpy(), "lens": lens.numpy()})
    expected = conv(other, lens)[0].detach()
    torch.testing.assert_close(torch.from_numpy(y), expected, atol=1e-5, rtol=1e-5)

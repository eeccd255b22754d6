"""The backward pass in bfloat16 against torch's own LSTM in float32 and in bfloat16."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from asr.sequence.lstm import FEW, LSTM, side_by_side

T = 23


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def gradients(
    layer: nn.LSTM, B: int, bf16: bool, ours: bool, first: bool = True
) -> dict[str, Tensor]:
    """Every output and last state counts in the loss; the steps' shares differ."""
    random = torch.Generator().manual_seed(1)
    x = torch.randn(T, B, layer.input_size, generator=random).requires_grad_()
    state = tuple(
        torch.randn(1, B, layer.hidden_size, generator=random).requires_grad_() for _ in "hc"
    )
    towards = torch.randn(T, B, layer.hidden_size, generator=random)
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        run = layer if ours else super(LSTM, layer)
        y, (h, c) = run.forward(x, state if first else None)
    loss = (
        (y.float() * towards).sum()
        + 3 * (h.float() * towards[0]).sum()
        + (c.float() * towards[1]).sum()
    )
    loss.backward()
    found = {"x": x.grad, **{name: parameter.grad for name, parameter in layer.named_parameters()}}
    if first:
        found |= {"h": state[0].grad, "c": state[1].grad}
    return {name: gradient.clone() for name, gradient in found.items()}


def error(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("first", [True, False], ids=["state given", "no state"])
@pytest.mark.parametrize(
    ("B", "D", "H"), [(1, 8, 16), (5, 40, 33), (FEW - 1, 24, 130), (3, 16, 512)]
)
def test_gradients_equal_torch_in_float32_as_well_as_its_own_bfloat16_does(
    B: int, D: int, H: int, first: bool
) -> None:
    torch.manual_seed(0)
    layer = LSTM(D, H)
    exact = gradients(layer, B, bf16=False, ours=False, first=first)
    theirs = gradients(layer, B, bf16=True, ours=False, first=first)
    ours = gradients(layer, B, bf16=True, ours=True, first=first)
    for name, expected in exact.items():
        assert (ours[name].shape, ours[name].dtype) == (expected.shape, expected.dtype)
        assert error(ours[name], expected) < max(0.012, 1.2 * error(theirs[name], expected)), name


def test_few_sequences_take_our_backward_pass_and_nothing_else_does() -> None:
    layer = LSTM(4, 6)

    def node(B: int, **autocast: object) -> str:
        with torch.autocast("cpu", **{"dtype": torch.bfloat16, **autocast}):  # type: ignore[arg-type]
            return layer(torch.randn(3, B, 4))[0].grad_fn.__class__.__name__

    assert "_Bf16" in node(FEW - 1)
    for other in (node(FEW), node(2, enabled=False)):
        assert "_Bf16" not in other
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert not layer(torch.randn(3, 2, 4))[0].requires_grad


def test_float32_is_torch_to_the_last_bit() -> None:
    torch.manual_seed(0)
    layer = LSTM(5, 7)
    theirs, ours = (gradients(layer, 3, bf16=False, ours=ours) for ours in (False, True))
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)


@pytest.mark.usefixtures("threads")
def test_side_by_side_is_one_after_the_other() -> None:
    torch.manual_seed(0)
    layers, inputs = (
        [LSTM(6, 20), LSTM(6, 20)],
        [torch.randn(T, 5, 6, requires_grad=True) for _ in range(2)],
    )

    def found(together: bool) -> list[Tensor]:
        for leaf in (*inputs, *(p for layer in layers for p in layer.parameters())):
            leaf.grad = None
        with torch.autocast("cpu", torch.bfloat16):
            done = (
                side_by_side(layers, inputs)
                if together
                else [run(x) for run, x in zip(layers, inputs, strict=True)]
            )
        sum(
            (n + 1) * y.float().square().sum() + c.float().sum()
            for n, (y, (_, c)) in enumerate(done)
        ).backward()
        return [
            leaf.grad for leaf in (*inputs, *(p for layer in layers for p in layer.parameters()))
        ]

    assert all(torch.equal(a, b) for a, b in zip(found(True), found(False), strict=True))


def test_threads_change_nothing() -> None:
    torch.manual_seed(0)
    layer, found = LSTM(20, 48), []
    before = torch.get_num_threads()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(gradients(layer, 11, bf16=True, ours=True))
    torch.set_num_threads(before)
    for other in found[1:]:
        for name, gradient in found[0].items():
            torch.testing.assert_close(other[name], gradient, atol=2e-3, rtol=2e-2)


def test_what_is_not_a_number_stays_it() -> None:
    x = torch.randn(5, 2, 8)
    x[2, 1, 3] = torch.nan
    with torch.autocast("cpu", torch.bfloat16):
        y, (h, c) = LSTM(8, 40)(x)
    assert y[:2].isfinite().all()
    assert y[:, 0].isfinite().all()
    assert y[2:, 1].isnan().all()
    assert h[0, 1].isnan().all()
    assert c[0, 1].isnan().all()

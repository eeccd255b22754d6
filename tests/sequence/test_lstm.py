"""Our step, in both precisions, against torch's own LSTM.

What asks torch for bfloat16 is skipped where it has none.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn

from asr.sequence import lstm
from asr.sequence.lstm import FEW, LSTM, has_bf16, own_step, side_by_side
from asr.sequence.recurrent import RecurrentStack

T = 23
ERROR = {
    torch.float32: 2e-5,
    torch.bfloat16: 0.015,
}  # relative, of a gradient of our step against torch in float32
SHAPES = [(1, 8, 16), (5, 40, 33), (2, 12, 50), (FEW - 1, 24, 130), (3, 16, 512)]  # B, D, H

needs_bf16 = pytest.mark.skipif(
    not has_bf16(), reason="this processor trains no LSTM in bfloat16 (its twin ran)"
)
both = pytest.mark.parametrize("dtype", ERROR, ids=["float32", "bfloat16"])


@pytest.fixture
def no_bf16(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a processor with AVX2 only: torch refuses what it refuses there."""
    torch_lstm = lstm.torch_lstm

    def refuse(layer: nn.LSTM, x: Tensor, *rest: object) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if torch.is_autocast_enabled("cpu") or x.dtype == torch.bfloat16:
            raise RuntimeError("could not create a primitive descriptor")
        return torch_lstm(layer, x, *rest)

    monkeypatch.setattr(lstm, "torch_lstm", refuse)
    monkeypatch.setattr(lstm, "has_bf16", functools.cache(has_bf16.__wrapped__))
    monkeypatch.setattr("asr.sequence.recurrent.has_bf16", lstm.has_bf16)


@pytest.fixture(params=[1, 2], ids=["one thread", "two threads"])
def threads(request: pytest.FixtureRequest) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def gradients(
    layer: LSTM, B: int, own: torch.dtype | None = None, bf16: bool = False, first: bool = True
) -> dict[str, Tensor]:
    """Every output and last state counts in the loss; the steps' shares differ.

    Args:
        layer: whose gradients.
        B: sequences.
        own: our step with products in it; None is torch's.
        bf16: torch's in bfloat16.
        first: whether a first state is given.
    """
    random = torch.Generator().manual_seed(1)
    x = torch.randn(T, B, layer.input_size, generator=random).requires_grad_()
    state = tuple(
        torch.randn(1, B, layer.hidden_size, generator=random).requires_grad_() for _ in "hc"
    )
    towards = torch.randn(T, B, layer.hidden_size, generator=random)
    layer.zero_grad()
    given = state if first else None
    if own is not None:
        y, (h, c) = own_step([layer], [x], [given], own)[0]
    else:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            y, (h, c) = super(LSTM, layer).forward(x, given)
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


@both
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("first", [True, False], ids=["state given", "no state"])
@pytest.mark.parametrize(("B", "D", "H"), SHAPES)
def test_gradients_equal_torch_in_float32(
    B: int, D: int, H: int, first: bool, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    layer = LSTM(D, H)
    exact, ours = (gradients(layer, B, own, first=first) for own in (None, dtype))
    for name, expected in exact.items():
        assert (ours[name].shape, ours[name].dtype) == (expected.shape, expected.dtype)
        assert error(ours[name], expected) < ERROR[dtype], name


@needs_bf16
@pytest.mark.parametrize(("B", "D", "H"), SHAPES)
def test_our_bfloat16_is_as_exact_as_torch_s_own(B: int, D: int, H: int) -> None:
    torch.manual_seed(0)
    layer = LSTM(D, H)
    exact, theirs = (gradients(layer, B, bf16=bf16) for bf16 in (False, True))
    ours = gradients(layer, B, torch.bfloat16)
    for name, expected in exact.items():
        assert error(ours[name], expected) < max(0.012, 1.2 * error(theirs[name], expected)), name


@both
def test_outputs_equal_torch_in_float32(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer, x = LSTM(9, 40), torch.randn(T, 5, 9)
    state = (torch.randn(1, 5, 40), torch.randn(1, 5, 40))
    (y, (h, c)), (theirs, last) = own_step([layer], [x], [state], dtype)[0], layer(x, state)
    for given, expected in ((y, theirs), (h, last[0]), (c, last[1])):
        assert given.dtype == dtype
        assert error(given.detach().float(), expected.detach()) < ERROR[dtype]


def node(layer: LSTM, B: int, **autocast: object) -> str:
    with torch.autocast("cpu", **{"dtype": torch.bfloat16, **autocast}):  # type: ignore[arg-type]
        return layer(torch.randn(3, B, 4))[0].grad_fn.__class__.__name__


@needs_bf16
def test_in_bfloat16_few_sequences_take_our_step() -> None:
    layer = LSTM(4, 6)
    assert "_OwnStep" in node(layer, FEW - 1)
    assert "_OwnStep" not in node(layer, FEW)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert not layer(torch.randn(3, 2, 4))[0].requires_grad


@pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
def test_in_float32_few_sequences_take_our_step_with_avx2(
    capability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(lstm, "_gains_in_float32", lstm._gains_in_float32.__wrapped__)
    layer = LSTM(4, 6)
    assert ("_OwnStep" in node(layer, FEW - 1, enabled=False)) == (capability == "AVX2")
    assert "_OwnStep" not in node(layer, FEW, enabled=False)
    assert "_OwnStep" not in layer.double()(torch.randn(3, 2, 4).double())[0].grad_fn.name()


@pytest.mark.usefixtures("no_bf16")
@pytest.mark.parametrize("B", [2, FEW])
def test_without_bfloat16_autocast_leaves_float32_as_it_is(B: int) -> None:
    assert not lstm.has_bf16()
    torch.manual_seed(0)
    stack, x, lens = RecurrentStack(4, 6, num_layers=2), torch.randn(B, 7, 4), torch.full((B,), 7)
    expected, found = [], []
    for bf16, results in ((False, expected), (True, found)):
        stack.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            y = stack(x, lens)[0]
        y.square().sum().backward()
        results += [y, *(p.grad.clone() for p in stack.parameters())]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    with (
        torch.inference_mode(),
        torch.autocast("cpu", torch.bfloat16),
    ):  # oneDNN's kernel there is another one
        torch.testing.assert_close(stack(x, lens)[0], expected[0].detach(), atol=1e-5, rtol=0)


@pytest.mark.parametrize("refused", [False, True])
def test_asking_for_bfloat16_leaves_no_trace(refused: bool, request: pytest.FixtureRequest) -> None:
    if refused:
        request.getfixturevalue("no_bf16")
    lstm.has_bf16.cache_clear()
    before = torch.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", enabled=False):
        answer = lstm.has_bf16()
        assert torch.is_inference_mode_enabled()
        assert not torch.is_autocast_enabled("cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert answer == (not refused and has_bf16())


def test_without_gradients_it_is_torch_to_the_last_bit() -> None:
    torch.manual_seed(0)
    layer, x = LSTM(5, 7), torch.randn(T, 3, 5)
    with torch.no_grad():
        (y, _), (theirs, _) = layer(x), nn.LSTM.forward(layer, x)
    assert torch.equal(y, theirs)


@both
@pytest.mark.usefixtures("threads")
def test_side_by_side_is_one_after_the_other(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layers, inputs = (
        [LSTM(6, 20), LSTM(6, 20)],
        [torch.randn(T, 5, 6, requires_grad=True) for _ in range(2)],
    )

    def found(together: bool) -> list[Tensor]:
        for leaf in (*inputs, *(p for layer in layers for p in layer.parameters())):
            leaf.grad = None
        if together:
            done = own_step(layers, inputs, [None, None], dtype)
        else:
            done = [
                own_step([run], [x], [None], dtype)[0]
                for run, x in zip(layers, inputs, strict=True)
            ]
        sum(
            (n + 1) * y.float().square().sum() + c.float().sum()
            for n, (y, (_, c)) in enumerate(done)
        ).backward()
        return [
            leaf.grad for leaf in (*inputs, *(p for layer in layers for p in layer.parameters()))
        ]

    assert all(torch.equal(a, b) for a, b in zip(found(True), found(False), strict=True))


@needs_bf16
def test_side_by_side_takes_our_step_under_autocast() -> None:
    torch.manual_seed(0)
    layers, inputs = [LSTM(6, 20), LSTM(6, 20)], [torch.randn(T, 5, 6) for _ in range(2)]
    with torch.autocast("cpu", torch.bfloat16):
        done = side_by_side(layers, inputs)
    expected = own_step(layers, inputs, [None, None], torch.bfloat16)
    assert all(torch.equal(y, z) for (y, _), (z, _) in zip(done, expected, strict=True))


@both
def test_threads_change_nothing(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer, found = LSTM(20, 48), []
    before = torch.get_num_threads()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        found.append(gradients(layer, 11, dtype))
    torch.set_num_threads(before)
    for other in found[1:]:
        for name, gradient in found[0].items():
            torch.testing.assert_close(other[name], gradient, atol=2e-3, rtol=2e-2)


@both
def test_what_is_not_a_number_stays_it(dtype: torch.dtype) -> None:
    x = torch.randn(5, 2, 8)
    x[2, 1, 3] = torch.nan
    y, (h, c) = own_step([LSTM(8, 40)], [x], [None], dtype)[0]
    assert y[:2].isfinite().all()
    assert y[:, 0].isfinite().all()
    assert y[2:, 1].isnan().all()
    assert h[0, 1].isnan().all()
    assert c[0, 1].isnan().all()


@both
@pytest.mark.parametrize(
    ("x", "h", "c", "said"),
    [
        ((4, 6, 7), (1, 6, 8), (1, 6, 8), "Expected 5, got 7"),
        ((4, 6, 5), (1, 3, 8), (1, 3, 8), r"Expected hidden\[0\] size \(1, 6, 8\)"),
        ((4, 6, 5), (1, 1, 8), (1, 1, 8), r"Expected hidden\[0\] size \(1, 6, 8\)"),
        ((4, 6, 5), (1, 6, 8), (1, 1, 1), r"Expected hidden\[1\] size \(1, 6, 8\)"),
        ((4, 6, 5), (2, 6, 8), (2, 6, 8), r"Expected hidden\[0\] size \(1, 6, 8\)"),
    ],
)
def test_other_shapes_are_refused_in_torch_s_words(
    x: tuple[int, ...], h: tuple[int, ...], c: tuple[int, ...], said: str, dtype: torch.dtype
) -> None:
    with pytest.raises(RuntimeError, match=said):
        own_step([LSTM(5, 8)], [torch.randn(x)], [(torch.randn(h), torch.randn(c))], dtype)


@pytest.fixture
def own_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lstm, "_gains_in_float32", lambda: True)


@pytest.mark.usefixtures("own_in_float32")
def test_empty_batches_are_torch_s() -> None:
    layer, x = LSTM(5, 8), torch.randn(4, 0, 5)
    y, _ = layer(x)
    y.sum().backward()
    assert y.shape == (4, 0, 8)
    with pytest.raises(RuntimeError, match="larger than 0"):
        layer(torch.randn(0, 2, 5))


@pytest.mark.filterwarnings("ignore::Warning")  # of torch, about its own exporter
@pytest.mark.usefixtures("own_in_float32")
def test_a_traced_layer_keeps_its_weights_and_any_length(tmp_path: Path) -> None:
    """Of a module in training, with gradients, as people trace it who do not know better."""
    torch.manual_seed(0)
    layer, x = LSTM(5, 8), torch.randn(4, 6, 5)
    traced = torch.jit.trace(layer, x)
    exported = torch.export.export(layer, (x,)).module()
    path = tmp_path / "lstm.onnx"
    axes = {"x": {0: "T"}}
    torch.onnx.export(layer, (x,), path, input_names=["x"], dynamic_axes=axes, dynamo=False)
    session = InferenceSession(path)
    assert "_OwnStep" in str(layer(x)[0].grad_fn)
    for run in (traced, exported):
        torch.testing.assert_close(run(x)[0], layer(x)[0])
    longer = torch.randn(9, 6, 5)
    (y, *_) = session.run(None, {"x": longer.numpy()})
    torch.testing.assert_close(torch.from_numpy(y), layer(longer)[0].detach(), atol=1e-5, rtol=0)


@pytest.mark.usefixtures("own_in_float32")
def test_other_weights_can_stand_in() -> None:
    torch.manual_seed(0)
    layer, other, x = LSTM(5, 8), LSTM(5, 8), torch.randn(4, 6, 5)
    y, _ = torch.func.functional_call(layer, dict(other.named_parameters()), x)
    torch.testing.assert_close(y, other(x)[0])

"""torch.nn.LSTM, trained faster on processors. Legend: B batch, T steps, D input, H hidden.

The input's share of the gates and every gradient of weights and inputs are one product over all
steps, in bfloat16 or in float32; what has to go step by step runs in compiled loops, in float32
(asr/sequence/lstm_kernels.py). oneDNN's LSTM, which torch uses, is as slow in its backward pass in
bfloat16 as in float32. In float32 it runs at the pace of its products: with AVX2 numpy's BLAS and
our own loop are faster, with AVX-512 they are not. Figures: benchmarks/sequence/README.md. Where
many sequences are side by side, oneDNN is as fast and is used. A processor that cannot train in
bfloat16 (with AVX2 only) computes in float32.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from asr.sequence.threads import in_threads, over_batch
from asr.sequence.tracing import is_tracing

__all__ = ["LSTM", "has_bf16", "own_step", "side_by_side"]

FEW = 12  # sequences side by side from which oneDNN is as fast
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
torch_lstm: Callable[..., tuple[Tensor, tuple[Tensor, Tensor]]] = nn.LSTM.forward


@functools.cache
def has_bf16() -> bool:
    """Return whether this processor trains an LSTM in bfloat16: tried once, with a step of a small
    one.

    oneDNN has no such kernel for processors with AVX2 only, and torch raises a RuntimeError there.
    """
    # the caller's random numbers, autocast and inference mode must not see the trial, nor change it
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        layer, x = nn.LSTM(8, 8), torch.ones(2, 1, 8)
        try:
            with torch.autocast("cpu", torch.bfloat16):
                y, _ = torch_lstm(layer, x)
            y.float().sum().backward()  # type: ignore[no-untyped-call]
        except RuntimeError:
            return False
    return True


class LSTM(nn.LSTM):
    """One layer of ``torch.nn.LSTM``, time-major: the same parameters, the same results but for
    rounding, faster in training.

    On other devices, in inference (without gradients) and while tracing, torch's implementation
    runs.

    Args:
        input_size: D.
        hidden_size: H.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(T, B, D), (h, c) of (1, B, H) each -> (T, B, H), (h, c) after the last step."""
        dtype = _own_dtype(x)
        if dtype is not None:
            return own_step([self], [x], [state], dtype)[0]
        if not _autocast_to_bf16(x) or has_bf16():
            return torch_lstm(self, x, state)
        with torch.autocast("cpu", enabled=False):
            return torch_lstm(
                self, x.float(), None if state is None else (state[0].float(), state[1].float())
            )


def side_by_side(
    layers: Sequence[LSTM],
    inputs: Sequence[Tensor],
    states: Sequence[tuple[Tensor, Tensor] | None] | None = None,
) -> list[tuple[Tensor, tuple[Tensor, Tensor]]]:
    """Run layers, each on an input of its own, all of one shape: the same as one after the other,
    in threads.
    """
    states = states or [None] * len(layers)
    dtypes = set(map(_own_dtype, inputs))
    dtype = dtypes.pop()
    if dtype is not None and not dtypes:
        return own_step(layers, inputs, states, dtype)
    return [layer(x, state) for layer, x, state in zip(layers, inputs, states, strict=True)]


def own_step(
    layers: Sequence[LSTM],
    inputs: Sequence[Tensor],
    states: Sequence[tuple[Tensor, Tensor] | None],
    dtype: torch.dtype,
) -> list[tuple[Tensor, tuple[Tensor, Tensor]]]:
    """Run layers as :func:`side_by_side` does, always by our implementation, never by torch's.

    Args:
        layers: of one shape.
        inputs: (T, B, D) each, on the processor.
        states: (h, c) of (1, B, H) each; None is zeros.
        dtype: of the products over all steps, ``torch.bfloat16`` or ``torch.float32``.

    Raises:
        RuntimeError: an input or a state is of another shape than the layer's.
    """
    arguments: list[Tensor] = []
    for layer, x, state in zip(layers, inputs, states, strict=True):
        zeros = x.new_zeros(1, x.size(1), layer.hidden_size)
        given = state or (zeros, zeros)
        layer.check_forward_args(x, given, None)
        arguments += (x, *given)
        arguments += (
            getattr(layer, f"{name}_l0")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
    outputs = _OwnStep.apply(dtype, *arguments)  # type: ignore[no-untyped-call]
    return [(outputs[n], (outputs[n + 1], outputs[n + 2])) for n in range(0, len(outputs), 3)]


def _own_dtype(x: Tensor) -> torch.dtype | None:
    """Return the precision of our own step for an input (T, B, D), None where torch's is taken."""
    is_batch = x.device.type == "cpu" and x.dim() == 3 and 0 < x.size(1) < FEW and len(x) > 0
    if not is_batch or not torch.is_grad_enabled() or is_tracing(x):
        return None
    low = _autocast_to_bf16(x)
    if low and has_bf16():
        return torch.bfloat16
    plain = x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
    return torch.float32 if (low or plain) and _gains_in_float32() else None


@functools.cache
def _gains_in_float32() -> bool:
    """Return whether this processor is one on which oneDNN is slower: with AVX2, not AVX-512."""
    return bool(torch.backends.cpu.get_cpu_capability() == "AVX2")


def _autocast_to_bf16(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


class _OwnStep(torch.autograd.Function):
    """The dtype, then seven arguments a layer, see :func:`own_step`; three results each: outputs
    and last state.
    """

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *arguments: Tensor) -> tuple[Tensor, ...]:
        from asr.sequence import lstm_kernels  # numba takes a second to import

        ctx.dtype = dtype
        saved, calls = list[tuple[Tensor, ...]](), []
        with torch.autocast("cpu", enabled=False):
            layers = [arguments[n : n + 7] for n in range(0, len(arguments), 7)]
            inputs = [(x.to(dtype).flatten(0, 1), w_ih.to(dtype)) for x, _, _, w_ih, *_ in layers]
            gates_of = _each(dtype, lambda pair: _product(pair[0], pair[1].t()).float(), inputs)
            for (_, first_h, first_c, _, w_hh, b_ih, b_hh), (x, w_ih), gates in zip(
                layers, inputs, gates_of, strict=True
            ):
                _, B, H = first_h.shape
                T = len(gates) // B
                gates, w_hh = gates.view(T, B, 4 * H), w_hh.float()
                h, c, squashed = (torch.empty(steps, B, H) for steps in (T + 1, T + 1, T))
                h[0], c[0] = first_h[0], first_c[0]
                bias = (b_ih + b_hh).float()
                packed = lstm_kernels.pack_columns(w_hh.t().numpy())
                calls.append((*_arrays(gates, bias, h, c, squashed), packed))
                saved.append((x, gates, h, c, squashed, w_ih, w_hh))
            over_batch(lstm_kernels.forward, B, calls, together=lstm_kernels.ROWS)
            results = list[Tensor]()
            for n, (x, gates, h, c, squashed, w_ih, w_hh) in enumerate(saved):
                low = h.to(dtype)
                saved[n] = (x, gates, low, c, squashed, w_ih, w_hh)
                results += (low[1:], low[-1:], c[-1:].to(dtype))
        ctx.save_for_backward(*itertools.chain(*saved))
        return tuple(results)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        from asr.sequence import lstm_kernels

        tensors = ctx.saved_tensors  # asked once: checkpointing hands them out once
        saved = [tensors[n : n + 7] for n in range(0, len(tensors), 7)]
        found, calls = list[tuple[Tensor, Tensor, Tensor]](), []
        with torch.autocast("cpu", enabled=False):
            for n, (_, gates, _, c, squashed, _, w_hh) in enumerate(saved):
                dy, dh, dc = upstream[3 * n : 3 * n + 3]
                gradients, dh, dc = torch.empty_like(gates), _float_copy(dh[0]), _float_copy(dc[0])
                states = _arrays(gradients, gates, c, squashed, dy.float().contiguous(), dh, dc)
                calls.append((*states, lstm_kernels.pack_columns(w_hh.numpy())))
                found.append((gradients, dh, dc))
            over_batch(lstm_kernels.backward, len(found[0][1]), calls, together=lstm_kernels.ROWS)

            def of_layer(number: int) -> tuple[Tensor, ...]:
                (x, _, h, _, _, w_ih, _), (gradients, dh, dc) = saved[number], found[number]
                rows = gradients.flatten(0, 1)
                low, before = rows.to(ctx.dtype), h[:-1].flatten(0, 1)
                dx = _product(low, w_ih).view(*gradients.shape[:2], -1)
                dw_ih, dw_hh = _product(low.t(), x), _product(low.t(), before)
                db = rows.sum(0)
                return dx, dh[None], dc[None], dw_ih, dw_hh, db, db

            results = _each(ctx.dtype, of_layer, range(len(saved)))
        return None, *itertools.chain(*results)


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Return the matrix product a @ b (GEMM): of numpy's BLAS in float32, of torch otherwise."""
    if a.dtype != torch.float32:
        return a @ b
    return torch.from_numpy(a.detach().numpy() @ b.detach().numpy())


def _each(
    dtype: torch.dtype, function: Callable[[_Item], _Result], items: Sequence[_Item]
) -> list[_Result]:
    """Return the function of each item: in threads where each product stays on its own."""
    return in_threads(function, items) if dtype == torch.float32 else list(map(function, items))


def _float_copy(tensor: Tensor) -> Tensor:
    return tensor.to(
        torch.float32, copy=True, memory_format=torch.contiguous_format
    )  # the loops write into it


def _arrays(*tensors: Tensor) -> Iterator[Any]:
    return (tensor.numpy() for tensor in tensors)

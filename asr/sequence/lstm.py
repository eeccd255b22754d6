"""torch.nn.LSTM, faster in bfloat16 on processors. Legend: B batch, T steps, D input, H hidden.

oneDNN's LSTM reads forward in bfloat16 two to three times as fast as in float32, but its backward
pass takes as long as before, or longer where few sequences are side by side: every step updates the
gradients of all weights for its B rows. Here the input's share of the gates and every gradient of
weights and inputs are one product over all steps, in bfloat16; what has to go step by step runs in
compiled loops, in float32 (asr/sequence/lstm_kernels.py). Figures: benchmarks/sequence/README.md.
Where many sequences are side by side, oneDNN is as fast and is used; likewise where OpenBLAS lacks
the small products that those loops live on. Where oneDNN has no LSTM in bfloat16 (processors with
AVX2 only), it is computed in float32.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import torch
from threadpoolctl import threadpool_info
from torch import Tensor, nn

from asr.sequence.threads import over_batch

__all__ = ["LSTM", "has_bf16", "has_small_products", "own_step", "side_by_side"]

FEW = 12  # sequences side by side from which oneDNN is as fast
# OpenBLAS's names of the processors (with AVX-512, Intel's and AMD's) for which it has kernels for
# small matrix products. With its other kernels our step takes two to three times as long as
# oneDNN's LSTM.
SMALL_PRODUCTS = {"SkylakeX", "Cooperlake", "SapphireRapids"}
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


@functools.cache
def has_small_products() -> bool:
    """Return whether every OpenBLAS in this process multiplies small matrices without packing."""
    libraries = [one for one in threadpool_info() if one["internal_api"] == "openblas"]
    return bool(libraries) and all(one["architecture"] in SMALL_PRODUCTS for one in libraries)


class LSTM(nn.LSTM):
    """One layer of ``torch.nn.LSTM``, time-major: the same parameters, the same results, a faster
    step in bfloat16.

    What torch does stays as it is in float32, on other devices, and without gradients.
    """

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(T, B, D), (h, c) of (1, B, H) each -> (T, B, H), (h, c) after the last step."""
        if _ours(x):
            return own_step([self], [x], [state], torch.bfloat16)[0]
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
    if all(map(_ours, inputs)):
        return own_step(layers, inputs, states, torch.bfloat16)
    return [layer(x, state) for layer, x, state in zip(layers, inputs, states, strict=True)]


def own_step(
    layers: Sequence[LSTM],
    inputs: Sequence[Tensor],
    states: Sequence[tuple[Tensor, Tensor] | None],
    dtype: torch.dtype,
) -> list[tuple[Tensor, tuple[Tensor, Tensor]]]:
    """Run layers as :func:`side_by_side` does, always through our own step, with its products in
    ``dtype``.

    Args:
        layers: of one shape.
        inputs: (T, B, D) each, on the processor.
        states: (h, c) of (1, B, H) each; None is zeros.
        dtype: ``torch.bfloat16``, or ``torch.float32``, in which torch is faster: for comparison.
    """
    arguments: list[Tensor] = []
    for layer, x, state in zip(layers, inputs, states, strict=True):
        zeros = x.new_zeros(1, x.size(1), layer.hidden_size)
        arguments += (x, *(state or (zeros, zeros)))
        arguments += (
            layer.get_parameter(f"{name}_l0")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
    outputs = _OwnStep.apply(dtype, *arguments)  # type: ignore[no-untyped-call]
    return [(outputs[n], (outputs[n + 1], outputs[n + 2])) for n in range(0, len(outputs), 3)]


def _ours(x: Tensor) -> bool:
    return (
        _autocast_to_bf16(x)
        and x.size(1) < FEW
        and torch.is_grad_enabled()
        and has_bf16()
        and has_small_products()
    )


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
        kernels, ctx.dtype = _kernels(), dtype
        saved, calls = list[tuple[Tensor, ...]](), []
        with torch.autocast("cpu", enabled=False):
            for n in range(0, len(arguments), 7):
                x, first_h, first_c, w_ih, w_hh, b_ih, b_hh = arguments[n : n + 7]
                (T, B, D), H = x.shape, w_hh.size(1)
                x, w_ih, w_hh = x.to(dtype), w_ih.to(dtype), w_hh.float()
                gates = (
                    torch.addmm((b_ih + b_hh).to(dtype), x.reshape(T * B, D), w_ih.t())
                    .float()
                    .view(T, B, 4 * H)
                )
                h, c, squashed = (
                    torch.empty(T + 1, B, H),
                    torch.empty(T + 1, B, H),
                    torch.empty(T, B, H),
                )
                h[0], c[0] = first_h[0], first_c[0]
                calls.append((*_arrays(gates, h, c, squashed), kernels.blocks(w_hh.t().numpy())))
                saved.append((x, gates, h, c, squashed, w_ih, w_hh))
            over_batch(kernels.forward, B, calls, together=kernels.ROWS)
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
        kernels, tensors = (
            _kernels(),
            ctx.saved_tensors,
        )  # asked once: checkpointing hands them out once
        saved = [tensors[n : n + 7] for n in range(0, len(tensors), 7)]
        found, calls = list[tuple[Tensor, Tensor, Tensor]](), []
        with torch.autocast("cpu", enabled=False):
            for n, (_, gates, _, c, squashed, _, w_hh) in enumerate(saved):
                dy, dh, dc = upstream[3 * n : 3 * n + 3]
                gradients, dh, dc = torch.empty_like(gates), _float_copy(dh[0]), _float_copy(dc[0])
                states = _arrays(gradients, gates, c, squashed, dy.float().contiguous(), dh, dc)
                calls.append((*states, kernels.blocks(w_hh.numpy())))
                found.append((gradients, dh, dc))
            over_batch(kernels.backward, len(found[0][1]), calls, together=kernels.ROWS)
            results = list[Tensor]()
            for (x, _, h, _, _, w_ih, _), (gradients, dh, dc) in zip(saved, found, strict=True):
                T, B, D = x.shape
                gradients = gradients.view(T * B, -1)
                low = gradients.to(ctx.dtype)
                dw_ih, dw_hh = low.t() @ x.reshape(T * B, D), low.t() @ h[:-1].view(T * B, -1)
                db = gradients.sum(0)
                results += ((low @ w_ih).view(T, B, D), dh[None], dc[None], dw_ih, dw_hh, db, db)
        return None, *results


def _float_copy(tensor: Tensor) -> Tensor:
    return tensor.to(
        torch.float32, copy=True, memory_format=torch.contiguous_format
    )  # the loops write into it


def _arrays(*tensors: Tensor) -> Iterator[Any]:
    return (tensor.numpy() for tensor in tensors)


def _kernels() -> ModuleType:
    from asr.sequence import lstm_kernels  # numba takes a second to import

    return lstm_kernels

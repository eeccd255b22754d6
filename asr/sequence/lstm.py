"""torch.nn.LSTM, faster in bfloat16 on processors. Legend: B batch, T steps, D input, H hidden.

oneDNN's LSTM reads forward in bfloat16 two to three times as fast as in float32, but its backward
pass takes as long as before, or longer where few sequences are side by side: every step updates the
gradients of all weights for its B rows. Here the input's share of the gates and every gradient of
weights and inputs are one product over all steps, in bfloat16; what has to go step by step runs in
compiled loops, in float32 (asr/sequence/lstm_kernels.py). Figures: benchmarks/sequence/README.md.
Where many sequences are side by side, oneDNN is as fast and is used.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from asr.sequence.threads import over_batch

__all__ = ["LSTM", "side_by_side"]

FEW = 12  # sequences side by side from which oneDNN is as fast
torch_lstm: Callable[..., tuple[Tensor, tuple[Tensor, Tensor]]] = nn.LSTM.forward


class LSTM(nn.LSTM):
    """One layer of ``torch.nn.LSTM``, time-major: the same parameters, the same results, a faster
    step in bfloat16.

    What torch does stays as it is in float32, on other devices, and without gradients.
    """

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(T, B, D), (h, c) of (1, B, H) each -> (T, B, H), (h, c) after the last step."""
        return side_by_side([self], [x], [state])[0] if _ours(x) else torch_lstm(self, x, state)


def side_by_side(
    layers: Sequence[LSTM],
    inputs: Sequence[Tensor],
    states: Sequence[tuple[Tensor, Tensor] | None] | None = None,
) -> list[tuple[Tensor, tuple[Tensor, Tensor]]]:
    """Run layers, each on an input of its own, all of one shape: the same as one after the other,
    in threads.
    """
    states = states or [None] * len(layers)
    if not all(map(_ours, inputs)):
        return [layer(x, state) for layer, x, state in zip(layers, inputs, states, strict=True)]
    arguments: list[Tensor] = []
    for layer, x, state in zip(layers, inputs, states, strict=True):
        zeros = x.new_zeros(1, x.size(1), layer.hidden_size)
        arguments += (x, *(state or (zeros, zeros)))
        arguments += (
            layer.get_parameter(f"{name}_l0")
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
    outputs = _Bf16.apply(*arguments)  # type: ignore[no-untyped-call]
    return [(outputs[n], (outputs[n + 1], outputs[n + 2])) for n in range(0, len(outputs), 3)]


def _ours(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.size(1) < FEW
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


class _Bf16(torch.autograd.Function):
    """Seven arguments a layer, see :func:`side_by_side`; three results each: outputs and last
    state.
    """

    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> tuple[Tensor, ...]:
        kernels = _kernels()
        saved, calls = list[tuple[Tensor, ...]](), []
        with torch.autocast("cpu", enabled=False):
            for n in range(0, len(arguments), 7):
                x, first_h, first_c, w_ih, w_hh, b_ih, b_hh = arguments[n : n + 7]
                (T, B, D), H = x.shape, w_hh.size(1)
                x, w_ih, w_hh = x.bfloat16(), w_ih.bfloat16(), w_hh.float()
                gates = (
                    torch.addmm((b_ih + b_hh).bfloat16(), x.reshape(T * B, D), w_ih.t())
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
                low = h.bfloat16()
                saved[n] = (x, gates, low, c, squashed, w_ih, w_hh)
                results += (low[1:], low[-1:], c[-1:].bfloat16())
        ctx.save_for_backward(*itertools.chain(*saved))
        return tuple(results)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor, ...]:
        kernels, tensors = (
            _kernels(),
            ctx.saved_tensors,
        )  # asked once: checkpointing hands them out once
        saved = [tensors[n : n + 7] for n in range(0, len(tensors), 7)]
        found, calls = list[tuple[Tensor, Tensor, Tensor]](), []
        with torch.autocast("cpu", enabled=False):
            for n, (_, gates, _, c, squashed, _, w_hh) in enumerate(saved):
                dy, dh, dc = upstream[3 * n : 3 * n + 3]
                gradients, dh, dc = torch.empty_like(gates), dh[0].float(), dc[0].float()
                states = _arrays(gradients, gates, c, squashed, dy.float().contiguous(), dh, dc)
                calls.append((*states, kernels.blocks(w_hh.numpy())))
                found.append((gradients, dh, dc))
            over_batch(kernels.backward, len(found[0][1]), calls, together=kernels.ROWS)
            results = list[Tensor]()
            for (x, _, h, _, _, w_ih, _), (gradients, dh, dc) in zip(saved, found, strict=True):
                T, B, D = x.shape
                gradients = gradients.view(T * B, -1)
                low = gradients.bfloat16()
                dw_ih, dw_hh = low.t() @ x.reshape(T * B, D), low.t() @ h[:-1].view(T * B, -1)
                db = gradients.sum(0)
                results += ((low @ w_ih).view(T, B, D), dh[None], dc[None], dw_ih, dw_hh, db, db)
        return tuple(results)


def _arrays(*tensors: Tensor) -> Iterator[Any]:
    return (tensor.numpy() for tensor in tensors)


def _kernels() -> ModuleType:
    from asr.sequence import lstm_kernels  # numba takes a second to import

    return lstm_kernels

"""torch.nn.LSTM, faster in bfloat16 on processors. Legend: B batch, T steps, D input, H hidden.

oneDNN's LSTM reads forward in bfloat16 two to three times as fast as in float32, but its backward pass takes as long
as before, or longer where few sequences are side by side: every step updates the gradients of all weights for its B
rows. Here the input's share of the gates and every gradient of weights and inputs are one product over all steps, in
bfloat16; what has to go step by step runs in compiled loops, in float32 (asr/sequence/lstm_kernels.py). Figures:
benchmarks/sequence/README.md. Where many sequences are side by side, oneDNN is as fast and is used.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from asr.sequence.threads import over_batch

__all__ = ["LSTM"]

FEW = 12  # sequences side by side from which oneDNN is as fast
torch_lstm: Callable[..., tuple[Tensor, tuple[Tensor, Tensor]]] = nn.LSTM.forward


class LSTM(nn.LSTM):
    """One layer of ``torch.nn.LSTM``, time-major: the same parameters, the same results, a faster step in bfloat16.

    What torch does stays as it is in float32, on other devices, and without gradients.
    """

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(T, B, D), (h, c) of (1, B, H) each -> (T, B, H), (h, c) after the last step."""
        if not _ours(x):
            return torch_lstm(self, x, state)
        if state is None:
            zeros = x.new_zeros(1, x.size(1), self.hidden_size)
            state = (zeros, zeros)
        weights = (self.weight_ih_l0, self.weight_hh_l0, self.bias_ih_l0, self.bias_hh_l0)
        y, h, c = _Bf16.apply(x, *state, *weights)  # type: ignore[no-untyped-call]
        return y, (h, c)


def _ours(x: Tensor) -> bool:
    return (
        x.device.type == "cpu"
        and x.size(1) < FEW
        and torch.is_grad_enabled()
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
    )


class _Bf16(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, first_h: Tensor, first_c: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        (T, B, D), H = x.shape, w_hh.size(1)
        with torch.autocast("cpu", enabled=False):
            x, w_ih, w_hh = x.bfloat16(), w_ih.bfloat16(), w_hh.float()
            gates = torch.addmm((b_ih + b_hh).bfloat16(), x.reshape(T * B, D), w_ih.t()).float().view(T, B, 4 * H)
            h, c, squashed = torch.empty(T + 1, B, H), torch.empty(T + 1, B, H), torch.empty(T, B, H)
            h[0], c[0] = first_h[0], first_c[0]
            kernels = _kernels()
            states = (tensor.numpy() for tensor in (gates, h, c, squashed))
            over_batch(kernels.forward, B, *states, kernels.blocks(w_hh.t().numpy()), together=kernels.ROWS)
            h = h.bfloat16()
        ctx.save_for_backward(x, gates, h, c, squashed, w_ih, w_hh)
        return h[1:], h[-1:], c[-1:].bfloat16()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor, dh: Tensor, dc: Tensor) -> tuple[Tensor, ...]:
        x, gates, h, c, squashed, w_ih, w_hh = ctx.saved_tensors
        (T, B, D), H = x.shape, w_hh.size(1)
        with torch.autocast("cpu", enabled=False):
            gradients, above = torch.empty_like(gates), dy.float().contiguous()
            dh, dc = dh[0].float(), dc[0].float()
            kernels = _kernels()
            states = (tensor.numpy() for tensor in (gradients, gates, c, squashed, above, dh, dc))
            over_batch(kernels.backward, B, *states, kernels.blocks(w_hh.numpy()), together=kernels.ROWS)
            gradients = gradients.view(T * B, 4 * H)
            low = gradients.bfloat16()
            dx = (low @ w_ih).view(T, B, D)
            dw_ih = low.t() @ x.reshape(T * B, D)
            dw_hh = low.t() @ h[:-1].view(T * B, H)
            db = gradients.sum(0)
        return dx, dh[None], dc[None], dw_ih, dw_hh, db, db


def _kernels() -> ModuleType:
    from asr.sequence import lstm_kernels  # numba takes a second to import

    return lstm_kernels

"""LSTM with peepholes. B batch, T steps, D input, H hidden.

Gers & Schmidhuber 2000, "Recurrent nets that time and count"; the equations are (7)-(11) of Graves
2013, "Generating sequences with recurrent neural networks":

    i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)      f_t likewise with p_f
    c_t = f_t * c_{t-1} + i_t * tanh(W_xc x_t + W_hc h_{t-1} + b_c)
    o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)          h_t = o_t * tanh(c_t)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PeepholeLSTM"]


class PeepholeLSTM(nn.Module):
    """LSTM layer with peepholes; if they are zero it equals ``torch.nn.LSTM``.

    Names and layout of the parameters are torch's (gates in the order i, f, g, o), so weights can
    be copied either way. ``peephole_l0`` (3H,) holds p_i, p_f, p_o and starts at zero. The input's
    contribution to all steps is one matrix product; the steps themselves run in Python, as torch
    has no fused kernel for them.

    Args:
        input_size: D.
        hidden_size: H.

    Example:
        >>> y, (h, c) = PeepholeLSTM(3, 5)(torch.zeros(7, 2, 3))
        >>> y.shape, c.shape
        (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]))
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(4 * hidden_size))
        self.peephole_l0 = nn.Parameter(torch.zeros(3 * hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise as ``torch.nn.LSTM`` does, uniform in +-1/sqrt(H); peepholes are zero."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for name, parameter in self.named_parameters():
            nn.init.zeros_(parameter) if name == "peephole_l0" else nn.init.uniform_(
                parameter, -bound, bound
            )

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(T, B, D), (h, c) of (1, B, H) each -> (T, B, H), (h, c) after the last step."""
        shares = functional.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0)
        if state is None:
            zeros = shares.new_zeros(x.size(1), self.hidden_size)
            state = (zeros[None], zeros[None])
        h, c = state[0][0], state[1][0]
        outputs = []
        for share in shares.unbind(0):
            h, c = self._step(share, h, c)
            outputs.append(h)
        return torch.stack(outputs), (h[None], c[None])

    def _step(self, share: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        i, f, g, o = functional.linear(h, self.weight_hh_l0).add(share).chunk(4, -1)
        p_i, p_f, p_o = self.peephole_l0.chunk(3)
        c = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
        return torch.sigmoid(o + p_o * c) * torch.tanh(c), c

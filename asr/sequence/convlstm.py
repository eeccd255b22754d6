"""ConvLSTM: recurrent layers over images. B batch, T steps, C channels, H x W pixels, L layers.

Shi et al. 2015, "Convolutional LSTM network", equation (3): an LSTM whose matrix products are
convolutions. Its optional peepholes have one weight per channel and pixel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.lengths import length_mask

__all__ = ["ConvLSTM", "ConvLSTMCell", "ConvLSTMState"]

ConvLSTMState = list[tuple[Tensor, Tensor]]
"""(h, c) of each layer, each (B, C, H, W)."""


class ConvLSTMCell(nn.Module):
    """One layer of ConvLSTM over one step.

    Args:
        input_size: channels of the input.
        hidden_size: C.
        kernel_size: odd width of both convolutions, so that images keep their size.
        picture: (H, W) of the images, for peepholes, which have a weight per channel and pixel;
            None: no peepholes.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        kernel_size: int = 3,
        picture: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(
                "a ConvLSTM kernel has an odd width, so that pictures keep their size, not "
                f"{kernel_size}"
            )
        self.input_size, self.hidden_size, self.padding = input_size, hidden_size, kernel_size // 2
        self.weight_ih = nn.Parameter(
            torch.empty(4 * hidden_size, input_size, kernel_size, kernel_size)
        )
        self.weight_hh = nn.Parameter(
            torch.empty(4 * hidden_size, hidden_size, kernel_size, kernel_size)
        )
        self.bias = nn.Parameter(torch.zeros(4 * hidden_size))
        self.peephole = (
            None if picture is None else nn.Parameter(torch.zeros(3, hidden_size, *picture))
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Initialise uniformly in +-1/sqrt(C k k); forget-gate bias 1, peepholes 0.

        The bias follows Jozefowicz et al. 2015.
        """
        bound = 1.0 / math.sqrt(self.weight_hh[0].numel())
        nn.init.uniform_(self.weight_ih, -bound, bound)
        nn.init.uniform_(self.weight_hh, -bound, bound)
        nn.init.zeros_(self.bias)
        self.bias.data[self.hidden_size : 2 * self.hidden_size].fill_(1.0)

    def share_of_input(self, x: Tensor) -> Tensor:
        """(N, input, H, W) -> (N, 4C, H, W): the input's contribution to the gates, many steps."""
        return functional.conv2d(x, self.weight_ih, self.bias, padding=self.padding)

    def forward(self, share: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Input's contribution (B, 4C, H, W), (h, c) -> (h, c) of the next step."""
        h, c = state
        i, f, g, o = (share + functional.conv2d(h, self.weight_hh, padding=self.padding)).chunk(
            4, 1
        )
        if self.peephole is not None:
            i, f = i + self.peephole[0] * c, f + self.peephole[1] * c
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        if self.peephole is not None:
            o = o + self.peephole[2] * c
        return torch.sigmoid(o) * torch.tanh(c), c


class ConvLSTM(nn.Module):
    """Stack of ConvLSTM layers.

    The state of a sequence does not change after its last image, so the returned state does not
    depend on padding.

    Args:
        input_channels: channels of the images.
        hidden_channels: C of each layer.
        num_layers: L.
        kernel_size: see :class:`ConvLSTMCell`.
        picture: see :class:`ConvLSTMCell`.

    Example:
        >>> y, lens, state = ConvLSTM(1, 8)(torch.zeros(2, 5, 1, 16, 16), torch.tensor([5, 3]))
        >>> y.shape
        torch.Size([2, 5, 8, 16, 16])
    """

    def __init__(
        self,
        input_channels: int,
        hidden_channels: int,
        num_layers: int = 1,
        kernel_size: int = 3,
        picture: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        widths = [input_channels] + [hidden_channels] * num_layers
        self.cells = nn.ModuleList(
            ConvLSTMCell(widths[n], hidden_channels, kernel_size, picture)
            for n in range(num_layers)
        )
        self.hidden_channels = hidden_channels

    def forward(
        self, x: Tensor, x_lens: Tensor, state: ConvLSTMState | None = None
    ) -> tuple[Tensor, Tensor, ConvLSTMState]:
        """(B, T, input, H, W), (B,), state -> (B, T, C, H, W), (B,), state after the last image."""
        inside = length_mask(x_lens, x.size(1)).view(*x.shape[:2], 1, 1, 1)
        new_state: ConvLSTMState = []
        for number, cell in enumerate(self.cells):
            x, last = self._layer(cell, x, inside, None if state is None else state[number])
            new_state.append(last)
        return x, x_lens, new_state

    def _layer(
        self, cell: nn.Module, x: Tensor, inside: Tensor, state: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        assert isinstance(cell, ConvLSTMCell)
        shares = cell.share_of_input(x.flatten(0, 1))
        shares = shares.view(*x.shape[:2], *shares.shape[1:])
        if state is None:
            zeros = shares.new_zeros(x.size(0), self.hidden_channels, *x.shape[-2:])
            state = (zeros, zeros)
        outputs = []
        for t in range(x.size(1)):
            h, c = cell(shares[:, t], state)
            state = (torch.where(inside[:, t], h, state[0]), torch.where(inside[:, t], c, state[1]))
            outputs.append(h)
        return torch.stack(outputs, 1), state

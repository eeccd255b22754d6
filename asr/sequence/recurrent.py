"""Stacks of recurrent layers. Legend: B batch, T steps, D input, H hidden, P projection, L layers.

LSTM: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000; GRU: Cho et al. 2014;
both as in torch.nn.LSTM and torch.nn.GRU, whose fused kernels run here. LSTM with peepholes: see
asr/sequence/peephole.py. Bidirectional: Schuster & Paliwal 1997. For pictures:
asr/sequence/convlstm.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from asr.sequence.dropout import Dropout, VariationalDropout
from asr.sequence.lengths import reversed_rows, swap_rows
from asr.sequence.lstm import LSTM, has_bf16, side_by_side
from asr.sequence.normalization import build_norm
from asr.sequence.peephole import PeepholeLSTM

__all__ = ["CELLS", "Feedback", "RecurrentLayer", "RecurrentStack", "RecurrentState"]

CELLS = ("lstm", "gru", "peephole_lstm")
KERNELS: dict[str, Callable[[int, int], nn.Module]] = {
    "lstm": LSTM,
    "gru": nn.GRU,
    "peephole_lstm": PeepholeLSTM,
}

RecurrentState = list[tuple[Tensor, ...]]
"""One tuple a layer: (h, c) of an LSTM of either kind, (h,) of a GRU; each (1, B, H).

It carries a sequence over to its next chunk.
"""

Feedback = Mapping[int, Callable[[Tensor], Tensor]]
"""Layer number, from 1 -> function of its normalised output, whose result is added to it."""


class RecurrentLayer(nn.Module):
    """One recurrent layer, forward or in both directions, on time-major input.

    The backward direction runs over each sequence reversed within its own length. Two one-direction
    kernels and one move of rows each way are exact under padding, and on CPU faster than packed
    sequences, which leave the fused path.
    """

    def __init__(
        self, input_dim: int, hidden_dim: int, cell: str = "lstm", bidirectional: bool = True
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"unknown cell {cell!r}; known: {', '.join(CELLS)}")
        kernel = KERNELS[cell]
        self.cell = cell
        self.forward_cell = kernel(input_dim, hidden_dim)
        self.backward_cell = kernel(input_dim, hidden_dim) if bidirectional else None
        self.output_dim = hidden_dim * (2 if bidirectional else 1)

    def forward(
        self, x: Tensor, rows: Tensor | None, state: tuple[Tensor, ...] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(T, B, D), reversal (T * B,) for two directions, state -> (T, B, output_dim), state after
        the last step.
        """
        carried = None if state is None else (state[0] if self.cell == "gru" else state)
        if (
            self.cell == "lstm"
            and torch.is_autocast_enabled(x.device.type)
            and (x.device.type != "cpu" or has_bf16())
        ):
            x = x.to(torch.get_autocast_dtype(x.device.type))  # once, not in each direction
        x = x.contiguous()
        if self.backward_cell is None:
            y, last = self.forward_cell(x, carried)
        else:
            assert rows is not None
            reversed_x = swap_rows(x, rows)
            if isinstance(self.forward_cell, LSTM) and isinstance(self.backward_cell, LSTM):
                (y, last), (z, _) = side_by_side(
                    [self.forward_cell, self.backward_cell], [x, reversed_x]
                )
            else:
                (y, last), (z, _) = self.forward_cell(x), self.backward_cell(reversed_x)
            y = torch.cat([y, swap_rows(z, rows)], dim=-1)
        return y, (last,) if self.cell == "gru" else last


class RecurrentStack(nn.Module):
    """``num_layers`` recurrent layers with normalisation before, and projection, dropout and
    residual after each.

    Args:
        input_dim: D.
        hidden_dim: H, per direction.
        num_layers: L.
        cell: ``lstm``, ``gru`` or ``peephole_lstm`` (own kernel, slower).
        bidirectional: read each sequence in both directions; such a stack carries no state.
        norm: normalisation of each layer's input and of the stack's output: ``layer``, ``batch`` or
            ``none``.
        residual: add a layer's input to its output where their widths agree.
        dropout: probability, on each layer's output in training.
        projection_dim: P; a linear map after each layer to this width (0: none).
        variational: drop the same features at every step, and of the stack's input too (Gal &
            Ghahramani 2016; the recurrent connections inside the fused kernels are left whole).
        forget_bias: first bias of an LSTM's forget gate.
        input_norm: normalise the first layer's input too; layer normalisation would wipe out a
            single feature.
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dim: int,
        num_layers: int = 5,
        cell: str = "lstm",
        bidirectional: bool = True,
        norm: str = "layer",
        residual: bool = True,
        dropout: float = 0.0,
        projection_dim: int = 0,
        variational: bool = False,
        forget_bias: float = 1.0,
        input_norm: bool = True,
    ) -> None:
        super().__init__()
        self.bidirectional = bidirectional
        self.residual = residual
        self.forget_bias = forget_bias
        self.layers = nn.ModuleList()
        self.norms = nn.ModuleList()
        self.projections = nn.ModuleList()
        width = input_dim
        for number in range(num_layers):
            layer = RecurrentLayer(width, hidden_dim, cell, bidirectional)
            self.norms.append(build_norm(norm if number or input_norm else "none", width))
            self.layers.append(layer)
            self.projections.append(
                nn.Linear(layer.output_dim, projection_dim) if projection_dim else nn.Identity()
            )
            width = projection_dim or layer.output_dim
        self.output_norm = build_norm(norm, width)
        self.dropout: nn.Module = VariationalDropout(dropout) if variational else Dropout(dropout)
        self.input_dropout = VariationalDropout(dropout if variational else 0.0)
        self.output_dim = width
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw recurrent weights orthogonal and input weights Xavier; set biases to zero, the
        forget gate's apart.

        A forget-gate bias of 1: Gers et al. 2000; Jozefowicz et al. 2015, section 2.2. Other first
        weights: :func:`asr.sequence.initialization.initialize`.
        """
        for name, parameter in self.layers.named_parameters():
            if "weight_hh" in name:
                for block in parameter.data.chunk(parameter.size(0) // parameter.size(1)):
                    nn.init.orthogonal_(block)
            elif "weight_ih" in name:
                nn.init.xavier_uniform_(parameter)
            elif "bias" in name:
                nn.init.zeros_(parameter)
        for module in self.layers.modules():
            if isinstance(
                module, (nn.LSTM, PeepholeLSTM)
            ):  # two biases are added; one of them carries the value
                hidden = module.hidden_size
                module.get_parameter("bias_ih_l0").data[hidden : 2 * hidden].fill_(self.forget_bias)

    def forward(
        self,
        x: Tensor,
        x_lens: Tensor,
        state: RecurrentState | None = None,
        taps: dict[int, Tensor] | None = None,
        feedback: Feedback | None = None,
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        """(B, T, D), (B,), carried state -> (B, T, output_dim), (B,), state after the last step of
        the padded batch.

        ``taps`` gets the normalised output (B, T, output_dim) of each layer whose number, counted
        from 1, is a key; ``feedback`` is asked after that. The returned state continues a sequence
        only where its length is T: carry state with batches of equal lengths.
        """
        if state is not None and self.bidirectional:
            raise ValueError(
                "a bidirectional stack cannot carry state: it has not seen what follows"
            )
        rows = reversed_rows(x_lens, x.size(1)) if self.bidirectional else None
        new_state: RecurrentState = []
        x = self.input_dropout(x)
        for number, (norm, layer, projection) in enumerate(
            zip(self.norms, self.layers, self.projections, strict=True)
        ):
            y, last = layer(
                norm(x, x_lens).transpose(0, 1), rows, None if state is None else state[number]
            )
            y = self.dropout(projection(y.transpose(0, 1)))
            x = self.after_layer(number, x, y=y, x_lens=x_lens, feedback=feedback, taps=taps)
            new_state.append(last)
        return self.output_norm(x, x_lens), x_lens, new_state

    def after_layer(
        self,
        number: int,
        x: Tensor,
        y: Tensor,
        x_lens: Tensor | None,
        feedback: Feedback | None = None,
        taps: dict[int, Tensor] | None = None,
    ) -> Tensor:
        """Return what the next layer gets, of the input and the projected output of the layer of
        index ``number``.
        """
        x = x + y if self.residual and x.size(-1) == y.size(-1) else y
        if taps is not None and number + 1 in taps:
            taps[number + 1] = self.output_norm(x, x_lens)
        answer = feedback.get(number + 1) if feedback else None
        return x if answer is None else x + answer(self.output_norm(x, x_lens))

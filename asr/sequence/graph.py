"""Recurrent layers in the form that is exported."""

from __future__ import annotations

from torch import nn

from asr.sequence.recurrent import RecurrentLayer

__all__ = ["merged_kernel"]


def merged_kernel(layer: RecurrentLayer) -> nn.LSTM | nn.GRU:
    """Return a layer as one module of torch, its two one-direction cells merged."""
    if layer.backward_cell is None:
        assert isinstance(layer.forward_cell, (nn.LSTM, nn.GRU))
        return layer.forward_cell
    cells = {"": layer.forward_cell, "_reverse": layer.backward_cell}
    kind = nn.LSTM if layer.cell == "lstm" else nn.GRU
    merged = kind(layer.forward_cell.input_size, layer.forward_cell.hidden_size, bidirectional=True)
    for suffix, cell in cells.items():
        for name, parameter in cell.named_parameters():
            merged.get_parameter(name + suffix).data.copy_(parameter.data)
    return merged

"""The punctuation network as one graph of a window, its embedding in 8 bits.

Legend: B windows of one length, T words, V units, D embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.language.punctuation.marks import MARKS, SHAPES
from asr.language.punctuation.network import PunctuationTask
from asr.language.punctuation.units import PAD
from asr.sequence.graph import merged_kernel
from asr.sequence.recurrent import RecurrentLayer

__all__ = ["PunctuationGraph"]

LARGEST = 127  # of an 8-bit number


class PunctuationGraph(nn.Module):
    """The trained network without padding.

    Args:
        task: the network.
        int8: the embedding in 8 bits, with a scale a word.
    """

    table: Tensor
    scale: Tensor

    def __init__(self, task: PunctuationTask, int8: bool) -> None:
        super().__init__()
        self.ahead, self.stack, self.output = task.config.lookahead, task.encoder, task.output
        weight = task.embedding.weight.detach()
        scale = torch.ones(len(weight), 1)
        if int8:
            scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-8) / LARGEST
            weight = (weight / scale).round().to(torch.int8)
        self.register_buffer("table", weight)
        self.register_buffer("scale", scale)
        layers = [layer for layer in task.encoder.layers if isinstance(layer, RecurrentLayer)]
        self.kernels = nn.ModuleList(merged_kernel(layer) for layer in layers)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (B, T) -> logits of marks (B, T, 4) and of shapes (B, T, 4)."""
        tokens = functional.pad(tokens, (0, self.ahead), value=PAD)
        x = functional.embedding(tokens, self.table).float()
        x = (x * functional.embedding(tokens, self.scale)).transpose(0, 1)
        for number, kernel in enumerate(self.kernels):
            y = kernel(self.stack.norms[number](x, None))[0]
            x = self.stack.after_layer(number, x, self.stack.projections[number](y), None)
        x = self.output(self.stack.output_norm(x, None)[self.ahead :]).transpose(0, 1)
        marks, shapes = x.split([len(MARKS), len(SHAPES)], dim=-1)
        return marks, shapes

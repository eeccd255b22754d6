"""The network of a speaker embedding as one graph of windows of one length, without padding.

Legend: B windows, T frames, F mel bands, D features, E embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.graph import merged_kernel
from asr.sequence.recurrent import RecurrentLayer
from asr.speakers.network import EmbeddingNetwork

__all__ = ["EmbeddingGraph"]


class EmbeddingGraph(nn.Module):
    """Levels, convolutions, recurrent layers, pooling, output.

    Args:
        network: trained.
    """

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network
        layers = [layer for layer in network.stack.layers if isinstance(layer, RecurrentLayer)]
        self.kernels = nn.ModuleList(merged_kernel(layer) for layer in layers)

    def forward(self, features: Tensor) -> Tensor:
        """Log-Mel features (B, T, F) -> embeddings (B, E) of length 1."""
        x, network = self._levelled(features), self.network
        front = network.front
        for conv, norm in zip(front.convs, front.norms, strict=True):
            x = functional.pad(x, (0, 0, front.padding, front.padding))
            x = functional.relu(norm(conv(x.transpose(1, 2)).transpose(1, 2), None))
        stack, x = network.stack, x.transpose(0, 1)
        for number, kernel in enumerate(self.kernels):
            y = stack.projections[number](kernel(stack.norms[number](x, None))[0])
            x = stack.after_layer(number, x, y, None)
        x = stack.output_norm(x, None).transpose(0, 1)
        attention = network.pooling.attention
        weights = (torch.tanh(attention.hidden(x)) * attention.energy).sum(-1).softmax(-1)
        return network.embedding(network.pooling.statistics(x, weights))

    def _levelled(self, x: Tensor) -> Tensor:
        network = self.network
        # log of a mean, with the highest value taken out so that nothing overflows
        highest = x.amax((1, 2), keepdim=True)
        level = (x - highest).exp().mean((1, 2), keepdim=True).log() + highest
        x = (x - level).clamp(min=-network.config.range_nepers)
        return (x - network.mean) / network.std

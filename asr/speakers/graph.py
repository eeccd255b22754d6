"""The network of a speaker embedding as one graph, whose windows share their frames.

Convolutions and recurrent layers read pieces of one length, without padding; a window is pooled
from frames of one or more pieces. So overlapping windows cost hardly more than those that do not
overlap.

Legend: B pieces, T frames, F mel bands, T' steps of a piece, W windows, D features, E embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.sequence.graph import merged_kernel
from asr.sequence.normalization import MaskedBatchNorm
from asr.sequence.recurrent import RecurrentLayer
from asr.speakers.network import EmbeddingNetwork

__all__ = ["EmbeddingGraph"]


class EmbeddingGraph(nn.Module):
    """Levels, convolutions, recurrent layers, pooling over windows, output.

    Args:
        network: trained.
    """

    def __init__(self, network: EmbeddingNetwork) -> None:
        super().__init__()
        self.network = network
        layers = [layer for layer in network.stack.layers if isinstance(layer, RecurrentLayer)]
        self.kernels = nn.ModuleList(merged_kernel(layer) for layer in layers)
        front = network.front
        self.convs = nn.ModuleList(map(_merged, front.convs, front.norms))

    def forward(self, features: Tensor, windows: Tensor) -> Tensor:
        """Log-Mel features (B, T, F), windows (W, B T') -> embeddings (W, E) of length 1.

        ``windows`` has a 1 at each step that belongs to a window, and 0 elsewhere.
        """
        x, network = self._levelled(features), self.network
        x = x.transpose(1, 2)
        for conv in self.convs:
            x = functional.relu(conv(x))
        stack, x = network.stack, x.permute(2, 0, 1)
        for number, kernel in enumerate(self.kernels):
            y = stack.projections[number](kernel(stack.norms[number](x, None))[0])
            x = stack.after_layer(number, x, y, None)
        x = stack.output_norm(x, None).transpose(0, 1).flatten(0, 1)
        return network.embedding(self._pooled(x, windows))

    def _pooled(self, x: Tensor, windows: Tensor) -> Tensor:
        """Steps (B T', D), windows (W, B T') -> statistics (W, 2 D)."""
        pooling = self.network.pooling
        attention = pooling.attention
        energy = (torch.tanh(attention.hidden(x)) * attention.energy).sum(-1)
        # energies are bounded by the sum of |attention.energy|, so one maximum serves all windows
        weights = windows * (energy - energy.max()).exp()
        weights = weights / weights.sum(1, keepdim=True)
        mean = weights @ x
        variance = weights @ x.square() - mean.square()  # steps are normalised: nothing cancels
        return torch.cat([mean, variance.clamp(min=pooling.floor).sqrt()], -1)

    def _levelled(self, x: Tensor) -> Tensor:
        network = self.network
        # log of a mean, with the highest value taken out so that nothing overflows
        highest = x.amax((1, 2), keepdim=True)
        level = (x - highest).exp().mean((1, 2), keepdim=True).log() + highest
        x = (x - level).clamp(min=-network.config.range_nepers)
        return (x - network.mean) / network.std


def _merged(conv: nn.Module, norm: nn.Module) -> nn.Conv1d:
    """Return a convolution that does the batch normalisation behind it too."""
    assert isinstance(conv, nn.Conv1d)
    assert isinstance(norm, MaskedBatchNorm)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    kernel = conv.kernel_size[0]
    merged = nn.Conv1d(
        conv.in_channels, conv.out_channels, kernel, stride=conv.stride[0], padding=kernel // 2
    )
    merged.weight.data.copy_(conv.weight * scale.view(-1, 1, 1))
    assert conv.bias is not None
    assert merged.bias is not None
    merged.bias.data.copy_((conv.bias - norm.running_mean) * scale + norm.bias)
    return merged

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
from asr.sequence.recurrent import RecurrentLayer, RecurrentStack
from asr.sequence.residual import ResidualConv
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
        self.kernels = _kernels(network.stack)
        self.overlap = _kernels(network.overlap.stack) if network.overlap is not None else None
        front = network.front
        self.convs = nn.ModuleList(map(_merged, front.convs, front.norms))

    def forward(self, features: Tensor, windows: Tensor) -> tuple[Tensor, ...]:
        """Log-Mel features (B, T, F), windows (W, B T') -> embeddings (W, E) of length 1.

        ``windows`` has a 1 at each step that belongs to a window, and 0 elsewhere. Where the
        network can tell, probabilities (B, T') that two voices speak at once come second.
        """
        x, network = self._levelled(features), self.network
        if isinstance(network.front, ResidualConv):
            convolved = self._residual(x.unsqueeze(1)).permute(2, 0, 1, 3).flatten(2)
        else:
            x = x.transpose(1, 2)
            for conv in self.convs:
                x = functional.relu(conv(x))
            convolved = x.permute(2, 0, 1)
        x = _recurrent(network.stack, self.kernels, convolved)
        embeddings = network.embedding(self._pooled(x.flatten(0, 1), windows))
        if network.overlap is None or self.overlap is None:
            return (embeddings,)
        x = _recurrent(network.overlap.stack, self.overlap, convolved)
        return embeddings, network.overlap.output(x).squeeze(-1).sigmoid()

    def _residual(self, x: Tensor) -> Tensor:
        """(B, 1, T, F) -> (B, C, T', F')."""
        for first in range(0, len(self.convs), 3):
            down, one, other = self.convs[first : first + 3]
            x = functional.relu(down(x))
            x = functional.relu(x + other(functional.relu(one(x))))
        return x

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


def _kernels(stack: RecurrentStack) -> nn.ModuleList:
    """Return the layers of a stack as ONNX has them."""
    layers = [layer for layer in stack.layers if isinstance(layer, RecurrentLayer)]
    return nn.ModuleList(merged_kernel(layer) for layer in layers)


def _recurrent(stack: RecurrentStack, kernels: nn.ModuleList, x: Tensor) -> Tensor:
    """Steps (T', B, C) -> what a stack makes of them, (B, T', D)."""
    for number, kernel in enumerate(kernels):
        y = stack.projections[number](kernel(stack.norms[number](x, None))[0])
        x = stack.after_layer(number, x, y, None)
    steps: Tensor = stack.output_norm(x, None).transpose(0, 1)
    return steps


def _merged(conv: nn.Module, norm: nn.Module) -> nn.Conv1d | nn.Conv2d:
    """Return the convolution with its padding and the batch normalisation after it folded in."""
    assert isinstance(conv, nn.Conv1d | nn.Conv2d)
    assert isinstance(norm, MaskedBatchNorm)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    merged = type(conv)(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        stride=conv.stride,  # type: ignore[arg-type]
        padding=tuple(width // 2 for width in conv.kernel_size),  # type: ignore[arg-type]
    )
    merged.weight.data.copy_(conv.weight * scale.view(-1, *[1] * (conv.weight.dim() - 1)))
    assert merged.bias is not None
    bias = 0 if conv.bias is None else conv.bias
    merged.bias.data.copy_((bias - norm.running_mean) * scale + norm.bias)
    return merged

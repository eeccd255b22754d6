"""Memory against time: recurrent layers that compute their insides again in the backward pass."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from asr.sequence.recurrent import RecurrentStack

__all__ = ["checkpoint_recurrent_layers"]


def checkpoint_recurrent_layers(module: nn.Module) -> int:
    """Make every layer of the recurrent stacks in ``module`` keep only its inputs in training;
    return their number.

    Gates and cell states, several times the size of a layer's input, are computed again when the
    gradient comes by (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"). Results
    and names of weights stay the same.
    """
    layers = [
        layer
        for stack in module.modules()
        if isinstance(stack, RecurrentStack)
        for layer in stack.layers
    ]
    for layer in layers:
        layer.forward = partial(_forward, layer)
    return len(layers)


def _forward(layer: nn.Module, *inputs: Any) -> Any:
    run = partial(type(layer).forward, layer)
    if not layer.training:
        return run(*inputs)
    return checkpoint(
        run, *inputs, use_reentrant=False, preserve_rng_state=False
    )  # layers draw nothing at random

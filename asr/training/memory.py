"""Gradient checkpointing of recurrent layers: less memory, more time (Chen et al. 2016)."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from asr.sequence.recurrent import RecurrentStack

__all__ = ["checkpoint_recurrent_layers"]


def checkpoint_recurrent_layers(module: nn.Module) -> int:
    """Checkpoint every recurrent layer in ``module``; return the number of layers.

    In training a layer then keeps its inputs alone. Gates and cell states, several times their
    size, are computed again in the backward pass (Chen et al. 2016, "Training Deep Nets with
    Sublinear Memory Cost"). Results and names of weights stay the same.
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
    # The state of the random generator is not kept: layers draw nothing at random.
    return checkpoint(run, *inputs, use_reentrant=False, preserve_rng_state=False)

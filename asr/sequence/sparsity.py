"""Weights that are zero and stay zero."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

__all__ = ["hold_zeros", "is_pruned_weight"]


def is_pruned_weight(name: str, parameter: Tensor) -> bool:
    """Return whether pruning may take single weights of a parameter: matrices and kernels, no
    biases, no norms.
    """
    return parameter.dim() > 1 and "weight" in name.rpartition(".")[2]


def hold_zeros(module: nn.Module) -> int:
    """Let no optimiser move the weights of ``module`` that are zero now; return how many there are.

    Their gradients become zero, and with them all that optimisers add: momentum of nothing, decay
    of nothing. Biases and norms are left free.
    """
    held = 0
    for name, parameter in module.named_parameters():
        if is_pruned_weight(name, parameter) and (zeros := int((parameter == 0).sum())):
            parameter.register_hook(_mask(parameter.detach() != 0))  # type: ignore[no-untyped-call]
            held += zeros
    return held


def _mask(kept: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: gradient * kept.to(gradient.device, gradient.dtype)

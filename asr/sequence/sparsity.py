"""Keep pruned weights at zero during training."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

__all__ = ["hold_zeros", "is_pruned_weight"]


def is_pruned_weight(name: str, parameter: Tensor) -> bool:
    """Return whether a parameter can be pruned: weight matrices and kernels, no biases or norms."""
    return parameter.dim() > 1 and "weight" in name.rpartition(".")[2]


def hold_zeros(module: nn.Module) -> int:
    """Keep the weights of ``module`` that are zero now at zero; return how many there are.

    Their gradients are set to zero, and so are momentum and weight decay of zero weights with zero
    gradients. Biases and norms are not affected.
    """
    held = 0
    for name, parameter in module.named_parameters():
        if is_pruned_weight(name, parameter) and (zeros := int((parameter == 0).sum())):
            parameter.register_hook(_mask(parameter.detach() != 0))  # type: ignore[no-untyped-call]
            held += zeros
    return held


def _mask(kept: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda gradient: gradient * kept.to(gradient.device, gradient.dtype)

"""Whether a graph is made of what runs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["is_traced"]


def is_traced(x: Tensor) -> bool:
    """Return whether operations on a tensor are recorded for an export or a compiler.

    Our own steps cannot be recorded: torch's operations have to stand in for them.
    """
    return (
        torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
        or torch.compiler.is_compiling()
        or type(x) not in (Tensor, nn.Parameter)  # such as a FakeTensor, which has no values
    )

"""Whether operations are being traced: recorded for an export or by a compiler."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["is_tracing"]


def is_tracing(x: Tensor) -> bool:
    """Return whether operations on ``x`` are traced: torch.jit.trace, torch.export, torch.compile.

    Our own kernels cannot be traced; torch's operations have to take their place then.
    """
    return (
        torch.jit.is_tracing()  # type: ignore[attr-defined,no-untyped-call]
        or torch.compiler.is_compiling()
        or type(x) not in (Tensor, nn.Parameter)  # such as a FakeTensor, which has no values
    )

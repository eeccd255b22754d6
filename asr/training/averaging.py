"""Averages of weights over training: steadier than the last ones, at the cost of one addition a step.

Polyak & Juditsky 1992; exponential form with a growing window at the start, as in Tarvainen & Valpola 2017, section 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["ExponentialAverage"]


class ExponentialAverage:
    """Exponential moving average of a module's floating-point parameters and buffers.

    Args:
        module: its tensors are followed. decay: weight of the past at each update; the first updates count more.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.updates = module, decay, 0
        self.tensors = [t.detach().clone() for t in self._followed()]

    def _followed(self) -> list[Tensor]:
        return [t for t in self.module.state_dict().values() if t.is_floating_point()]

    @torch.no_grad()
    def update(self) -> None:
        """Take in the module's present weights."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        torch._foreach_lerp_(self.tensors, self._followed(), 1 - decay)
        self.updates += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Put the average in the place of the module's weights for the length of a block."""
        present = [t.detach().clone() for t in self._followed()]
        try:
            self._copy(self.tensors)
            yield
        finally:
            self._copy(present)

    @torch.no_grad()
    def _copy(self, source: list[Tensor]) -> None:
        for target, tensor in zip(self._followed(), source, strict=True):
            target.copy_(tensor)

    def state(self) -> dict[str, object]:
        """Return what :meth:`load` takes."""
        return {"updates": self.updates, "tensors": self.tensors}

    def load(self, state: dict[str, object]) -> None:
        """Go on from a saved state."""
        self.updates = int(str(state["updates"]))
        tensors = state["tensors"]
        assert isinstance(tensors, list)
        for target, tensor in zip(self.tensors, tensors, strict=True):
            target.copy_(tensor)

"""Averages of the weights over training, evaluated and saved in place of the last weights.

Sources: Polyak & Juditsky 1992; exponential average with a growing window at the start, Tarvainen &
Valpola 2017, section 3; mean of the last checkpoints, Vaswani et al. 2017, section 6.1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from asr.errors import ModelError

__all__ = ["Average", "EpochAverage", "ExponentialAverage"]


class Average(ABC):
    """An average of a module's floating-point parameters and buffers over training.

    Attributes:
        module: whose weights are averaged.
    """

    module: nn.Module

    def update(self) -> None:
        """Include the weights after an optimizer step."""
        return

    def end_epoch(self) -> None:
        """Include the weights after an epoch."""
        return

    @abstractmethod
    def average(self) -> list[Tensor]:
        """Return the averaged tensors, in the order of the module's state."""

    @abstractmethod
    def state(self) -> dict[str, object]:
        """Return the state that :meth:`load` restores."""

    @abstractmethod
    def load(self, state: dict[str, object]) -> None:
        """Restore a saved state.

        Raises:
            ModelError: the state is that of another kind of average.
        """

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Replace the module's weights by their average within a ``with`` block."""
        present = [t.detach().clone() for t in self._tensors()]
        try:
            self._copy(self.average())
            yield
        finally:
            self._copy(present)

    def _tensors(self) -> list[Tensor]:
        return [t for t in self.module.state_dict().values() if t.is_floating_point()]

    @torch.no_grad()
    def _copy(self, source: list[Tensor]) -> None:
        for target, tensor in zip(self._tensors(), source, strict=True):
            target.copy_(tensor)


class ExponentialAverage(Average):
    """Exponential moving average over steps.

    Args:
        module: whose weights are averaged.
        decay: weight of the past at each update; lower at the start, so that the first weights are
            soon forgotten.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module, self.decay, self.updates = module, decay, 0
        self.tensors = [t.detach().clone() for t in self._tensors()]

    @torch.no_grad()
    def update(self) -> None:
        """Include the weights after an optimizer step."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        # average = decay * average + (1 - decay) * weights, for all tensors in one call
        torch._foreach_lerp_(self.tensors, self._tensors(), 1 - decay)
        self.updates += 1

    def average(self) -> list[Tensor]:
        """Return the averaged tensors."""
        return self.tensors

    def state(self) -> dict[str, object]:
        """Return the state that :meth:`load` restores."""
        return {"updates": self.updates, "tensors": self.tensors}

    def load(self, state: dict[str, object]) -> None:
        """Restore a saved state."""
        tensors = _entry(state, "tensors")
        self.updates = int(str(state["updates"]))
        for target, tensor in zip(self.tensors, tensors, strict=True):
            target.copy_(tensor)


class EpochAverage(Average):
    """Mean of the weights at the ends of the last epochs.

    Args:
        module: whose weights are averaged.
        epochs: how many are averaged; as many copies are kept.
    """

    def __init__(self, module: nn.Module, epochs: int) -> None:
        self.module, self.epochs = module, epochs
        self.kept: list[list[Tensor]] = []

    def end_epoch(self) -> None:
        """Include the weights after an epoch, and forget those of the oldest."""
        weights = [t.detach().clone() for t in self._tensors()]
        self.kept = [*self.kept, weights][-self.epochs :]

    def average(self) -> list[Tensor]:
        """Return the averaged tensors; the present ones before the end of the first epoch."""
        epochs = self.kept or [self._tensors()]
        return [torch.stack(tensors).mean(0) for tensors in zip(*epochs, strict=True)]

    def state(self) -> dict[str, object]:
        """Return the state that :meth:`load` restores."""
        return {"kept": self.kept}

    def load(self, state: dict[str, object]) -> None:
        """Restore a saved state."""
        self.kept = [list(tensors) for tensors in _entry(state, "kept")][-self.epochs :]


def _entry(state: dict[str, object], name: str) -> list[Tensor]:
    tensors = state.get(name)
    if not isinstance(tensors, list):
        raise ModelError(
            "The checkpoint holds another kind of weight average than the configuration asks for.",
            "Set optimizer.average_decay and optimizer.average_last as in that run, or start anew.",
        )
    return tensors

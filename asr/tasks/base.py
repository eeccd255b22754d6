"""What a task is: a network with its loss, so that one trainer serves all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

__all__ = ["LossSum", "Task", "first_difference"]


@dataclass(frozen=True)
class LossSum:
    """A loss as a sum and what to divide it by, so that padding, accumulation and ranks agree on the mean.

    Attributes:
        total: scalar, summed over the batch.
        count: scalar, number of labels (or steps, or sequences) in the sum.
    """

    total: Tensor
    count: Tensor


class Task(nn.Module, ABC):
    """Network + loss. The trainer asks nothing else of a task."""

    @abstractmethod
    def loss(self, batch: Any, generator: Any = None) -> LossSum:
        """Return the loss of a batch.

        Args:
            batch: what this task's loader in ``asr/batches`` makes.
            generator: ``torch.Generator`` for the augmentation of this very batch; None augments nothing.
        """


def first_difference(expected: dict[str, Any], given: dict[str, Any]) -> str | None:
    """Return in words where two state dicts differ in names or shapes, or None."""
    for name, tensor in expected.items():
        if name not in given:
            return f"it lacks {name}"
        if tuple(given[name].shape) != tuple(tensor.shape):
            return f"{name} has shape {tuple(given[name].shape)}, needed {tuple(tensor.shape)}"
    extra = next((name for name in given if name not in expected), None)
    return f"{extra} is unknown here" if extra else None

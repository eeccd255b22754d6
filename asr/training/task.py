"""A task: a network with its loss, so that one training loop serves all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from asr.errors import ModelError

__all__ = ["LossSum", "Task", "first_difference", "load_weights"]


@dataclass(frozen=True)
class LossSum:
    """A loss as a sum and what to divide it by.

    The loop divides once, by the count of a whole step: padding, accumulation and ranks then agree.

    Attributes:
        total: scalar, summed over the batch.
        count: scalar, number of labels (or steps, or sequences) in the sum.
    """

    total: Tensor
    count: Tensor


class Task(nn.Module, ABC):
    """Network and loss. The training loop needs nothing else of a task."""

    @abstractmethod
    def loss(self, batch: Any, generator: Any = None) -> LossSum:
        """Return the loss of a batch.

        Args:
            batch: made by this task's loader.
            generator: ``torch.Generator`` of this batch's augmentation; None: no augmentation.
        """


def first_difference(expected: dict[str, Any], given: dict[str, Any]) -> str | None:
    """Return in words the first difference of two state dicts in names or shapes, or None."""
    for name, tensor in expected.items():
        if name not in given:
            return f"it lacks {name}"
        if tuple(given[name].shape) != tuple(tensor.shape):
            return f"{name} has shape {tuple(given[name].shape)}, needed {tuple(tensor.shape)}"
    extra = next((name for name in given if name not in expected), None)
    return f"{extra} is unknown here" if extra else None


def load_weights(task: nn.Module, weights: dict[str, Any], folder: Any) -> None:
    """Put the weights of a model folder into the network that its configuration describes.

    Raises:
        ModelError: they differ in names or shapes.
    """
    if difference := first_difference(task.state_dict(), weights):
        raise ModelError(
            f"The weights in {folder} do not fit its configuration: {difference}.", "Copy it again."
        )
    task.load_state_dict(weights)

"""What the batches of all tasks have in common: how they move between devices, and their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

__all__ = ["Batch"]

Self = TypeVar("Self", bound="Batch")  # typing's own comes with Python 3.11


class _Fields(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


class Batch(_Fields):
    """Base of the batches, which are frozen dataclasses with ``ids`` and ``seed``.

    The first dimension of every tensor is the row (utterance, text, window), unless the subclass
    says otherwise in :meth:`rows`.
    """

    ids: tuple[str, ...]
    seed: int

    def to(self: Self, device: torch.device | str, **kwargs: Any) -> Self:
        """Return the batch with its tensors on ``device``."""
        return self._map(lambda tensor: tensor.to(device, **kwargs))

    def pin_memory(self: Self) -> Self:
        """Return the batch in page-locked memory."""
        return self._map(lambda tensor: tensor.pin_memory())

    def rows(self: Self, start: int, stop: int) -> Self:
        """Return rows ``start`` to ``stop`` as a batch with the same padding."""
        values = self._values((Tensor, np.ndarray, tuple))
        return replace(self, **{name: value[start:stop] for name, value in values.items()})

    def _map(self: Self, move: Callable[[Tensor], Tensor]) -> Self:
        return replace(self, **{name: move(t) for name, t in self._values(Tensor).items()})

    def _values(self, kind: type | tuple[type, ...]) -> dict[str, Any]:
        """Return the fields of a kind by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, kind)}

    def __len__(self) -> int:
        return len(self.ids)

"""What the batches of all tasks have in common: how they move between devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor

__all__ = ["Batch"]

Self = TypeVar("Self", bound="Batch")  # typing's own comes with Python 3.11


class _Fields(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


class Batch(_Fields):
    """Base of the batches, which are frozen dataclasses with ``ids`` and ``seed``."""

    ids: tuple[str, ...]
    seed: int

    def to(self: Self, device: torch.device | str, **kwargs: Any) -> Self:
        """Return the batch with its tensors on ``device``."""
        return self._map(lambda tensor: tensor.to(device, **kwargs))

    def pin_memory(self: Self) -> Self:
        """Return the batch in page-locked memory."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self: Self, move: Callable[[Tensor], Tensor]) -> Self:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        moved = {name: move(t) for name, t in values.items() if isinstance(t, Tensor)}
        return replace(self, **moved)

    def __len__(self) -> int:
        return len(self.ids)

"""What the batches of all tasks have in common: they move between devices and fall into parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from asr.training.batching.seeds import keyed_seed

__all__ = ["FEWEST_ROWS", "Batch", "split_batch"]

FEWEST_ROWS = 8  # of a part: with statistics of four, batch normalisation slows the learning

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


def split_batch(batch: Self, most: int) -> list[Self]:
    """Return a batch in at most ``most`` parts of about as many rows, at least eight each.

    Every part has a seed of its own for what is drawn at random.
    """
    parts = max(1, min(most, len(batch) // FEWEST_ROWS))
    if parts == 1:
        return [batch]
    bounds = [len(batch) * n // parts for n in range(parts + 1)]
    return [
        replace(batch.rows(*bounds[n : n + 2]), seed=keyed_seed(batch.seed, n))
        for n in range(parts)
    ]

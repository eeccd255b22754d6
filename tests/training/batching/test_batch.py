"""Batches of all tasks move between devices whole."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asr.training.batching.batch import Batch


@dataclass(frozen=True)
class Numbers(Batch):
    x: Tensor
    y: Tensor | None
    ids: tuple[str, ...]
    seed: int = 0


def test_all_tensors_move_and_the_rest_stays() -> None:
    batch = Numbers(torch.ones(2, 3), None, ("a", "b"), seed=5)
    moved = batch.to("meta")
    assert (moved.x.device.type, moved.x.shape) == ("meta", (2, 3))
    assert (moved.y, moved.ids, moved.seed, len(moved)) == (None, ("a", "b"), 5, 2)
    assert batch.x.device.type == "cpu"

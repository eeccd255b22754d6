"""Position of a training run, as checkpoints store it."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Position"]


@dataclass
class Position:
    """Where a run stands.

    Attributes:
        epoch: next epoch, from 0.
        batch: next batch of it, from 0.
        step: optimizer steps taken.
        best: lowest dev figure so far.
        best_epoch: its epoch (-1: none yet).
        nonfinite_in_a_row: steps in a row that were skipped for a NaN or infinite loss or gradient.
        lr_scale: factor on the learning rate, lowered on plateaus.
        stalled: epochs since the last better one or the last lowering of the learning rate.
        seconds: of training so far.
        world_size: number of processes.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: float = math.inf
    best_epoch: int = -1
    nonfinite_in_a_row: int = 0
    lr_scale: float = 1.0
    stalled: int = 0
    seconds: float = 0.0
    world_size: int = 1

"""Where a training run stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Position"]


@dataclass
class Position:
    """Where a run is: the next batch, and what has been seen so far."""

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

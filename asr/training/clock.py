"""Seconds that a run has trained, over all its starts and the same on every rank."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["TrainingClock"]


class TrainingClock:
    """Clock of a run. All ranks must stop, save and set the learning rate at the same step.

    Clocks of several processes differ, so that all go by the first rank's: it is agreed upon at
    every step (:meth:`take`) and around epochs (:meth:`agree`).

    Args:
        fabric: knows the ranks.
        limit_s: seconds that the run may take (0: no limit).
    """

    def __init__(self, fabric: Fabric, limit_s: float) -> None:
        self.fabric, self.limit_s = fabric, limit_s
        self.agreed = 0.0
        self.start(0.0)

    def start(self, seconds: float) -> None:
        """Count from ``seconds``, those of earlier starts of the run."""
        self.before, self.started = seconds, time.monotonic()

    @property
    def own(self) -> float:
        """Seconds by this rank's clock."""
        return self.before + time.monotonic() - self.started

    @property
    def seconds(self) -> float:
        """Seconds that all ranks agree upon."""
        return self.own if self.fabric.world_size == 1 else self.agreed

    @property
    def share(self) -> float:
        """Share of the time limit that is used up; 0 without a limit."""
        return self.seconds / self.limit_s if self.limit_s else 0.0

    def agree(self) -> None:
        """Take the first rank's clock."""
        if self.fabric.world_size > 1:
            self.agreed = float(self.fabric.broadcast(self.own))

    def take(self, seconds: float) -> None:
        """Take the first rank's clock, which came with another exchange among the ranks."""
        self.agreed = seconds

"""Progress of a training: a bar in a terminal, and one line an epoch everywhere."""

from __future__ import annotations

import math
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from asr.progress import ProgressBar

if TYPE_CHECKING:
    from asr.training.experiment import Experiment
    from asr.training.position import Position

__all__ = ["Progress"]


class Progress(AbstractContextManager["Progress"]):
    """Prints to standard error.

    Args:
        run_dir: named at the start.
        max_epochs: of the whole training.
        enabled: False on all ranks but the first.
    """

    def __init__(self, run_dir: Path, max_epochs: int, enabled: bool = True) -> None:
        self.run_dir, self.max_epochs, self.enabled = run_dir, max_epochs, enabled
        self.bar = ProgressBar("", total=0, enabled=enabled)

    def __enter__(self) -> Progress:
        self.bar.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.__exit__(*exception)

    def start(self, experiment: Experiment, position: Position, precision: str) -> None:
        """Print the network's size, the precision, the run folder, and where a run resumes."""
        self.unit = experiment.speed_unit
        parameters = sum(p.numel() for p in experiment.task.parameters())
        self._print(f"{parameters / 1e6:.1f}M parameters, {precision}; writing to {self.run_dir}")
        if position.step:
            self._print(f"resumed at epoch {position.epoch + 1}, batch {position.batch + 1}")

    def start_epoch(self, epoch: int, num_batches: int, done: int) -> None:
        """Begin the bar of an epoch of which ``done`` batches were trained before."""
        self.epoch, self.started = epoch, time.monotonic()
        self.loss_sum, self.finite_steps, self.amount = 0.0, 0, 0.0
        self.bar.restart(f"epoch {epoch + 1}/{self.max_epochs}", num_batches, done)

    def step(self, loss: float, num_batches: int, amount: float) -> None:
        """Count an optimizer step: its loss, batches, and the amount of data in ``speed_unit``."""
        if math.isfinite(loss):
            self.loss_sum += loss
            self.finite_steps += 1
        self.amount += amount
        self.bar.advance(num_batches, status=f"loss {loss:.3f}  {self._speed()}")

    def _speed(self) -> str:
        return f"{self.amount / max(1e-9, time.monotonic() - self.started):.0f} {self.unit}"

    def end_epoch(self, figures: dict[str, float], better: bool) -> None:
        """Print the line of an epoch: seconds, speed, mean training loss and dev figures."""
        loss = self.loss_sum / max(1, self.finite_steps)
        seconds = time.monotonic() - self.started
        dev = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        mark = "  (best so far)" if better else ""
        done = f"epoch {self.epoch + 1}/{self.max_epochs}: {seconds:.0f} s, {self._speed()}"
        self._print(f"{done}, train loss {loss:.4f}; dev {dev}{mark}")

    def _print(self, text: str) -> None:
        if self.enabled:
            self.bar.print(text)

    @staticmethod
    def warn(text: str) -> None:
        """Print a warning, bar or no bar."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

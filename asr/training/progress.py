"""What a person sees of a training: a bar in a terminal, one line an epoch everywhere."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.run_dir, self.max_epochs = run_dir, max_epochs
        self.console = Console(file=sys.stderr, quiet=not enabled, highlight=False, soft_wrap=True)
        columns = (
            "{task.description}",
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
        )
        self.bar = RichProgress(
            *columns,
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not (enabled and self.console.is_terminal),
        )
        self.row: Any = None

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.bar.stop()

    def start(self, experiment: Experiment, position: Position, precision: str) -> None:
        """Say what is trained, where it is written, and from where it goes on."""
        self.unit, self.monitor = experiment.speed_unit, experiment.monitor
        parameters = sum(p.numel() for p in experiment.task.parameters())
        self.console.print(
            f"{parameters / 1e6:.1f}M parameters, {precision}; writing to {self.run_dir}"
        )
        if position.step:
            self.console.print(f"resumed at epoch {position.epoch + 1}, batch {position.batch + 1}")

    def start_epoch(self, epoch: int, num_batches: int, done: int) -> None:
        """Begin the bar of an epoch."""
        self.epoch, self.losses, self.amount = epoch, [0.0, 0], 0.0
        self.started = time.monotonic()
        if self.row is not None:
            self.bar.remove_task(self.row)
        self.row = self.bar.add_task(
            f"epoch {epoch + 1}/{self.max_epochs}", total=num_batches, completed=done, speed=""
        )

    def step(self, loss: float, num_batches: int, amount: float) -> None:
        """Count a step."""
        if loss == loss and abs(loss) != float("inf"):
            self.losses[0] += loss
            self.losses[1] += 1
        self.amount += amount
        self.bar.update(self.row, advance=num_batches, speed=f"loss {loss:.3f}  {self._rate()}")

    def _rate(self) -> str:
        return f"{self.amount / max(1e-9, time.monotonic() - self.started):.0f} {self.unit}"

    def end_epoch(self, figures: dict[str, float], better: bool) -> None:
        """Print the line of an epoch."""
        loss = self.losses[0] / max(1, self.losses[1])
        seconds = time.monotonic() - self.started
        dev = "  ".join(f"{name} {value:.4f}" for name, value in figures.items())
        mark = "  (best so far)" if better else ""
        done = f"epoch {self.epoch + 1}/{self.max_epochs}: {seconds:.0f} s, {self._rate()}"
        self.console.print(f"{done}, train loss {loss:.4f}; dev {dev}{mark}")

    @staticmethod
    def warn(text: str) -> None:
        """Print an alarm, bar or no bar."""
        print(f"warning: {text}", file=sys.stderr, flush=True)

"""Learning curves from ``log/metrics.jsonl``, or else from TensorBoard's event files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import DataError, require

__all__ = ["Curve", "read_curves"]


@dataclass
class Curve:
    """Values of one metric over training.

    Attributes:
        steps: optimizer steps, ascending.
        values: value at each step.
        epochs: epoch of each value; empty if unknown.
    """

    steps: list[int] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    epochs: list[int] = field(default_factory=list)

    def add(self, step: int, value: float, epoch: int | None = None) -> None:
        """Append a value; steps repeated by a resumed run replace the earlier ones."""
        while self.steps and self.steps[-1] >= step:
            for items in (self.steps, self.values, self.epochs):
                if items:
                    items.pop()
        self.steps.append(step)
        self.values.append(value)
        if epoch is not None:
            self.epochs.append(epoch)

    def thinned(self, points: int = 1000) -> Curve:
        """Return about ``points`` evenly spaced values, including the last one."""
        stride = max(1, len(self.steps) // points)
        return Curve(
            self.steps[::-1][::stride][::-1], self.values[::-1][::stride][::-1], self.epochs
        )


def read_curves(log_dir: Path) -> dict[str, Curve]:
    """Return the logged curves by name, such as ``train/loss`` and ``dev/wer``; may be empty.

    Raises:
        DataError: a line of ``metrics.jsonl`` is not a JSON object with a step.
        MissingDependencyError: there are only event files, and tensorboard is not installed.
    """
    if (log_dir / "metrics.jsonl").is_file():
        return _from_lines(log_dir / "metrics.jsonl")
    return _from_events(log_dir) if any(log_dir.glob("events.out.tfevents.*")) else {}


def _from_lines(path: Path) -> dict[str, Curve]:
    curves: dict[str, Curve] = {}
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
            step, epoch = int(row.pop("step")), row.pop("epoch", None)
            for name, value in row.items():
                curves.setdefault(name, Curve()).add(step, float(value), epoch)
        except (ValueError, TypeError, KeyError, AttributeError):
            if number == len(lines):
                break  # the run was killed while it wrote its last line
            raise DataError(
                f"{path}, line {number}: needed an object with a step and numbers."
            ) from None
    return curves


def _from_events(log_dir: Path) -> dict[str, Curve]:
    require("tensorboard", "train")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    curves: dict[str, Curve] = {}
    for file in _in_order(log_dir.glob("events.out.tfevents.*")):
        events = EventAccumulator(str(file), size_guidance={"scalars": 0})
        events.Reload()
        for name in events.Tags()["scalars"]:
            for event in events.Scalars(name):
                if name != "epoch":
                    curves.setdefault(name, Curve()).add(event.step, event.value)
    return curves


def _in_order(files: Iterable[Path]) -> list[Path]:
    # File names begin with the time of the first event.
    return sorted(files, key=lambda file: file.name)

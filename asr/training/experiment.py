"""What the loop needs to know of a task: its batches, how to judge it, how to keep it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.training.batching.loader import BatchLoader
from asr.training.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Experiment"]


@dataclass(frozen=True)
class Experiment:
    """A task made ready for :func:`asr.training.loop.fit`.

    Attributes:
        task: network + loss.
        train: its batches.
        evaluate: task -> dev figures by name, lower better for ``monitor``.
        monitor: the figure that decides which weights are kept.
        save_model: (task, folder) -> writes the model folder.
        speed: batch -> amount of data in it.
        speed_unit: of that amount per second, for people.
        pictures: task -> figures by name for TensorBoard, such as a fixed example's output; drawn
            now and then.
    """

    task: Task
    train: BatchLoader
    evaluate: Callable[[Task], dict[str, float]]
    monitor: str
    save_model: Callable[[Task, Path], None]
    speed: Callable[[Any], float]
    speed_unit: str
    pictures: Callable[[Task], dict[str, Figure]] | None = None

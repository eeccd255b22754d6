"""An experiment: a task, its batches, how to evaluate it and how to save it."""

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


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What :func:`asr.training.loop.fit` trains.

    Attributes:
        task: network and loss.
        train: batches to train on.
        evaluate: task -> dev figures by name.
        monitor: the dev figure that decides which weights are saved; lower is better.
        save_model: (task, folder) -> None; writes the model folder.
        speed: batch -> amount of data in it.
        speed_unit: of that amount per second, for the progress bar.
        pictures: task -> pictures by name for TensorBoard, such as a fixed example's output.
    """

    task: Task
    train: BatchLoader
    evaluate: Callable[[Task], dict[str, float]]
    monitor: str
    save_model: Callable[[Task, Path], None]
    speed: Callable[[Any], float]
    speed_unit: str
    pictures: Callable[[Task], dict[str, Figure]] | None = None

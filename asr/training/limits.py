"""A training that ends in time: after an epoch where the next one would be too late, or within one where it must."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from asr.run_folder import Metric, update_metrics
from asr.tasks.base import Task
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import BatchLoader, Experiment
from asr.training.loop import fit

__all__ = ["fit_within"]


def fit_within(
    experiment: Experiment,
    trainer: TrainerConfig,
    optimizer: OptimizerConfig,
    run_dir: str | Path,
    seed: int = 0,
    resume: bool = True,
    time_limit_s: float | None = None,
) -> None:
    """Train as :func:`asr.training.loop.fit` does, for ``time_limit_s`` seconds at most, evaluation not counted.

    There is a model folder afterwards in any case: where time is up within an epoch, the weights of that moment are
    judged like those of an epoch's end.
    """
    if not time_limit_s:
        fit(experiment, trainer, optimizer, run_dir, seed, resume)
        return
    clock = _Clock(time.monotonic() + time_limit_s)
    judge = _Judge(experiment)
    timed = replace(experiment, train=_TimedLoader(experiment.train, clock), evaluate=judge)
    try:
        fit(timed, trainer, optimizer, run_dir, seed, resume)
    except _TimeIsUpError:
        judge.keep_if_better(Path(run_dir))


class _TimeIsUpError(Exception):
    pass


class _Clock:
    def __init__(self, end: float) -> None:
        self.end, self.epoch, self.started, self.longest = end, -1, time.monotonic(), 0.0

    def start_epoch(self, epoch: int) -> None:
        """Stop before an epoch that would not fit, the longest one so far taken as the measure."""
        if epoch == self.epoch:
            return
        now = time.monotonic()
        if self.epoch >= 0:
            self.longest = max(self.longest, now - self.started)
            if now + self.longest > self.end:
                raise _TimeIsUpError
        self.epoch, self.started = epoch, now

    def check(self) -> None:
        if time.monotonic() > self.end:
            raise _TimeIsUpError


class _TimedLoader:
    def __init__(self, loader: BatchLoader, clock: _Clock) -> None:
        self.loader, self.clock = loader, clock

    def num_batches(self, epoch: int) -> int:
        self.clock.start_epoch(epoch)
        return self.loader.num_batches(epoch)

    def load(self, epoch: int, position: int) -> Any:
        if position:
            self.clock.check()
        return self.loader.load(epoch, position)

    def for_rank(self, rank: int, world_size: int) -> _TimedLoader:
        return _TimedLoader(self.loader.for_rank(rank, world_size), self.clock)


class _Judge:
    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.best = experiment, float("inf")

    def __call__(self, task: Task) -> dict[str, float]:
        figures = self.experiment.evaluate(task)
        self.best = min(self.best, figures[self.experiment.monitor])
        return figures

    def keep_if_better(self, run_dir: Path) -> None:
        before = self.best
        with torch.inference_mode():
            figures = self(self.experiment.task.eval())
        if figures[self.experiment.monitor] < before:
            self.experiment.save_model(self.experiment.task, run_dir / "model")
            update_metrics(run_dir, {f"dev/{name}": Metric(value, "dev") for name, value in figures.items()})

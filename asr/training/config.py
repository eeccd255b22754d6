"""Configuration of optimizer and trainer, the same for every task."""

from __future__ import annotations

from dataclasses import dataclass

from asr.config import check_choice, check_range
from asr.errors import ConfigError
from asr.training.schedules import SCHEDULES

__all__ = ["OptimizerConfig", "TrainerConfig"]

OPTIMIZERS = ("adamw", "adam", "rmsprop", "sgd")
PRECISIONS = ("auto", "fp32", "bf16")


@dataclass(frozen=True)
class OptimizerConfig:
    """Optimizer, learning-rate schedule, clipping and averaging of the weights.

    Attributes:
        name: adamw, adam, rmsprop or sgd.
        lr: peak learning rate.
        weight_decay: on matrices, not on biases and norms.
        schedule: of the learning rate, see :mod:`asr.training.schedules`.
        warmup: share of the training in which the learning rate rises.
        final_lr: last learning rate as a share of the peak.
        clip_norm: largest norm of the gradient (0: no limit).
        clip_value: largest value in the gradient (0: no limit); comes before clip_norm.
        momentum: of the gradient.
        second_momentum: of its square (adamw, adam, rmsprop).
        plateau_factor: of the schedule ``plateau``: multiplies the learning rate after
            plateau_patience epochs without a better dev figure.
        plateau_patience: of the schedule ``plateau``: epochs.
        average_decay: of the exponential average of the weights that is evaluated and saved (0: the
            weights themselves).
        average_last: instead, evaluate and save the mean of the weights after the last so many
            epochs (0: not).
    """

    name: str = "adamw"
    lr: float = 1e-3
    weight_decay: float = 0.01
    schedule: str = "cosine"
    warmup: float = 0.1
    final_lr: float = 0.01
    clip_norm: float = 5.0
    clip_value: float = 0.0
    momentum: float = 0.9
    second_momentum: float = 0.98
    plateau_factor: float = 0.5
    plateau_patience: int = 2
    average_decay: float = 0.0
    average_last: int = 0

    def __post_init__(self) -> None:
        check_choice("optimizer.name", self.name, OPTIMIZERS)
        check_choice("optimizer.schedule", self.schedule, tuple(SCHEDULES))
        check_range("optimizer.lr", self.lr, 0)
        check_range("optimizer.warmup", self.warmup, 0, 1)
        check_range("optimizer.final_lr", self.final_lr, 0, 1)
        check_range("optimizer.clip_norm", self.clip_norm, 0)
        check_range("optimizer.clip_value", self.clip_value, 0)
        check_range("optimizer.momentum", self.momentum, 0, 0.9999)
        check_range("optimizer.second_momentum", self.second_momentum, 0, 0.99999)
        check_range("optimizer.plateau_factor", self.plateau_factor, 1e-6, 1)
        check_range("optimizer.plateau_patience", self.plateau_patience, 0)
        check_range("optimizer.average_decay", self.average_decay, 0, 0.99999)
        check_range("optimizer.average_last", self.average_last, 0)
        if self.average_decay and self.average_last:
            raise ConfigError(
                "optimizer.average_decay and optimizer.average_last are both set.", "Set one to 0."
            )


@dataclass(frozen=True)
class TrainerConfig:
    """How long, how fast and in what precision to train.

    Attributes:
        max_epochs: passes over the training data; the schedule spans them.
        time_limit_s: end after so many seconds of training and evaluation, once the present step or
            evaluation is done (0: never). The schedule then follows whichever is nearer to its end,
            epochs or time, so that a short run anneals too; a resumed run no longer equals an
            unbroken one to the bit.
        accumulate: batches in an optimizer step.
        precision: ``auto`` times a step in both and takes the faster, ``fp32`` or ``bf16``;
            processors without bf16 units refuse the latter.
        patience: stop after so many epochs without a better dev figure (0: never).
        checkpoint_every_s: seconds between checkpoints inside an epoch; there is one after each
            epoch anyway.
        keep_going_after_nonfinite: steps in a row with a NaN or infinite loss or gradient that are
            skipped before the training ends with an error.
        gradient_checkpointing: keep only the inputs of the recurrent layers for the backward pass
            and compute the rest again (Chen et al. 2016): less memory for about a third more time.
        pictures_every: epochs between pictures in TensorBoard; the first epoch has them too (0:
            none).
        threads: that torch has on the processor (0: one, see :mod:`asr.training.threads`).
        workers: processes that make batches ahead (0: a thread of this process, enough for stored
            features).
        accelerator: of Lightning Fabric: auto, cpu, cuda, mps.
        devices: processes on a machine; torchrun and SLURM set it themselves.
        num_nodes: machines; torchrun and SLURM set it themselves.
        strategy: of Lightning Fabric: auto, ddp, ...
    """

    max_epochs: int = 30
    time_limit_s: float = 0.0
    accumulate: int = 1
    precision: str = "auto"
    patience: int = 0
    checkpoint_every_s: float = 600.0
    keep_going_after_nonfinite: int = 1
    gradient_checkpointing: bool = False
    pictures_every: int = 5
    threads: int = 0
    workers: int = 0
    accelerator: str = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"

    def __post_init__(self) -> None:
        check_choice("trainer.precision", self.precision, PRECISIONS)
        for name in ("max_epochs", "accumulate", "devices", "num_nodes"):
            check_range(f"trainer.{name}", getattr(self, name), 1)
        for name in (
            "time_limit_s",
            "patience",
            "checkpoint_every_s",
            "keep_going_after_nonfinite",
            "pictures_every",
            "threads",
            "workers",
        ):
            check_range(f"trainer.{name}", getattr(self, name), 0)

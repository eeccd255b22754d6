"""The training loop, one for every task, on Lightning Fabric (devices, precision, ranks).

Read it from the top down: :func:`fit` builds a :class:`Loop`; ``run`` resumes it and goes over
epochs; ``_train_epoch`` goes over optimizer steps; ``step`` is one of them; ``_end_epoch``
evaluates the weights and saves the best.

Nothing random is left to chance: batches, augmentation and dropout are keyed by (seed, epoch,
position). A run that was killed and resumed ends with the weights of an unbroken one, to the bit on
CPU in fp32 with the same number of threads.

Legend: a batch is what one forward pass takes; a group is the ``trainer.accumulate`` batches of one
optimizer step; a label is what the task's loss counts (labels, time steps or sequences).
"""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from asr.errors import ConfigError, TrainingError
from asr.run_folder import Metric, update_metrics
from asr.training.averaging import Average, EpochAverage, ExponentialAverage
from asr.training.batching.seeds import keyed_seed
from asr.training.callbacks import epoch_ended
from asr.training.checkpoint import load_checkpoint, save_checkpoint
from asr.training.clock import TrainingClock
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.memory import checkpoint_recurrent_layers
from asr.training.monitoring import RunLog
from asr.training.optim import build_optimizer
from asr.training.position import Position
from asr.training.precision import choose_precision
from asr.training.prefetch import BatchMaker
from asr.training.progress import Progress
from asr.training.ranks import Ranks, check_same_start, check_world_size, plan_ranks
from asr.training.schedules import lr_factor
from asr.training.task import Task
from asr.training.threads import torch_threads

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["fit"]


def fit(
    experiment: Experiment,
    trainer: TrainerConfig,
    optimizer: OptimizerConfig,
    run_dir: str | Path,
    *,
    seed: int = 0,
    resume: bool = True,
) -> Position:
    """Train to the end, keep the best weights in ``run_dir/model``; return the last position.

    Args:
        experiment: network, loss, batches, and how to judge and save.
        trainer: how long, how fast, in what precision.
        optimizer: what moves the weights.
        run_dir: gets ``checkpoints/``, ``log/``, ``model/``.
        seed: of dropout and augmentation.
        resume: from the last checkpoint in ``run_dir``, if there is one.

    Raises:
        TrainingError: losses or gradients stayed NaN or infinite (the message names the batches),
            or the checkpoint in ``run_dir`` is of a run with another number of processes.
        ModelError: the checkpoint belongs to another architecture.
    """
    with torch_threads(trainer.threads or 1):
        return Loop(experiment, trainer, optimizer, Path(run_dir), seed=seed).run(resume)


class Loop:
    """State and steps of one training; see :func:`fit`."""

    def __init__(
        self,
        experiment: Experiment,
        trainer: TrainerConfig,
        optimizer: OptimizerConfig,
        run_dir: Path,
        *,
        seed: int,
    ) -> None:
        self.experiment, self.trainer, self.optimizer_config = experiment, trainer, optimizer
        self.run_dir, self.seed = run_dir, seed

        # Devices and precision. Every rank runs this same code from here on.
        ranks = plan_ranks(trainer)
        self.precision = choose_precision(
            trainer.precision,
            experiment,
            timed=not ranks.several,
            accelerator=trainer.accelerator,
        )
        self.fabric, writer = _build_fabric(trainer, ranks, self.precision, run_dir)
        self.fabric.launch()

        # Network and optimizer. Fabric moves them to the device and, with several ranks, wraps the
        # network so that the backward pass exchanges gradients.
        if trainer.gradient_checkpointing:
            checkpoint_recurrent_layers(experiment.task)
        self.optimizer = build_optimizer(experiment.task, optimizer)
        self.model, self.wrapped_optimizer = self.fabric.setup(
            _LossModule(experiment.task), self.optimizer
        )
        self.average = _build_average(experiment.task, optimizer)

        # This rank's share of the batches, and where the run stands.
        self.loader = experiment.train.for_rank(self.fabric.global_rank, self.fabric.world_size)
        self.position = Position(world_size=self.fabric.world_size)
        self.clock = TrainingClock(self.fabric, trainer.time_limit_s)
        self.log = RunLog(self.fabric, writer, run_dir, trainer.pictures_every)
        self.log.watch(experiment.task, optimizer.clip_norm)

    # ----------------------------------------------------------------------------------------------
    # the run

    def run(self, resume: bool) -> Position:
        """Train from the last checkpoint, or from the start, to the end."""
        checkpoint = self.run_dir / "checkpoints" / "last.ckpt"
        if resume and checkpoint.is_file():
            state = load_checkpoint(checkpoint, self.experiment.task, self.optimizer, self.average)
            self.position = Position(**state)
            check_world_size(self.position.world_size, self.fabric.world_size, checkpoint)
        self.clock.start(self.position.seconds)
        self.clock.agree()
        # A rank that sees another checkpoint than the first one would train another network.
        check_same_start(self.position, self.fabric.broadcast(self.position), checkpoint)
        with self.epochs(checkpoint) as train_epoch:
            while not self._is_done():
                train_epoch()
        return self.position

    @contextlib.contextmanager
    def epochs(self, checkpoint: Path) -> Iterator[Callable[[], None]]:
        """Provide the function that trains the next epoch, with evaluation and checkpoint."""
        is_first = self.fabric.is_global_zero
        with (
            Progress(self.run_dir, self.trainer.max_epochs, enabled=is_first) as progress,
            BatchMaker(self.loader, self.trainer.workers) as maker,
        ):
            progress.start(self.experiment, self.position, self.precision)
            self.clock.start(self.position.seconds)  # building the network is not training
            yield lambda: self._train_epoch(progress, maker, checkpoint)

    def _is_done(self) -> bool:
        """Whether the epochs, the time or the patience are used up."""
        if self.position.epoch >= self.trainer.max_epochs or self.clock.share >= 1:
            return True
        waited = self.position.epoch - 1 - self.position.best_epoch  # epochs without a better one
        patience = self.trainer.patience
        return bool(patience) and self.position.best_epoch >= 0 and waited >= patience

    # ----------------------------------------------------------------------------------------------
    # an epoch

    def _train_epoch(self, progress: Progress, maker: BatchMaker, checkpoint: Path) -> None:
        """Train the rest of the present epoch, then judge and save."""
        position = self.position
        self.model.train()
        num_batches = self.loader.num_batches(position.epoch)
        progress.start_epoch(position.epoch, num_batches, position.batch)
        saved_at = self.clock.seconds

        # A resumed epoch skips the batches that were done: each is a pure function of its position.
        batches = maker.batches(position.epoch, position.batch, num_batches)
        while group := list(itertools.islice(batches, self.trainer.accumulate)):
            # The learning rate follows whichever is nearer its end, epochs or time limit.
            epochs_done = (position.epoch + position.batch / num_batches) / self.trainer.max_epochs
            lr = self._set_lr(max(epochs_done, min(1.0, self.clock.share)))

            loss, grad_norm = self.step(group)
            position.batch += len(group)
            position.step += 1

            if math.isfinite(loss):
                curves = {"train/loss": loss, "train/grad_norm": grad_norm, "train/lr": lr}
                self.log.write(curves, position)
            # Every rank processes about the same amount, so that one rank can speak for all.
            amount = self.fabric.world_size * sum(self.experiment.speed(batch) for batch in group)
            progress.step(loss, len(group), amount)

            if self.clock.share >= 1:
                break
            if self.clock.seconds - saved_at > self.trainer.checkpoint_every_s:
                self._save(checkpoint)
                saved_at = self.clock.seconds

        figures = self._end_epoch(progress)
        self._save(checkpoint)
        epoch_ended(position.epoch, figures, self.experiment.monitor)

    def _set_lr(self, done: float) -> float:
        """Set and return the learning rate where ``done``, 0 to 1, of the training is done."""
        config = self.optimizer_config
        factor = lr_factor(config.schedule, done, config.warmup, config.final_lr)
        lr = config.lr * self.position.lr_scale * factor
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        return lr

    # ----------------------------------------------------------------------------------------------
    # an optimizer step

    def step(self, group: list[Any]) -> tuple[float, float]:
        """Take one optimizer step; return the loss per label and the norm of its gradient.

        Args:
            group: batches whose losses are added up before the step.

        Raises:
            TrainingError: too many steps in a row had a NaN or infinite loss or gradient.
        """
        config, position = self.optimizer_config, self.position

        # 1. Dropout draws from torch's global generator. Its seed depends on nothing but where the
        #    run stands, so that a resumed run draws what the unbroken one would have drawn.
        key = (self.seed, position.epoch, position.batch, self.fabric.global_rank)
        torch.manual_seed(keyed_seed(*key))

        # 2. Forward and backward, batch by batch: gradients of the summed loss add up in p.grad.
        self.optimizer.zero_grad(set_to_none=True)
        total, count = self._forward_backward(group)

        # 3. One exchange among the ranks: loss and labels of the whole step.
        total, count = self._sum_over_ranks(total, count)
        labels = max(1.0, float(count))
        loss = float(total) / labels

        # 4. One division by all labels of the step, whatever the number of batches and ranks:
        #    padding, accumulation and data parallelism then agree. DDP has averaged the ranks'
        #    gradients, hence the factor world_size, which makes sums of them again.
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        torch._foreach_mul_(gradients, self.fabric.world_size / labels)

        # 5. Clipping: first single values, then the norm of the whole gradient.
        if config.clip_value:
            nn.utils.clip_grad_value_(self.model.parameters(), config.clip_value)
        norm = nn.utils.get_total_norm(gradients)
        self.log.record_gradients(position)
        grad_norm = float(norm)
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            self._skip(group, loss, grad_norm)  # one such step would make all weights NaN
            return loss, grad_norm
        position.nonfinite_in_a_row = 0
        if config.clip_norm:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), config.clip_norm, norm)

        # 6. Update of the weights, and of their average where one is kept.
        self.wrapped_optimizer.step()
        if self.average is not None:
            self.average.update()
        return loss, grad_norm

    def _forward_backward(self, group: list[Any]) -> tuple[Tensor, Tensor]:
        """Return the summed loss and the number of labels of this rank's group, both scalars."""
        total = torch.zeros((), device=self.fabric.device)
        count = torch.zeros((), device=self.fabric.device)
        for number, batch in enumerate(group):
            batch = batch.to(self.fabric.device)
            augmentation = torch.Generator().manual_seed(batch.seed)
            # Ranks exchange gradients with the last batch of the group; before it that is wasted.
            is_last = number == len(group) - 1
            with self.fabric.no_backward_sync(self.model, enabled=not is_last):
                loss, labels = self.model(_Opaque(batch), augmentation)
                self.fabric.backward(loss)
            total, count = total + loss.detach(), count + labels
        return total, count

    def _sum_over_ranks(self, total: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss and labels summed over ranks; the first rank's clock comes along."""
        clock = torch.full_like(total, self.clock.own if self.fabric.is_global_zero else 0.0)
        sums = self.fabric.all_reduce(torch.stack([total, count, clock]), reduce_op="sum")
        self.clock.take(float(sums[2]))
        return sums[0], sums[1]

    def _skip(self, group: list[Any], loss: float, grad_norm: float) -> None:
        """Warn of a step that is left out, or raise where it is one too many in a row."""
        ids = [i for batch in group for i in batch.ids]
        named = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        where = f"epoch {self.position.epoch + 1}, step {self.position.step + 1}"
        what = f"Loss {loss:g}, gradient norm {grad_norm:g} at {where}"
        self.position.nonfinite_in_a_row += 1
        times = self.position.nonfinite_in_a_row
        if times > self.trainer.keep_going_after_nonfinite:
            raise TrainingError(
                f"{what}, for the {times}. time in a row. The batch: {named}.",
                "Look at these recordings and transcripts, or lower optimizer.lr.",
            )
        Progress.warn(f"{what}: this batch is skipped ({named}).")

    # ----------------------------------------------------------------------------------------------
    # the end of an epoch

    def _end_epoch(self, progress: Progress) -> dict[str, float]:
        """Evaluate the weights, or their average, save the best; return the dev figures."""
        average = self.average
        if average is not None:
            average.end_epoch()
        with average.applied() if average is not None else contextlib.nullcontext():
            figures = self._evaluate()
            better = self._keep_best(figures)
            progress.end_epoch(figures, better)
            self.log.draw(self.experiment, self.position)
        self._lower_on_plateau(better)
        self.position.epoch += 1
        self.position.batch = 0
        self.clock.agree()
        return figures

    def _evaluate(self) -> dict[str, float]:
        """Return the dev figures, the same on every rank."""
        task = self.experiment.task.eval()
        figures: dict[str, float] = {}
        # One rank judges: batch statistics differ between ranks, the verdict must not.
        if self.fabric.is_global_zero:
            with torch.inference_mode():
                figures = self.experiment.evaluate(task)
        figures = self.fabric.broadcast(figures)
        self.log.write({f"dev/{name}": value for name, value in figures.items()}, self.position)
        return figures

    def _keep_best(self, figures: dict[str, float]) -> bool:
        """Save the model folder where the figure that decides is the lowest yet."""
        figure, position = figures[self.experiment.monitor], self.position
        if not figure < position.best:  # NaN is never better
            return False
        position.best, position.best_epoch = figure, position.epoch
        if self.fabric.is_global_zero:
            self.experiment.save_model(self.experiment.task, self.run_dir / "model")
            best = {
                f"dev/{name}": Metric(value, "dev", position.epoch + 1)
                for name, value in figures.items()
            }
            update_metrics(self.run_dir, best)
        return True

    def _lower_on_plateau(self, better: bool) -> None:
        """Lower the learning rate of the schedule ``plateau`` after epochs without a better one."""
        position, config = self.position, self.optimizer_config
        position.stalled = 0 if better else position.stalled + 1
        if config.schedule == "plateau" and position.stalled > config.plateau_patience:
            position.lr_scale *= config.plateau_factor
            position.stalled = 0

    def _save(self, path: Path) -> None:
        """Write the checkpoint; all ranks wait until it is there."""
        self.position.seconds = self.clock.seconds
        self.clock.start(self.position.seconds)
        if self.fabric.is_global_zero:
            save_checkpoint(
                path, self.experiment.task, self.optimizer, self.average, vars(self.position)
            )
        self.fabric.barrier()


class _Opaque:
    """A batch that Fabric and DDP cannot look into: they would write to its frozen fields."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch


class _LossModule(nn.Module):
    """A task whose ``forward`` is its loss: autocast and DDP hook into ``forward``."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, held: _Opaque, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        loss = self.task.loss(held.batch, generator)
        return loss.total, loss.count


def _build_fabric(
    trainer: TrainerConfig, ranks: Ranks, precision: str, run_dir: Path
) -> tuple[Fabric, Any]:
    """Return Fabric for these devices, and TensorBoard's writer."""
    from lightning.fabric import Fabric
    from lightning.fabric.loggers.tensorboard import TensorBoardLogger

    logger = TensorBoardLogger(run_dir, name="log", version="")
    try:
        fabric = Fabric(
            accelerator=trainer.accelerator,
            devices=ranks.devices,
            num_nodes=ranks.num_nodes,
            strategy=ranks.strategy,
            loggers=[logger],
            precision="bf16-mixed" if precision == "bf16" else "32-true",
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"This machine cannot train with these settings ({reason}).",
            "Change trainer.accelerator, trainer.devices or trainer.strategy.",
        ) from error
    return fabric, logger


def _build_average(task: nn.Module, config: OptimizerConfig) -> Average | None:
    if config.average_last:
        return EpochAverage(task, config.average_last)
    return ExponentialAverage(task, config.average_decay) if config.average_decay else None

"""The training loop, one for every task, on Lightning Fabric (devices, precision, ranks).

Nothing random is left to chance: batches, augmentation and dropout are keyed by (seed, epoch,
position). A run that was killed and resumed ends with the weights of an unbroken one, to the bit on
CPU in fp32 with the same number of threads.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from asr.errors import ConfigError, TrainingError
from asr.run_folder import Metric, update_metrics
from asr.training.averaging import Average, EpochAverage, ExponentialAverage
from asr.training.batching.seeds import keyed_seed
from asr.training.checkpoint import load_checkpoint, save_checkpoint
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.memory import checkpoint_recurrent_layers
from asr.training.monitoring import GradientMonitor, add_figure
from asr.training.optim import build_optimizer
from asr.training.position import Position
from asr.training.precision import choose_precision
from asr.training.prefetch import BatchMaker
from asr.training.progress import Progress
from asr.training.ranks import check_same_start, check_world_size, plan_ranks
from asr.training.schedules import lr_factor
from asr.training.task import Task
from asr.training.watching import epoch_ended

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["fit"]

BETWEEN_PICTURES_S = 60.0


def fit(
    experiment: Experiment,
    trainer: TrainerConfig,
    optimizer: OptimizerConfig,
    run_dir: str | Path,
    seed: int = 0,
    resume: bool = True,
) -> Position:
    """Train until done, keeping the best weights as a model folder in ``run_dir/model``; return
    where it ended.

    Args:
        experiment: what to train.
        trainer: settings.
        optimizer: settings.
        run_dir: gets ``checkpoints/``, ``log/``, ``model/``.
        seed: of dropout and augmentation.
        resume: go on from the last checkpoint in ``run_dir``, if there is one.

    Raises:
        TrainingError: losses or gradients stayed NaN or infinite (the message names the batches),
        or the checkpoint in
            ``run_dir`` is of a run with another number of processes.
        ModelError: it belongs to another architecture.
    """
    if trainer.threads:
        torch.set_num_threads(trainer.threads)
    return Loop(experiment, trainer, optimizer, Path(run_dir), seed).run(resume)


class Loop:
    """State and steps of one training; see :func:`fit`."""

    def __init__(
        self,
        experiment: Experiment,
        trainer: TrainerConfig,
        optimizer: OptimizerConfig,
        run_dir: Path,
        seed: int,
    ) -> None:
        from lightning.fabric import Fabric
        from lightning.fabric.loggers.tensorboard import TensorBoardLogger

        self.experiment, self.trainer, self.optimizer_config = experiment, trainer, optimizer
        self.run_dir, self.seed = run_dir, seed
        ranks = plan_ranks(trainer)
        self.precision = choose_precision(trainer.precision, experiment, timed=not ranks.several)
        self.logger = TensorBoardLogger(run_dir, name="log", version="")
        try:
            self.fabric: Fabric = Fabric(
                accelerator=trainer.accelerator,
                devices=ranks.devices,
                num_nodes=ranks.num_nodes,
                strategy=ranks.strategy,
                loggers=[self.logger],
                precision="bf16-mixed" if self.precision == "bf16" else "32-true",
            )
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"This machine cannot train so ({str(error).strip().splitlines()[0]}).",
                "Change trainer.accelerator, trainer.devices or trainer.strategy; auto takes what is there.",
            ) from error
        self.fabric.launch()
        if trainer.gradient_checkpointing:
            checkpoint_recurrent_layers(experiment.task)
        self.optimizer = build_optimizer(experiment.task, optimizer)
        self.model, self.wrapped_optimizer = self.fabric.setup(
            _Loss(experiment.task), self.optimizer
        )
        self.average = _build_average(experiment.task, optimizer)
        self.gradients = GradientMonitor(experiment.task, optimizer.clip_norm)
        self.loader = experiment.train.for_rank(self.fabric.global_rank, self.fabric.world_size)
        self.position = Position(world_size=self.fabric.world_size)
        self.agreed_s = 0.0
        self.counted_from = self.drawn_at = time.monotonic()

    def run(self, resume: bool) -> Position:
        """Train from the last checkpoint, or from the start, to the end."""
        checkpoint = self.run_dir / "checkpoints" / "last.ckpt"
        if resume and checkpoint.is_file():
            self.position = Position(
                **load_checkpoint(checkpoint, self.experiment.task, self.optimizer, self.average)
            )
            check_world_size(self.position.world_size, self.fabric.world_size, checkpoint)
        self._agree()
        check_same_start(self.position, self.fabric.broadcast(self.position), checkpoint)
        with self.epochs(checkpoint) as train_epoch:
            while self.position.epoch < self.trainer.max_epochs and not (
                self._out_of_patience() or self._share_of_time() >= 1
            ):
                train_epoch()
        return self.position

    @contextlib.contextmanager
    def epochs(self, checkpoint: Path) -> Iterator[Callable[[], None]]:
        """Provide what trains the next epoch from where the loop stands, with its log, evaluation
        and checkpoint.
        """
        with (
            Progress(
                self.run_dir, self.trainer.max_epochs, enabled=self.fabric.is_global_zero
            ) as progress,
            BatchMaker(self.loader, self.trainer.workers) as maker,
        ):
            progress.start(self.experiment, self.position, self.precision)
            self.counted_from = time.monotonic()
            yield lambda: self._epoch(progress, maker, checkpoint)

    def _out_of_patience(self) -> bool:
        waited = self.position.epoch - 1 - self.position.best_epoch
        return (
            bool(self.trainer.patience)
            and self.position.best_epoch >= 0
            and waited >= self.trainer.patience
        )

    def _own_seconds(self) -> float:
        return self.position.seconds + time.monotonic() - self.counted_from

    def _seconds(self) -> float:
        return self._own_seconds() if self.fabric.world_size == 1 else self.agreed_s

    def _agree(self) -> None:
        """Take the first rank's clock: all must stop, save and set the learning rate at the same
        step.
        """
        if self.fabric.world_size > 1:
            self.agreed_s = float(self.fabric.broadcast(self._own_seconds()))

    def _share_of_time(self) -> float:
        limit = self.trainer.time_limit_s
        return self._seconds() / limit if limit else 0.0

    def _epoch(self, progress: Progress, maker: BatchMaker, checkpoint: Path) -> None:
        self.model.train()
        epoch, num_batches = self.position.epoch, self.loader.num_batches(self.position.epoch)
        progress.start_epoch(epoch, num_batches, self.position.batch)
        saved_at = self._seconds()
        batches = maker.batches(epoch, self.position.batch, num_batches)
        while group := list(itertools.islice(batches, self.trainer.accumulate)):
            done = (epoch + self.position.batch / num_batches) / self.trainer.max_epochs
            lr = self._set_lr(max(done, min(1.0, self._share_of_time())))
            loss, grad_norm = self._step(group)
            self.position.batch += len(group)
            self.position.step += 1
            if math.isfinite(loss):
                self._log({"train/loss": loss, "train/grad_norm": grad_norm, "train/lr": lr})
            amount = self.fabric.world_size * sum(
                self.experiment.speed(batch) for batch in group
            )  # ranks have alike
            progress.step(loss, len(group), amount)
            if self._share_of_time() >= 1:
                break
            if self._seconds() - saved_at > self.trainer.checkpoint_every_s:
                self._save(checkpoint)
                saved_at = self._seconds()
        figures = self._finish_epoch(progress)
        self._save(checkpoint)
        epoch_ended(self.position.epoch, figures, self.experiment.monitor)

    def _set_lr(self, done: float) -> float:
        config = self.optimizer_config
        lr = (
            config.lr
            * self.position.lr_scale
            * lr_factor(config.schedule, done, config.warmup, config.final_lr)
        )
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        return lr

    def _step(self, group: list[Any]) -> tuple[float, float]:
        """One optimizer step over a group of batches; return the loss per label and the norm of its
        gradient.
        """
        position, rank = self.position, self.fabric.global_rank
        torch.manual_seed(
            keyed_seed(self.seed, position.epoch, position.batch, rank)
        )  # dropout of this step
        self.optimizer.zero_grad(set_to_none=True)
        total, count = (
            torch.zeros((), device=self.fabric.device),
            torch.zeros((), device=self.fabric.device),
        )
        for number, batch in enumerate(group):
            batch = batch.to(self.fabric.device)
            with self.fabric.no_backward_sync(self.model, enabled=number < len(group) - 1):
                loss, labels = self.model(_Held(batch), torch.Generator().manual_seed(batch.seed))
                self.fabric.backward(loss)
            total, count = total + loss.detach(), count + labels
        return self._apply(group, total, count)

    def _apply(self, group: list[Any], total: Tensor, count: Tensor) -> tuple[float, float]:
        clock = torch.full_like(total, self._own_seconds() if self.fabric.is_global_zero else 0.0)
        total, count, clock = self.fabric.all_reduce(
            torch.stack([total, count, clock]), reduce_op="sum"
        )
        self.agreed_s = float(clock)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        # DDP has averaged the ranks' sums: back to the sum over ranks, then one division by all
        # labels
        torch._foreach_mul_(gradients, self.fabric.world_size / max(1.0, float(count)))
        if self.optimizer_config.clip_value:
            nn.utils.clip_grad_value_(self.model.parameters(), self.optimizer_config.clip_value)
        norm = nn.utils.get_total_norm(gradients)
        self._watch_gradients()
        loss, grad_norm = float(total) / max(1.0, float(count)), float(norm)
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            self._alarm(group, loss, grad_norm)
            return loss, grad_norm
        self.position.nonfinite_in_a_row = 0
        if self.optimizer_config.clip_norm:
            nn.utils.clip_grads_with_norm_(
                self.model.parameters(), self.optimizer_config.clip_norm, norm
            )
        self.wrapped_optimizer.step()
        if self.average is not None:
            self.average.update()
        return loss, grad_norm

    def _watch_gradients(self) -> None:
        if (
            self.trainer.pictures_every
            and self.fabric.is_global_zero
            and self.gradients.is_due(self.position.step)
        ):
            norms = self.gradients.record(self.position.step)
            self.fabric.log_dict(
                {f"gradients/{name}": norm for name, norm in norms.items()}, step=self.position.step
            )

    def _alarm(self, group: list[Any], loss: float, grad_norm: float) -> None:
        ids = [i for batch in group for i in batch.ids]
        named = ", ".join(ids[:8]) + (f" and {len(ids) - 8} more" if len(ids) > 8 else "")
        where = f"epoch {self.position.epoch + 1}, step {self.position.step + 1}"
        what = f"Loss {loss:g}, gradient norm {grad_norm:g} at {where}"
        self.position.nonfinite_in_a_row += 1
        if self.position.nonfinite_in_a_row > self.trainer.keep_going_after_nonfinite:
            raise TrainingError(
                f"{what}, for the {self.position.nonfinite_in_a_row}. time in a row. The batch: {named}.",
                "Look at these recordings and transcripts, or lower optimizer.lr.",
            )
        Progress.warn(f"{what}: this batch is skipped ({named}).")

    def _finish_epoch(self, progress: Progress) -> dict[str, float]:
        if self.average is not None:
            self.average.end_epoch()
        with self.average.applied() if self.average is not None else contextlib.nullcontext():
            figures = self._evaluate(progress)
            self._draw()
        self.position.epoch += 1
        self.position.batch = 0
        self._agree()
        return figures

    def _evaluate(self, progress: Progress) -> dict[str, float]:
        task = self.experiment.task.eval()
        figures: dict[str, float] = {}
        if (
            self.fabric.is_global_zero
        ):  # one rank judges: batch statistics differ between ranks, the verdict must not
            with torch.inference_mode():
                figures = self.experiment.evaluate(task)
        figures = self.fabric.broadcast(figures)
        self._log({f"dev/{name}": value for name, value in figures.items()})
        better = figures[self.experiment.monitor] < self.position.best
        if better:
            self.position.best, self.position.best_epoch = (
                figures[self.experiment.monitor],
                self.position.epoch,
            )
            if self.fabric.is_global_zero:
                self.experiment.save_model(task, self.run_dir / "model")
                best = {
                    f"dev/{name}": Metric(value, "dev", self.position.epoch + 1)
                    for name, value in figures.items()
                }
                update_metrics(self.run_dir, best)
        self._lower_on_plateau(better)
        progress.end_epoch(figures, better)
        return figures

    def _draw(self) -> None:
        every, epoch = self.trainer.pictures_every, self.position.epoch + 1
        if not every or not self.fabric.is_global_zero or not (epoch == 1 or epoch % every == 0):
            return
        with torch.inference_mode():
            figures = (
                self.experiment.pictures(self.experiment.task) if self.experiment.pictures else {}
            )
        if not figures and time.monotonic() - self.drawn_at < BETWEEN_PICTURES_S:
            # a short training without pictures of its own shall not wait for one of its gradients
            return
        self.drawn_at = time.monotonic()
        if len(self.gradients.steps) > 1:
            figures["gradient norms"] = self.gradients.draw()
        for name, figure in figures.items():
            add_figure(self.logger.experiment, name, figure, self.position.step)

    def _lower_on_plateau(self, better: bool) -> None:
        self.position.stalled = 0 if better else self.position.stalled + 1
        config = self.optimizer_config
        if config.schedule == "plateau" and self.position.stalled > config.plateau_patience:
            self.position.lr_scale *= config.plateau_factor
            self.position.stalled = 0

    def _log(self, figures: dict[str, float]) -> None:
        self.fabric.log_dict(figures, step=self.position.step)
        if self.fabric.is_global_zero:  # the same as text, for people and for reports
            row = {"step": self.position.step, "epoch": self.position.epoch, **figures}
            with (self.run_dir / "log" / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    def _save(self, path: Path) -> None:
        self.position.seconds, self.counted_from = self._seconds(), time.monotonic()
        if self.fabric.is_global_zero:
            save_checkpoint(
                path, self.experiment.task, self.optimizer, self.average, vars(self.position)
            )
        self.fabric.barrier()


class _Held:
    """A batch that Fabric and DDP shall not look into: they would write to its fields, which are
    frozen.
    """

    def __init__(self, batch: Any) -> None:
        self.batch = batch


class _Loss(nn.Module):
    """A task whose ``forward`` is its loss: autocast and the exchange of gradients hang on
    ``forward``.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, held: _Held, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        loss = self.task.loss(held.batch, generator)
        return loss.total, loss.count


def _build_average(task: nn.Module, config: OptimizerConfig) -> Average | None:
    if config.average_last:
        return EpochAverage(task, config.average_last)
    return ExponentialAverage(task, config.average_decay) if config.average_decay else None

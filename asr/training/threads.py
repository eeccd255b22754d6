"""Data parallelism in threads: every core takes a part of each batch.

torch splits single operations among threads, which wait for each other hundreds of times a step and
at every time step of an LSTM. Where another program takes one of the cores, all threads wait for
the one that shares it, each time for as long as the scheduler lets the other program run: a step
then takes ten to fifty times as long. Here threads meet once a step, so that a busy core costs no
more than its share (benchmarks/training/company.py).

Like ranks (Li et al. 2020), each thread has its own statistics of batch normalisation, which are
averaged after the step. Weights are shared and gradients added in the order of the parts, so that a
result depends on the number of threads and not on which is first.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from itertools import repeat

import torch
from torch import Tensor, nn

from asr.cores import usable_cores
from asr.errors import ConfigError
from asr.sequence.dropout import random_masks
from asr.sequence.normalization import MaskedBatchNorm
from asr.training.batching.batch import Batch, split_batch
from asr.training.batching.loader import BatchLoader
from asr.training.batching.seeds import keyed_seed
from asr.training.config import TrainerConfig
from asr.training.task import LossSum, Task

__all__ = ["ThreadedGradients", "one_core_each", "plan_threads", "sum_up"]


def plan_threads(trainer: TrainerConfig, loader: BatchLoader, ranks: int) -> int:
    """Return how many threads share each batch; 1 where torch's own threads do the work.

    That is so on a GPU, with several ranks (each is a core's process), and for batches that carry
    state from one to the next.
    """
    on_processor = trainer.accelerator == "cpu" or not torch.accelerator.is_available()
    if not on_processor or ranks > 1 or not loader.divisible:
        return 1
    return trainer.threads or usable_cores()


@contextmanager
def one_core_each(threads: int, wanted: int) -> Iterator[None]:
    """Leave torch one thread for each of several ``threads``, or ``wanted`` for one (0: its
    choice); afterwards it has as many as before.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else wanted or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class ThreadedGradients:
    """Adds the gradients of a batch, computed part by part in threads, to those of a task.

    Args:
        task: whose weights are trained.
        threads: parts of a batch, at most.
        autocast: makes the context in which a loss is computed.

    Raises:
        ConfigError: the task cannot be copied.
    """

    def __init__(
        self, task: Task, threads: int, autocast: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self.tasks = [task, *(_replica(task) for _ in range(threads - 1))]
        self.parameters = [p for p in task.parameters() if p.requires_grad]
        self.autocast = autocast
        self.pool = ThreadPoolExecutor(threads, "train")
        list(self.pool.map(torch.set_num_threads, repeat(1, threads)))
        self.norms = [
            [module for module in task.modules() if isinstance(module, MaskedBatchNorm)]
            for task in self.tasks
        ]

    def add(self, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        """Return the summed loss and the number of labels of a batch, and add its gradients.

        Args:
            batch: on the processor.
            seed: of the dropout.
        """
        parts = split_batch(batch, len(self.tasks))
        seeds = [keyed_seed(seed, n) for n in range(len(parts))]
        results = list(self.pool.map(self._part, self.tasks, parts, seeds))
        for _, _, gradients in results:
            for parameter, gradient in zip(self.parameters, gradients, strict=True):
                if gradient is not None:
                    _add(parameter, gradient)
        self._average_statistics(len(parts))
        return sum_up([r[0] for r in results]), sum_up([r[1] for r in results])

    def _part(
        self, task: Task, part: Batch, seed: int
    ) -> tuple[Tensor, Tensor, Sequence[Tensor | None]]:
        """Return loss, labels and gradients of one part."""
        augmentation = torch.Generator().manual_seed(part.seed)
        with random_masks(torch.Generator().manual_seed(seed)):
            with self.autocast():
                loss: LossSum = task.loss(part, augmentation)
            gradients = torch.autograd.grad(loss.total, self.parameters, allow_unused=True)
        return loss.total.detach(), loss.count, gradients

    def _average_statistics(self, parts: int) -> None:
        """Give all threads the mean of the running statistics of those that worked."""
        for norms in zip(*self.norms, strict=True):
            for name in ("running_mean", "running_var"):
                statistics = [getattr(norm, name) for norm in norms]
                mean = torch.stack(statistics[:parts]).mean(0)
                for statistic in statistics:
                    statistic.copy_(mean)


def sum_up(values: list[Tensor]) -> Tensor:
    """Return the sum of scalars, in their order."""
    return torch.stack([value.float() for value in values]).sum()


def _add(parameter: nn.Parameter, gradient: Tensor) -> None:
    if parameter.grad is None:
        parameter.grad = gradient.clone()  # both biases of an LSTM are given one and the same
    else:
        parameter.grad += gradient


def _replica(task: Task) -> Task:
    """Return a copy that shares weights and buffers, but for the statistics of batches."""
    try:
        replica = copy.deepcopy(task)
    except (TypeError, RuntimeError) as error:
        raise ConfigError(
            f"This network cannot be copied for a second thread ({error}).",
            "Give trainer.threads=1.",
        ) from error
    for module, original in zip(replica.modules(), task.modules(), strict=True):
        for name, parameter in original._parameters.items():
            setattr(module, name, parameter)  # torch's LSTM keeps a list of its own up to date so
        if not isinstance(module, MaskedBatchNorm):
            module._buffers.update(original._buffers)
    return replica.train()

"""Parts of a batch in threads: the gradient of the whole, whichever thread is first."""

from __future__ import annotations

import contextlib
import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_training import OPTIMIZER, TRAINER, ToyLoader, ToyTask, experiment, weights

from asr.errors import ConfigError
from asr.language.modelling.batches import StreamLoader
from asr.sequence.dropout import dropout, random_masks
from asr.sequence.normalization import MaskedBatchNorm
from asr.training.batching.batch import split_batch
from asr.training.config import TrainerConfig
from asr.training.loop import fit
from asr.training.task import LossSum, Task
from asr.training.threads import ThreadedGradients, one_core_each, plan_threads

LARGE = (18, 26, 8, 33, 6)


def gradients(task: Task) -> list[Tensor]:
    return [p.grad.clone() for p in task.parameters() if p.grad is not None]


class Squares(Task):
    """A loss without anything random: batch statistics, then a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.output = MaskedBatchNorm(3), nn.Linear(3, 1)

    def loss(self, batch: Any, generator: torch.Generator | None = None) -> LossSum:
        x = self.norm(batch.x, batch.lens)
        return LossSum(self.output(x).square().sum(), batch.lens.sum())


class Linear(Squares):
    def loss(self, batch: Any, generator: torch.Generator | None = None) -> LossSum:
        return LossSum(self.output(batch.x).square().sum(), batch.lens.sum())


def test_sums_of_parts_are_the_sums_of_the_whole() -> None:
    task = Linear()
    batch = ToyLoader(sizes=(16,)).load(0, 0)
    threaded = ThreadedGradients(task, 3, contextlib.nullcontext)
    total, count = threaded.add(batch, seed=1)
    threaded.add(batch, seed=2)  # a second batch of the group is added
    found = gradients(task)
    task.zero_grad()
    loss = task.loss(batch)
    (2 * loss.total).backward()
    assert float(total) == pytest.approx(float(loss.total.detach()))
    assert float(count) == float(loss.count)
    for a, b in zip(found, gradients(task), strict=True):
        torch.testing.assert_close(a, b)


def test_recurrent_layers_of_all_threads_have_the_weights_of_now() -> None:
    task = ToyTask(dropout=0.0).train()
    batch = ToyLoader(sizes=(24,)).load(0, 0)
    threaded = ThreadedGradients(task, 3, contextlib.nullcontext)
    with torch.no_grad():
        for parameter in task.parameters():
            parameter += 0.1 * torch.randn_like(parameter)  # a step of the optimizer
    parts = split_batch(batch, 3)
    expected = [task.loss(part, torch.Generator().manual_seed(part.seed)).total for part in parts]
    total, _ = threaded.add(batch, seed=1)
    found = gradients(task)
    task.zero_grad()
    torch.stack(expected).sum().backward()
    assert float(total) == pytest.approx(sum(float(loss.detach()) for loss in expected))
    for a, b in zip(found, gradients(task), strict=True):
        torch.testing.assert_close(a, b)
    assert len(found) == len(list(task.parameters()))


class Shared(torch.autograd.Function):
    """a + b, whose gradients are one tensor, as those of an LSTM's two biases are."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor]:
        return upstream, upstream


class TwoBiases(Squares):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))

    def loss(self, batch: Any, generator: torch.Generator | None = None) -> LossSum:
        total = (batch.x * Shared.apply(self.a, self.b)).square().sum()
        return LossSum(total, batch.lens.sum())


def test_gradients_that_share_memory_are_told_apart() -> None:
    task = TwoBiases()
    batch = ToyLoader(sizes=(24,)).load(0, 0)
    ThreadedGradients(task, 3, contextlib.nullcontext).add(batch, seed=1)
    expected = (4 * batch.x.square()).sum((0, 1))
    for parameter in (task.a, task.b):
        torch.testing.assert_close(parameter.grad, expected)
        parameter.grad.zero_()  # the other must not change


def test_statistics_are_the_mean_of_the_parts() -> None:
    task = Squares()
    batch = ToyLoader(sizes=(16,)).load(0, 0)
    expected = []
    for start in (0, 8):
        alone = copy.deepcopy(task).train()
        alone.loss(batch.rows(start, start + 8))
        expected.append(alone.norm.running_mean)
    threaded = ThreadedGradients(task.train(), 2, contextlib.nullcontext)
    threaded.add(batch, seed=1)
    torch.testing.assert_close(task.norm.running_mean, torch.stack(expected).mean(0))
    for replica in threaded.tasks:
        assert torch.equal(replica.norm.running_mean, task.norm.running_mean)
        assert replica.output.weight is task.output.weight


def test_runs_with_as_many_threads_are_equal_to_the_bit(tmp_path: Path) -> None:
    trainer = replace(TRAINER, threads=2, max_epochs=3)
    runs = []
    for name in "ab":
        e = experiment(ToyLoader(sizes=LARGE))  # with dropout and noise
        fit(e, trainer, OPTIMIZER, tmp_path / name)
        runs.append(weights(e))
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_a_resumed_run_with_threads_equals_an_unbroken_one(tmp_path: Path) -> None:
    trainer = replace(TRAINER, threads=3, max_epochs=4)
    unbroken = experiment(ToyLoader(sizes=LARGE))
    fit(unbroken, trainer, OPTIMIZER, tmp_path / "a")

    class Stopping(ToyLoader):
        def load(self, epoch: int, position: int) -> Any:
            if (epoch, position) == (2, 3):
                raise InterruptedError
            return super().load(epoch, position)

    with pytest.raises(InterruptedError):
        fit(
            experiment(Stopping(sizes=LARGE)),
            replace(trainer, checkpoint_every_s=0.0),
            OPTIMIZER,
            tmp_path / "b",
        )
    resumed = experiment(ToyLoader(sizes=LARGE))
    fit(resumed, trainer, OPTIMIZER, tmp_path / "b")
    assert all(torch.equal(a, b) for a, b in zip(weights(unbroken), weights(resumed), strict=True))


def test_training_in_threads_lowers_the_loss(tmp_path: Path) -> None:
    e = experiment(ToyLoader(sizes=LARGE))
    before = e.evaluate(e.task.eval())["loss"]
    fit(e, replace(TRAINER, threads=2, max_epochs=30), OPTIMIZER, tmp_path)
    assert e.evaluate(e.task.eval())["loss"] < 0.5 * before


def test_masks_of_a_thread_come_from_its_generator() -> None:
    x = torch.ones(64)
    torch.manual_seed(1)
    with random_masks(torch.Generator().manual_seed(3)):
        first = dropout(x, 0.5)
    torch.manual_seed(2)
    with random_masks(torch.Generator().manual_seed(3)):
        assert torch.equal(dropout(x, 0.5), first)
    torch.manual_seed(1)
    assert not torch.equal(dropout(x, 0.5), first)


def test_an_error_in_a_part_is_raised() -> None:
    class Failing(Squares):
        def loss(self, batch: Any, generator: torch.Generator | None = None) -> LossSum:
            raise MemoryError("no memory")

    threaded = ThreadedGradients(Failing(), 2, contextlib.nullcontext)
    with pytest.raises(MemoryError, match="no memory"):
        threaded.add(ToyLoader(sizes=(16,)).load(0, 0), seed=1)


def test_a_network_that_cannot_be_copied_names_the_remedy() -> None:
    task = Squares()
    task.held = (n for n in range(3))
    with pytest.raises(ConfigError, match=r"trainer\.threads=1"):
        ThreadedGradients(task, 2, contextlib.nullcontext)


def test_who_gets_threads() -> None:
    loader = ToyLoader()
    on_processor = TrainerConfig(accelerator="cpu", threads=3)
    assert plan_threads(on_processor, loader, ranks=1) == 3
    assert plan_threads(on_processor, loader, ranks=2) == 1
    assert plan_threads(replace(on_processor, threads=0), loader, ranks=1) >= 1
    stream = StreamLoader(torch.arange(500).numpy(), batch_size=4, chunk=8)
    assert plan_threads(on_processor, stream, ranks=1) == 1


def test_torch_has_its_threads_back_afterwards() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with one_core_each(threads=4, wanted=4):
            assert torch.get_num_threads() == 1
        with one_core_each(threads=1, wanted=1):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)

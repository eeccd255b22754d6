"""A small recurrent regression for tests of the training loop: task, batches, experiment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from asr.sequence import RecurrentStack
from asr.training.batching.batch import Batch
from asr.training.batching.loader import BatchLoader
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.task import LossSum, Task

TRAINER = TrainerConfig(max_epochs=4, precision="fp32", threads=1, accelerator="cpu")
OPTIMIZER = OptimizerConfig(lr=0.01)


@dataclass(frozen=True)
class ToyBatch(Batch):
    x: Tensor
    lens: Tensor
    y: Tensor
    ids: tuple[str, ...]
    seed: int


class ToyTask(Task):
    def __init__(self, dropout: float = 0.3, width: int = 4) -> None:
        super().__init__()
        self.encoder = RecurrentStack(3, width, num_layers=2, dropout=dropout)
        self.output = nn.Linear(self.encoder.output_dim, 1)

    def loss(self, batch: ToyBatch, generator: torch.Generator | None = None) -> LossSum:
        x = batch.x
        if generator is not None:
            x = x + 0.1 * torch.randn(x.shape, generator=generator)
        y = self.output(self.encoder(x, batch.lens)[0])[..., 0]
        error = (y - batch.y).square() * (torch.arange(x.size(1)) < batch.lens.unsqueeze(1))
        return LossSum(error.sum(), batch.lens.sum())


class ToyLoader(BatchLoader):
    def __init__(
        self, bad: tuple[tuple[int, int], ...] = (), sizes: tuple[int, ...] = (2, 3, 4, 1, 2)
    ) -> None:
        super().__init__()
        self.bad, self.sizes = bad, sizes

    def num_batches(self, epoch: int) -> int:
        return len(self.sizes)

    def load(self, epoch: int, position: int) -> ToyBatch:
        g = torch.Generator().manual_seed(100 * epoch + position)
        size = self.sizes[position]
        lens = torch.randint(2, 9, (size,), generator=g)
        x = torch.randn(size, int(lens.max()), 3, generator=g)
        y = x.sum(-1).cumsum(1).tanh()
        if (epoch, position) in self.bad:
            y = y * math.nan
        return ToyBatch(
            x,
            lens,
            y,
            tuple(f"utt-{epoch}-{position}-{i}" for i in range(size)),
            7 * epoch + position,
        )


def experiment(
    loader: ToyLoader | None = None,
    dropout: float = 0.3,
    width: int = 4,
    dev: list[float] | None = None,
) -> Experiment:
    torch.manual_seed(0)
    loader = loader or ToyLoader()
    figures = iter(dev or [])

    def evaluate(task: Task) -> dict[str, float]:
        if dev:
            return {"loss": next(figures)}
        loss = task.loss(ToyLoader().load(99, 0))
        return {"loss": float(loss.total.detach() / loss.count)}

    def save(task: Task, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        torch.save(task.state_dict(), folder / "weights.pt")

    return Experiment(
        task=ToyTask(dropout, width),
        train=loader,
        evaluate=evaluate,
        monitor="loss",
        save_model=save,
        speed=lambda b: float(len(b.ids)),
        speed_unit="items/s",
    )


def weights(e: Experiment) -> list[Tensor]:
    return [p.detach().clone() for p in e.task.parameters()]

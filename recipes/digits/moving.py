"""ConvLSTM on generated videos: two handwritten digits move and bounce off the borders.

python recipes/digits/moving.py [--output-dir runs/moving-digits] [--seed 1] [key=value ...]

The videos are made from scikit-learn's digits as Srivastava et al. 2015 (section 4.1) made theirs
from MNIST; nothing is downloaded. Test videos show other images than training videos. The baseline
repeats the last picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from next_frame import FrameBatch, NextFrameConfig, NextFrameTask

from asr.cli.guard import run_script
from asr.config import as_dict, build_config, parse_overrides, save_config, yaml_text
from asr.errors import require
from asr.files import atomic_write_text
from asr.model_folder import open_bundle, save_weights, write_bundle
from asr.run_folder import Metric, update_metrics
from asr.training.batching.loader import BatchLoader
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

Floats = npt.NDArray[np.float32]
DIGIT = 8  # pixels of an image's side
TEST_IMAGES = 300


@dataclass(frozen=True)
class MovingConfig:
    """One training; ``picture``: side of the films, ``batches``: number in an epoch."""

    seed: int = 1
    output_dir: str = "runs/moving-digits"
    picture: int = 20
    steps: int = 12
    batches: int = 40
    batch_size: int = 16
    model: NextFrameConfig = field(default_factory=NextFrameConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=3e-3, second_momentum=0.99)
    )
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=8, precision="fp32", pictures_every=0)
    )


class Films(BatchLoader):
    """Batches of films, each a pure function of (seed, epoch, position)."""

    def __init__(self, images: Floats, config: MovingConfig, batches: int, seed: int) -> None:
        super().__init__(seed)
        self.images, self.config, self.batches = images, config, batches

    def num_batches(self, epoch: int) -> int:
        """Return the number of batches in an epoch."""
        return self.batches

    def load(self, epoch: int, position: int) -> FrameBatch:
        """Return one batch."""
        seed = self.batch_seed(epoch, position)
        rng, count = np.random.default_rng(seed), self.config.batch_size
        frames = np.stack([self._film(rng) for _ in range(count)])
        lens = torch.full((count,), self.config.steps)
        return FrameBatch(
            torch.from_numpy(frames),
            lens,
            tuple(f"{epoch}-{position}-{n}" for n in range(count)),
            seed,
        )

    def _film(self, rng: np.random.Generator) -> Floats:
        film = np.zeros((self.config.steps, self.config.picture, self.config.picture), np.float32)
        room = self.config.picture - DIGIT
        for image in self.images[rng.integers(len(self.images), size=2)]:
            start, speed = rng.uniform(0, 2 * room, 2), rng.uniform(-2.5, 2.5, 2)
            for t, frame in enumerate(film):
                folded = np.abs((start + t * speed) % (2 * room) - room)  # flies to and fro
                row, column = np.rint(folded).astype(int)
                window = frame[row : row + DIGIT, column : column + DIGIT]
                np.maximum(window, image, out=window)
        return film


def figures(task: NextFrameTask, films: Films) -> dict[str, float]:
    """Return cross-entropy a pixel and mean squared errors: of the next picture, and of five in a
    row.
    """
    sums: dict[str, float] = dict.fromkeys(
        ("loss", "mse", "mse_repeat", "mse_5", "mse_5_repeat"), 0.0
    )
    for position in range(films.batches):
        batch = films.load(0, position)
        loss = task.loss(batch)
        known, future = batch.frames[:, :-5], batch.frames[:, -5:]
        predicted = task.roll_out(known, 5)
        last = known[:, -1:]
        sums["loss"] += float(loss.total / loss.count)
        sums["mse"] += float((predicted[:, :1] - future[:, :1]).square().mean())
        sums["mse_repeat"] += float((last - future[:, :1]).square().mean())
        sums["mse_5"] += float((predicted - future).square().mean())
        sums["mse_5_repeat"] += float((last - future).square().mean())
    return {name: value / films.batches for name, value in sums.items()}


def saver(config: MovingConfig) -> Callable[[Task, Path], None]:
    """Return what writes the model folder."""

    def save(task: Task, folder: Path) -> None:
        def write(target: Path) -> None:
            atomic_write_text(
                target / "config.yaml",
                yaml_text({"task": "next_frame", "model": as_dict(config.model)}),
            )
            save_weights(target, task.state_dict())

        write_bundle(folder, write)

    return save


def main() -> None:
    """Train, and print how far the predicted pictures are from the true ones."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output-dir", type=Path, default=Path("runs/moving-digits"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    arguments = parser.parse_intermixed_args()
    out: Path = arguments.output_dir
    chosen: dict[str, Any] = {"seed": arguments.seed, "output_dir": str(out)}
    config = build_config(MovingConfig, chosen, parse_overrides(arguments.overrides))
    save_config(config, out / "config.yaml")
    images = (require("sklearn.datasets", "train").load_digits().images / 16).astype(np.float32)
    images = images[np.random.default_rng(0).permutation(len(images))]
    test, dev, rest = np.split(images, [TEST_IMAGES, TEST_IMAGES + 100])
    torch.manual_seed(config.seed)
    task = NextFrameTask(config.model)
    dev_films = Films(dev, config, 4, 10_000)

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, NextFrameTask)
        return figures(trained, dev_films)

    films = Films(rest, config, config.batches, config.seed)
    experiment = Experiment(
        task=task,
        train=films,
        evaluate=evaluate,
        monitor="loss",
        save_model=saver(config),
        speed=len,
        speed_unit="films/s",
    )
    fit(experiment, config.trainer, config.optimizer, out, seed=config.seed)
    task.load_state_dict(open_bundle(out, task="next_frame").weights())
    with torch.inference_mode():
        result = figures(task.eval(), Films(test, config, 20, 20_000))
    update_metrics(out, {f"test/{name}": Metric(value, "test") for name, value in result.items()})
    print("\n".join(f"{name}\t{value:.5f}" for name, value in result.items()))


if __name__ == "__main__":
    run_script(main)

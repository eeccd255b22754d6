"""Training throughput on a GPU with the network of recipes/librispeech/960.yaml.

    python benchmarks/scale/gpu.py [--steps 40] [--hidden 1024] [--batch-s 1200] [-o gpu.json]

Trains with the project's own loop on random features with the lengths of read speech. For bf16 and
fp32, with and without gradient checkpointing, it prints:

* hours of speech per hour of the device
* milliseconds a step
* share of the time in which the device waits for batches
* largest memory

`-o` writes the fastest as a figure that `plan.py --figures` takes. The loss after the steps is
printed too: bf16 and fp32 should agree. Word error rates need real speech, see
recipes/librispeech/run.py. Without a GPU the script says so and stops.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr.config import load_config
from asr.features.config import FeatureConfig
from asr.speech.config import SpeechConfig
from asr.speech.training import build_experiment
from asr.training.experiment import Experiment
from asr.training.loop import Loop
from asr.training.prefetch import BatchMaker
from data_prep.store import write_store

RECIPE = Path(__file__).parents[2] / "recipes" / "librispeech" / "960.yaml"
WARM_UP = 5


@dataclass(frozen=True)
class Measured:
    """What one way to train gave."""

    name: str
    hours_per_hour: float
    step_ms: float
    waiting: float
    memory_gb: float
    loss: float


def make_data(folder: Path, hours: float) -> None:
    """Store random features and texts with the lengths of read speech."""
    rng, items, total = np.random.default_rng(0), [], 0
    letters = np.array(list("etaoinshrdlucmfwypvbgk      "))
    while total < hours * 3600 * 100:
        frames = int(np.clip(rng.normal(1230, 380), 150, 2400))
        text = "a" + "".join(rng.choice(letters, frames // 7)) + "b"
        items.append(
            (
                f"u{len(items):06}",
                " ".join(text.split()),
                rng.normal(size=(frames, 80)).astype("f4"),
            )
        )
        total += frames
    write_store(folder / "train", FeatureConfig(), items)
    write_store(folder / "dev", FeatureConfig(), items[:2])


class Waited:
    """Batches as the loop gets them, with the time that it stood still for them."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment, self.seconds = experiment, 0.0

    def batches(self) -> Iterator[Any]:
        """Yield batches for ever, epoch after epoch."""
        with BatchMaker(self.experiment.train) as maker:
            for epoch in range(10**6):
                source = maker.batches(epoch, 0, self.experiment.train.num_batches(epoch))
                while True:
                    start = time.perf_counter()
                    batch = next(source, None)
                    self.seconds += time.perf_counter() - start
                    if batch is None:
                        break
                    yield batch


def measure(config: SpeechConfig, folder: Path, name: str, steps: int) -> Measured:
    """Return the figures of so many steps after a few to warm up."""
    experiment = replace(
        build_experiment(config, folder / name), evaluate=lambda task: {"wer": 1.0}
    )
    torch.cuda.reset_peak_memory_stats()
    loop = Loop(experiment, config.trainer, config.optimizer, folder / name, seed=config.seed)
    loop.model.train()
    waited, speech_s, loss, start = Waited(experiment), 0.0, 0.0, 0.0
    for step, batch in enumerate(waited.batches()):
        if step == WARM_UP:
            torch.cuda.synchronize()
            waited.seconds, speech_s, start = 0.0, 0.0, time.perf_counter()
        if step == WARM_UP + steps:
            break
        loss, _ = loop.step([batch])
        loop.position.step += 1
        speech_s += batch.duration_s
    torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    return Measured(
        name=name,
        hours_per_hour=speech_s / seconds,
        step_ms=1000 * seconds / steps,
        waiting=waited.seconds / seconds,
        memory_gb=torch.cuda.max_memory_allocated() / 1e9,
        loss=loss,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--hours", type=float, default=4.0, help="of made-up speech")
    parser.add_argument("--hidden", type=int, default=0, help="instead of the recipe's")
    parser.add_argument("--batch-s", type=float, default=0.0, help="instead of the recipe's")
    parser.add_argument("-o", "--output", type=Path)
    a = parser.parse_args()
    if not torch.cuda.is_available():
        print(
            "There is no GPU here that torch can use, so there is nothing to measure. Run the same "
            "where there is one."
        )
        sys.exit(0)
    changes = [f"model.hidden_dim={a.hidden}"] if a.hidden else []
    changes += [f"data.max_batch_s={a.batch_s}"] if a.batch_s else []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, a.hours)
        found = []
        for precision in ("bf16", "fp32"):
            for checkpointing in (False, True):
                overrides = [
                    *changes,
                    f"data.train={folder / 'train'}",
                    f"data.dev={folder / 'dev'}",
                    "tokenizer.kind=characters",
                    f"trainer.precision={precision}",
                    f"trainer.gradient_checkpointing={checkpointing}",
                    "trainer.pictures_every=0",
                ]
                config = load_config(SpeechConfig, RECIPE, overrides)
                found.append(
                    measure(
                        config,
                        folder,
                        f"{precision}{' checkpointed' if checkpointing else ''}",
                        a.steps,
                    )
                )
                show(found[-1])
    if a.output:
        best = max(found, key=lambda m: m.hours_per_hour)
        source = f"benchmarks/scale/gpu.py: {best.name} on {torch.cuda.get_device_name()}"
        figure = {
            "train_hours_per_device_hour": {"value": round(best.hours_per_hour, 1), "from": source}
        }
        a.output.write_text(json.dumps(figure, indent=1) + "\n", encoding="utf-8")


def show(m: Measured) -> None:
    """Print a line."""
    print(
        f"{m.name:18s} {m.hours_per_hour:8.0f} h/h  {m.step_ms:8.1f} ms a step  "
        f"{100 * m.waiting:5.1f} % waiting  "
        f"{m.memory_gb:6.2f} GB  loss {m.loss:.3f}",
        flush=True,
    )


if __name__ == "__main__":
    main()

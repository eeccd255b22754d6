"""How much faster two processes train than one, each pinned to a core of its own.

    python benchmarks/scale/ranks.py [--seconds 240] [--hidden 256] [--rounds 3] [-o ranks.json]

Trains an epoch on random features with the lengths of read speech: one process pinned to one core
(`taskset`), and two under torchrun pinned to two, in turns. Both use the same amount of speech per
step (the single process has the double batch). Evaluation is left out. Prints the seconds of the
epoch and the ratio, and writes the ratio as a figure that `plan.py --figures` takes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np


def make_data(folder: Path, seconds: float) -> None:
    """Store random features and texts."""
    from asr.features.config import FeatureConfig
    from data_prep.store import write_store

    rng, items, total = np.random.default_rng(0), [], 0
    while total < seconds * 100:
        frames = int(np.clip(rng.gamma(4.0, 180.0), 150, 1600))
        text = "a" + "".join(rng.choice(list("etaoins    "), frames // 9)) + "b"
        items.append(
            (
                f"u{len(items):05}",
                " ".join(text.split()),
                rng.normal(size=(frames, 80)).astype("f4"),
            )
        )
        total += frames
    write_store(folder / "train", FeatureConfig(), items)


def worker(folder: Path, hidden: int, batch_s: float) -> None:
    """Train an epoch to warm up and one that counts; the first process prints its seconds."""
    os.sched_setaffinity(
        0, {sorted(os.sched_getaffinity(0))[int(os.environ.get("LOCAL_RANK", "0"))]}
    )
    from asr.config import build_config
    from asr.speech.training.config import SpeechConfig
    from asr.speech.training.train import build_experiment
    from asr.training.loop import fit

    split = str(folder / "train")
    settings = {
        "data": {"train": split, "dev": split, "max_batch_s": batch_s, "max_batch_size": 64},
        "model": {"hidden_dim": hidden},
        "trainer": {
            "max_epochs": 2,
            "precision": "fp32",
            "accelerator": "cpu",
            "threads": 1,
            "pictures_every": 0,
        },
    }
    config = build_config(SpeechConfig, settings)
    ends: list[float] = []

    def evaluate(task: object) -> dict[str, float]:
        ends.append(time.perf_counter())
        return {"wer": 1.0}

    run_dir = (
        Path(tempfile.gettempdir()) / f"ranks-{os.environ.get('TORCHELASTIC_RUN_ID', os.getpid())}"
    )
    experiment = replace(
        build_experiment(config, run_dir), evaluate=evaluate, save_model=lambda task, path: None
    )
    fit(experiment, config.trainer, config.optimizer, run_dir, resume=False)
    if ends:
        print(f"seconds {ends[1] - ends[0]:.3f}", flush=True)


def seconds_of(ranks: int, folder: Path, a: argparse.Namespace) -> float:
    """Return the seconds of an epoch with so many processes."""
    launcher = (
        ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]
        if ranks > 1
        else []
    )
    batch_s = str(a.batch_s / ranks)
    command = [
        sys.executable,
        *launcher,
        __file__,
        "--worker",
        str(folder),
        "--hidden",
        str(a.hidden),
        "--batch-s",
        batch_s,
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return float(
        next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("seconds"))
    )


def main() -> None:
    """Measure in turn, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--batch-s", type=float, default=120.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", type=Path)
    parser.add_argument("-o", "--output", type=Path)
    a = parser.parse_args()
    if a.worker:
        worker(a.worker, a.hidden, a.batch_s)
        return
    with tempfile.TemporaryDirectory() as name:
        make_data(Path(name), a.seconds)
        rounds = [
            (seconds_of(1, Path(name), a), seconds_of(2, Path(name), a)) for _ in range(a.rounds)
        ]
    ratios = [one / two for one, two in rounds]
    for one, two in rounds:
        print(f"one {one:.2f} s, two {two:.2f} s: {one / two:.2f} times as fast")
    ratio = statistics.median(ratios)
    print(f"median {ratio:.2f}")
    if a.output:
        figure = {
            "scaling_of_devices": {
                "value": round(ratio / 2, 3),
                "from": "benchmarks/scale/ranks.py: two on a machine",
            }
        }
        a.output.write_text(json.dumps(figure, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

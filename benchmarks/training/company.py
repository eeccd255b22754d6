"""What a training loses when other programs want the cores.

    python benchmarks/training/company.py [--hidden 128] [--rows 8] [--busy 0 1 2]

Trains on random features, as long as read speech, alone and beside busy processes, in two ways:
  torch  torch's own threads, as most toolkits do: they meet inside every operation
  one    one thread, as `asr train` does
and prints seconds an epoch (the fastest of three), the slow-down against the same alone, and that
as a share of the fair one: t threads beside k busy processes on c cores are due c * t / (t + k)
cores. A way that takes longer than --limit seconds is given up.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from epoch import make_store

from asr.cores import usable_cores
from asr.features.extraction import SpecAugmentConfig
from asr.speech.acoustics.network import CtcModelConfig
from asr.speech.training.config import SpeechConfig, SpeechDataConfig
from asr.speech.training.train import build_experiment
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.loop import Loop
from asr.training.threads import torch_threads

ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--rows", type=int, default=8, help="utterances in a batch")
    parser.add_argument("--seconds", type=float, default=240.0, help="of speech in an epoch")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", default=["one", "torch"])
    parser.add_argument("--limit", type=float, default=120.0)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        print(min(epochs(arguments.worker, arguments)))
        return
    cores = usable_cores()
    print(
        f"{cores} cores, 5x{arguments.hidden}, batches of {arguments.rows}, {arguments.precision}"
    )
    print(f"{'':8s} {'busy':>4s} {'s/epoch':>8s} {'slow-down':>9s} {'of fair':>8s}")
    for way in arguments.ways:
        alone = None
        for busy in arguments.busy:
            seconds = beside(busy, way, arguments.limit)
            alone = alone or seconds
            if seconds is None or alone is None:
                print(
                    f"{way:8s} {busy:4d} more than {arguments.limit:.0f} s for {ROUNDS + 1} epochs"
                )
                continue
            threads = 1 if way == "one" else cores
            fair = threads / min(threads, cores * threads / (threads + busy))
            slower = seconds / alone
            print(
                f"{way:8s} {busy:4d} {seconds:8.2f} {slower:9.2f} {slower / fair:8.2f}", flush=True
            )


def beside(busy: int, way: str, limit: float) -> float | None:
    """Return the seconds of an epoch beside ``busy`` processes, None after too long."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
    try:
        command = [sys.executable, *sys.argv, "--worker", way]
        done = subprocess.run(command, check=True, timeout=limit, capture_output=True, text=True)
        return float(done.stdout.split()[-1])
    except subprocess.TimeoutExpired:
        return None
    finally:
        for other in others:
            other.kill()


def epochs(way: str, arguments: argparse.Namespace) -> list[float]:
    """Return the seconds of some epochs in one of the ways."""
    threads = 1 if way == "one" else usable_cores()
    with (
        tempfile.TemporaryDirectory() as name,
        torch_threads(threads),
    ):
        split = make_store(Path(name), arguments.seconds)
        config = SpeechConfig(
            data=SpeechDataConfig(
                str(split), str(split), max_batch_s=1000, max_batch_size=arguments.rows
            ),
            specaugment=SpecAugmentConfig(),
            model=CtcModelConfig(hidden_dim=arguments.hidden),
        )
        experiment = build_experiment(config, Path(name))
        trainer = TrainerConfig(precision=arguments.precision, accelerator="cpu", threads=threads)
        loop = Loop(experiment, trainer, OptimizerConfig(), Path(name) / "run", seed=1)
        loader = experiment.train
        batches = [loader.load(0, n) for n in range(loader.num_batches(0))]
        loop.model.train()
        return [timed_epoch(loop, batches) for _ in range(ROUNDS + 1)][1:]


def timed_epoch(loop: Loop, batches: list[object]) -> float:
    start = time.perf_counter()
    for batch in batches:
        loop.step([batch])
        loop.position.batch += 1
    return time.perf_counter() - start


if __name__ == "__main__":
    main()

"""What an epoch costs beyond the bare arithmetic, and what packed sequences would cost.

    python benchmarks/training/epoch.py [--hidden 256] [--seconds 240] [--threads 2] [--rounds 3]

Makes feature stores of random features with the lengths of read speech, then times in turns, round
by round:

* trainer: one epoch through asr.training.loop.fit (reading, batching, augmentation, clipping,
  logging, checkpoint)
* bare: forward + backward + optimizer step of the same batches, already in memory
* packed: the same bare steps with the recurrent layers as torch's bidirectional LSTM on packed
  sequences

and prints each as a ratio to `bare` (median over the rounds).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from asr.features.config import FeatureConfig
from asr.features.extraction import SpecAugmentConfig
from asr.sequence.recurrent import RecurrentStack, RecurrentState
from asr.speech.acoustics.network import CtcModelConfig
from asr.speech.training.config import SpeechConfig, SpeechDataConfig
from asr.speech.training.train import build_experiment
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.loop import Loop
from asr.training.optim import build_optimizer
from data_prep.store import write_store


class PackedStack(nn.Module):
    """The recurrent layers as most recipes have them: torch's bidirectional LSTM on packed
    sequences.
    """

    def __init__(self, like: RecurrentStack) -> None:
        super().__init__()
        self.norms, self.output_norm, self.dropout = like.norms, like.output_norm, like.dropout
        cells = [layer.forward_cell for layer in like.layers]
        self.layers = nn.ModuleList(
            nn.LSTM(c.input_size, c.hidden_size, bidirectional=True, batch_first=True)
            for c in cells
        )
        self.output_dim = like.output_dim

    def forward(
        self, x: Tensor, x_lens: Tensor, taps: object = None, feedback: object = None
    ) -> tuple[Tensor, Tensor, RecurrentState]:
        """(B, T, D), (B,) -> (B, T, 2H), (B,), nothing."""
        for norm, layer in zip(self.norms, self.layers, strict=True):
            packed = pack_padded_sequence(
                norm(x, x_lens), x_lens.cpu(), batch_first=True, enforce_sorted=False
            )
            y, _ = pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=x.size(1))
            x = x + self.dropout(y)
        return self.output_norm(x, x_lens), x_lens, []


def make_store(folder: Path, seconds: float) -> Path:
    rng = np.random.default_rng(0)
    lengths: list[int] = []
    while sum(lengths) < seconds * 100:
        lengths.append(int(np.clip(rng.gamma(4.0, 180.0), 150, 1600)))
    letters = np.array(list("etaoinshrdlu    "))
    items = [
        (
            f"utt{i:05}",
            "a" + "".join(rng.choice(letters, n // 9)),
            rng.normal(size=(n, 80)).astype("f4"),
        )
        for i, n in enumerate(lengths)
    ]
    write_store(folder / "split", FeatureConfig(), items)
    return folder / "split"


def timed(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        split = make_store(Path(name), arguments.seconds)
        config = SpeechConfig(
            data=SpeechDataConfig(str(split), str(split), max_batch_s=150, max_batch_size=16),
            specaugment=SpecAugmentConfig(),
            model=CtcModelConfig(hidden_dim=arguments.hidden),
        )
        ratios = measure(config, Path(name), arguments.rounds)
    print(
        f"5x{arguments.hidden} BiLSTM, {arguments.seconds:.0f} s of speech, {arguments.threads} "
        "threads, fp32"
    )
    for what, values in ratios.items():
        print(
            f"{what:8s} {statistics.median(values):.3f} x bare   "
            f"({', '.join(f'{v:.3f}' for v in values)})"
        )


def measure(config: SpeechConfig, folder: Path, rounds: int) -> dict[str, list[float]]:
    experiment = replace(build_experiment(config, folder), evaluate=lambda task: {"wer": 1.0})
    trainer = TrainerConfig(max_epochs=10**6, precision="fp32", accelerator="cpu")
    loop = Loop(experiment, trainer, OptimizerConfig(), folder / "run", seed=1)
    packed_experiment = build_experiment(config, folder)
    packed_experiment.task.network.encoder = PackedStack(packed_experiment.task.network.encoder)
    runs = {
        "bare": lambda: bare_epoch(
            experiment.task, loop.optimizer, experiment.train, loop.position.epoch
        ),
        "trainer": lambda: trainer_epoch(loop),
        "packed": lambda: bare_epoch(
            packed_experiment.task,
            build_optimizer(packed_experiment.task, OptimizerConfig()),
            experiment.train,
            0,
        ),
    }
    seconds: dict[str, list[float]] = {what: [] for what in runs}
    for round_number in range(rounds + 1):  # the first warms up
        for what, run in runs.items():
            took = run()
            if round_number:
                seconds[what].append(took)
    return {
        what: [s / b for s, b in zip(values, seconds["bare"], strict=True)]
        for what, values in seconds.items()
    }


def trainer_epoch(loop: Loop) -> float:
    with loop.epochs(loop.run_dir / "checkpoints" / "last.ckpt") as train_epoch:
        return timed(train_epoch)


def bare_epoch(
    task: nn.Module, optimizer: torch.optim.Optimizer, loader: object, epoch: int
) -> float:
    batches = [loader.load(epoch, i) for i in range(loader.num_batches(epoch))]
    task.train()

    def steps() -> None:
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = task.loss(batch)
            (loss.total / loss.count).backward()
            optimizer.step()

    return timed(steps)


if __name__ == "__main__":
    main()

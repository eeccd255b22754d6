"""What CTC-CRF adds to a training step.

    python benchmarks/training/ctc_crf.py SPLIT [--model pretrained/en] [--batches 8] [--bf16]

SPLIT is a prepared split with the model's features. Times forward + backward of the same batches
with the CTC loss and with each kind of CTC-CRF in turn, round by round, by processor time, and
prints each as a ratio to CTC (median over the rounds).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from pathlib import Path

import torch

from asr.config import build_config, parse_overrides, read_yaml
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import build_experiment
from asr.training.experiment import Experiment

ROOT = Path(__file__).resolve().parents[2]
CRF = ["loss.kind=ctc_crf"]
KINDS = {
    "ctc": [],
    "ctc, all pronunciations": ["loss.pronunciations=all"],
    "ctc_crf, bigram": [*CRF, "loss.label_order=2"],
    "ctc_crf, trigram": CRF,
    "ctc_crf, trigram, all pronunciations": [*CRF, "loss.pronunciations=all"],
    "ctc_crf, 4-gram of 12,000": [*CRF, "loss.label_order=4", "loss.label_ngrams=12000"],
    "ctc_crf, 4-gram of 25,000": [*CRF, "loss.label_order=4", "loss.label_ngrams=25000"],
}


def prepare(split: str, model: str, overrides: list[str], folder: Path) -> Experiment:
    """Return the training of ``recipes/english`` from ``model`` on ``split``."""
    given = [f"data.train={split}", f"data.dev={split}", f"init_from={model}", *overrides]
    content = read_yaml(ROOT / "recipes/english/config.yaml")
    config = build_config(SpeechConfig, content, parse_overrides(given))
    with contextlib.redirect_stderr(io.StringIO()):
        return build_experiment(config, folder)


def seconds(experiment: Experiment, batches: int, bf16: bool) -> float:
    """Return the processor time of forward and backward of the first batches."""
    task, spent = experiment.task.train(), 0.0
    for position in range(min(batches, experiment.train.num_batches(0))):
        batch = experiment.train.load(0, position)
        start = time.process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            loss = task.loss(batch, torch.Generator().manual_seed(position))
        torch.autograd.backward(loss.total)
        spent += time.process_time() - start
    return spent


def main() -> None:
    """Time all kinds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("split")
    parser.add_argument("--model", default=str(ROOT / "pretrained/en"))
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--bf16", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    spent: dict[str, list[float]] = {name: [] for name in KINDS}
    with tempfile.TemporaryDirectory() as folder:
        made = {
            name: prepare(arguments.split, arguments.model, overrides, Path(folder) / str(number))
            for number, (name, overrides) in enumerate(KINDS.items())
        }
        for experiment in made.values():  # compile
            seconds(experiment, 1, arguments.bf16)
        for _ in range(arguments.rounds):
            for name, experiment in made.items():
                spent[name].append(seconds(experiment, arguments.batches, arguments.bf16))
    for name, values in spent.items():
        ratios = [a / b for a, b in zip(values, spent["ctc"], strict=True)]
        print(
            f"{name:40} {statistics.median(values):7.2f} s  {statistics.median(ratios):.3f} x ctc"
        )


if __name__ == "__main__":
    main()

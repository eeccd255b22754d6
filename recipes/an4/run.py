"""CMU AN4 from the corpus to word error rates: prepare, train, build an n-gram model, evaluate.

python recipes/an4/run.py AN4_FOLDER [--output-dir runs/an4] [--seed 1] [key=value ...]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.catalogue import train
from asr.cli.guard import run_script
from asr.lm import build_arpa
from asr.speech.jobs.evaluate import evaluate
from asr.speech.options import ModelOptions
from data_prep.an4 import read_an4
from data_prep.prepare import prepare

CONFIG = Path(__file__).with_name("config.yaml")


def main() -> None:
    """Run the steps; skip those that an earlier call completed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="folder with wav/ and etc/, as CMU publishes it")
    parser.add_argument("--output-dir", type=Path, default=Path("runs/an4"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    arguments = parser.parse_intermixed_args()
    data, run = arguments.output_dir / "data", arguments.output_dir / f"seed{arguments.seed}"
    prepare(read_an4(arguments.corpus), data, speeds=(0.9, 1.0, 1.1))
    inputs = [f"data.{name}={data / name}" for name in ("train", "dev")]
    model = train(
        CONFIG, [*inputs, f"output_dir={run}", f"seed={arguments.seed}", *arguments.overrides]
    )
    build_arpa(data / "train" / "text.txt", data / "lm.arpa", order=3)
    splits = [data / "dev", data / "test"]
    closed = {"open_vocabulary": False}  # the task's words are known
    options = ModelOptions(model, closed, lm=data / "lm.arpa")
    print(evaluate(options, splits, run, tune_on=data / "dev", save_to_model=True))


if __name__ == "__main__":
    run_script(main)

"""Resources of a training by its hours of speech: disk, processor, GPU, memory, and commands.

    python benchmarks/scale/plan.py --hours 960 [--copies 3] [--cores 32] [--gpus 4] [--epochs 30]
        [--lm-words 803e6]
    python benchmarks/scale/plan.py --hours 50000 --figures mine.json
        --set train_hours_per_device_hour=900

Every estimate is a measured figure of `figures.json` times an amount; each figure names its
benchmark. `--figures` replaces figures by those of your own file (`gpu.py` and `ranks.py` write
such files), `--set` replaces one. What was not measured is printed as unknown, with the command
that measures it. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """A line of the plan: what, how much (None: unknown), and the measurement behind it."""

    what: str
    amount: float | None
    unit: str
    source: str


class Figures:
    """Measured values by name; whatever is computed from an unknown one is unknown."""

    def __init__(self, content: dict[str, dict[str, Any]]) -> None:
        self.content = content

    def times(self, name: str, amount: float) -> float | None:
        """Return ``amount`` times the figure."""
        value = self.content[name]["value"]
        return None if value is None else amount * float(value)

    def over(self, amount: float, *names: str) -> float | None:
        """Return ``amount`` divided by the figures."""
        for name in names:
            value = self.content[name]["value"]
            if value is None:
                return None
            amount /= float(value)
        return amount

    def source(self, *names: str) -> str:
        """Return where the figures are from; for an unknown one, what measures it."""
        unknown = [self.content[n]["from"] for n in names if self.content[n]["value"] is None]
        return (
            f"run {' and '.join(unknown)}"
            if unknown
            else "; ".join(self.content[n]["from"] for n in names)
        )


def plan(figures: Figures, a: argparse.Namespace) -> dict[str, list[Row]]:
    """Return the rows of each step."""
    return {
        "Prepare": preparation(figures, a),
        "Train": training(figures, a),
        "Language model": language_model(figures, a),
        "Transcribe as much": transcription(figures, a),
    }


def preparation(figures: Figures, a: argparse.Namespace) -> list[Row]:
    """Return what preparing the corpus takes."""
    utterances = figures.over(a.hours * 3600, "seconds_per_utterance") or 0.0
    thousands = utterances / 1000
    stored_hours = a.hours * a.copies
    extraction = figures.over(stored_hours, "features_x_real_time_per_core")
    return [
        Row("utterances", utterances, "", figures.source("seconds_per_utterance")),
        _row(figures, "audio on disk", "audio_mb_per_hour", a.hours / 1000, "GB"),
        _row(
            figures,
            f"features, {a.copies} copies",
            "stored_mb_per_hour_and_copy",
            stored_hours / 1000,
            "GB",
        ),
        Row(
            "features, processor hours",
            extraction,
            "h",
            figures.source("features_x_real_time_per_core"),
        ),
        Row(
            f"features, on {a.cores} cores",
            None if extraction is None else extraction / a.cores,
            "h",
            "",
        ),
        _row(
            figures,
            "index and manifest, one core",
            "index_s_per_1000_utterances",
            thousands / 3600,
            "h",
        ),
        _row(
            figures,
            "memory for the index",
            "index_peak_bytes_per_utterance",
            utterances / 1e9,
            "GB",
        ),
    ]


def training(figures: Figures, a: argparse.Namespace) -> list[Row]:
    """Return what training takes."""
    utterances = figures.over(a.hours * 3600, "seconds_per_utterance") or 0.0
    thousands = utterances / 1000
    device_hours = figures.over(a.hours * a.epochs, "train_hours_per_device_hour")
    train_names = ("train_hours_per_device_hour", *(("scaling_of_devices",) if a.gpus > 1 else ()))
    spread = figures.over(a.hours * a.epochs, *train_names)
    return [
        _row(
            figures,
            "to the first batch, a process",
            "start_processor_s_per_1000_utterances",
            thousands,
            "s",
        ),
        _row(
            figures,
            "memory a process, batches aside",
            "train_peak_bytes_per_utterance",
            utterances / 1e9,
            "GB",
        ),
        Row(
            f"device hours, {a.epochs} epochs",
            device_hours,
            "h",
            figures.source("train_hours_per_device_hour"),
        ),
        Row(
            f"days on {a.gpus} device(s)",
            None if spread is None else spread / a.gpus / 24,
            "d",
            figures.source(*train_names),
        ),
    ]


def language_model(figures: Figures, a: argparse.Namespace) -> list[Row]:
    """Return what estimating the n-gram model takes."""
    return [
        Row(
            "in memory, one core",
            figures.over(a.lm_words / 60, "lm_words_per_processor_s"),
            "min",
            figures.source("lm_words_per_processor_s"),
        ),
        Row(
            "in bounded memory",
            figures.over(a.lm_words / 60, "lm_bounded_words_per_s"),
            "min",
            figures.source("lm_bounded_words_per_s"),
        ),
        _row(figures, "smallest memory", "lm_smallest_memory_mb", 1, "MB"),
    ]


def transcription(figures: Figures, a: argparse.Namespace) -> list[Row]:
    """Return what transcribing as many hours takes."""
    return [
        Row(
            "processor hours",
            figures.over(a.hours, "transcribe_x_real_time_per_core"),
            "h",
            figures.source("transcribe_x_real_time_per_core"),
        ),
    ]


def _row(figures: Figures, what: str, name: str, amount: float, unit: str) -> Row:
    return Row(what, figures.times(name, amount), unit, figures.source(name))


def commands(a: argparse.Namespace) -> list[str]:
    """Return the lines to type."""
    many = f"torchrun --nproc-per-node {a.gpus} --no-python asr " if a.gpus > 1 else "asr "
    return [
        "asr prepare librispeech LibriSpeech -o data --speeds 0.9,1.0,1.1 --normalizer "
        f"librispeech --jobs {a.cores}",
        f"{many}train recipes/librispeech/960.yaml data.train=data/train data.dev=data/dev-clean "
        "-o runs/big",
        "asr lm build text.txt --order 3 --memory 8GB -o model.arpa",
        "asr evaluate --model runs/big --data data/test-clean -o runs/big --lm model.arpa",
        "asr transcribe recordings --model runs/big -o texts -f json --ray auto",
    ]


def show(plan_rows: dict[str, list[Row]], lines: list[str]) -> None:
    """Print the plan."""
    for step, rows in plan_rows.items():
        print(f"\n{step}")
        for row in rows:
            print(f"  {row.what:40s} {_number(row.amount):>12s} {row.unit:4s} {row.source}")
    print("\nCommands", *(f"  {line}" for line in lines), sep="\n")


def _number(amount: float | None) -> str:
    if amount is None:
        return "unknown"
    return f"{amount:,.3g}" if amount < 100 else f"{amount:,.0f}"


def read_figures(files: list[Path], settings: list[str]) -> Figures:
    """Return the measured figures with those of ``files`` and ``settings`` laid over them."""
    content = json.loads(Path(__file__).with_name("figures.json").read_text(encoding="utf-8"))
    for path in files:
        content |= json.loads(path.read_text(encoding="utf-8"))
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in content:
            sys.exit(f"error: there is no figure {name}; there are {', '.join(content)}")
        content[name] = {"value": float(value), "from": "given"}
    return Figures(content)


def main(arguments: list[str] | None = None) -> None:
    """Print the plan for so many hours."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--copies", type=int, default=3, help="speeds that are stored")
    parser.add_argument("--cores", type=int, default=32)
    parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument(
        "--lm-words", type=float, default=803e6, help="LibriSpeech's LM text by default"
    )
    parser.add_argument("--figures", type=Path, action="append", default=[])
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args(arguments)
    rows = plan(read_figures(a.figures, a.set), a)
    if a.json:
        print(
            json.dumps(
                {step: [vars(row) for row in found] for step, found in rows.items()}, indent=1
            )
        )
    else:
        print(f"{a.hours:,.0f} hours")
        show(rows, commands(a))


if __name__ == "__main__":
    main()

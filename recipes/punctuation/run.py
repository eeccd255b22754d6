"""Punctuation and capitals: the text, the training, and figures beside two baselines.

python recipes/punctuation/run.py PODCASTS BOOKS [--speech FILE ...] [--clips LJSPEECH]
    [--config FILE] [--output-dir runs/punctuation] [key=value ...]

PODCASTS are transcripts as people write them, one after the other, with time stamps; BOOKS running
novels, a paragraph a line. Whole recordings and stretches of whole books are held out, see
data_prep/written.py. Steps that are done already are not done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from hidden_event import HiddenEvents
from spoken import pause_table, read_chapters, score_clips

from asr.catalogue import train
from asr.cli.guard import run_script
from asr.files import atomic_write_text
from asr.language.punctuation.data import MarkedText, read_marked
from asr.language.punctuation.exporting import export_punctuation
from asr.language.punctuation.restorer import Ints, Restorer
from asr.language.punctuation.scoring import FIGURES, mark_figures
from asr.model_folder import add_to_bundle
from asr.run_folder import record_split
from data_prep.written import split_books, split_podcasts, write_parts

CONFIG = Path(__file__).with_name("config.yaml")
Labels = Callable[[list[str]], tuple[Ints, Ints]]


def make_text(args: argparse.Namespace, folder: Path) -> None:
    """Write the training, dev and test text."""
    if not (folder / "train.txt").is_file():
        speech = (line for file in args.speech for line in file.read_text().splitlines())
        books = split_books(args.books, speech)
        write_parts(folder, {"podcasts": split_podcasts(args.podcasts), "novels": books})


def trained(args: argparse.Namespace, folder: Path) -> Path:
    """Train, export with 8-bit weights, and return the exported folder."""
    given = [f"data.{name}={folder / name}.txt" for name in ("train", "dev")]
    train(args.config, [*given, f"output_dir={args.output_dir}", *args.overrides])
    exported = args.output_dir / "text-model"
    report = export_punctuation(args.output_dir, exported, "onnx-int8")
    size = sum(path.stat().st_size for path in exported.iterdir())
    print(*report.comparisons, f"folder {size / 1e6:.2f} MB", sep="; ")
    return exported


def agreement(first: tuple[Ints, Ints], second: tuple[Ints, Ints]) -> float:
    """Return the share of words whose mark and shape are the same."""
    return float(((first[0] == second[0]) & (first[1] == second[1])).mean())


def row(system: str, split: str, figures: dict[str, float]) -> str:
    """Return a row of the table."""
    shown = " | ".join(f"{100 * figures[name]:.1f}" for name in (*FIGURES, "macro_f1"))
    return f"| {split} | {system} | {shown} |"


def measured(
    systems: dict[str, Labels], texts: dict[str, MarkedText], run_dir: Path
) -> Iterable[str]:
    """Yield the rows of the table, and keep the figures in the run folder."""
    for split, text in texts.items():
        for name, labels in systems.items():
            figures = mark_figures(text.marks, text.shapes, *labels(text.spoken))
            record_split(run_dir, f"{split}-{name.replace(' ', '-')}", figures)
            yield row(name, split, figures)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("podcasts", type=Path)
    parser.add_argument("books", type=Path)
    parser.add_argument("--speech", type=Path, nargs="*", default=[], help="transcripts held out")
    parser.add_argument("--clips", type=Path, help="LJ Speech, to score on recognised words")
    parser.add_argument("--model", default="en", help="recogniser of the clips")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--output-dir", type=Path, default=Path("runs/punctuation"))
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    args = parser.parse_intermixed_args()

    folder = args.output_dir / "text"
    make_text(args, folder)
    exported = Restorer.load(trained(args, folder))
    tests = {name: read_marked(folder / f"test-{name}.txt") for name in ("podcasts", "novels")}
    network = Restorer.load(args.output_dir)  # torch, full precision
    for name, text in tests.items():
        equal = agreement(network.classes(text.spoken), exported.classes(text.spoken))
        print(f"{name}: {100 * equal:.2f} % of the words have the same labels in 8 bits")
    events = HiddenEvents.of(read_marked(folder / "train.txt"))
    systems = {"hidden events": events.predict, "network": exported.classes}
    rows = list(measured(systems, tests, args.output_dir))
    if args.clips:
        first, *others = read_chapters(args.clips, args.model)
        exported.pauses = pause_table(first)
        folder = args.output_dir / "text-model"
        add_to_bundle(folder, {}, config={"pauses": exported.pauses.content()})
        rows += score_clips(others, args.model, systems, exported)
    header = "| test | system | " + " | ".join((*FIGURES, "mean")) + " |"
    table = "\n".join([header, "|---" * (3 + len(FIGURES)) + "|", *rows])
    atomic_write_text(args.output_dir / "table.md", table + "\n")
    print(table)


if __name__ == "__main__":
    run_script(main)

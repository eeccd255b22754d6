"""The translator as a small dialogue model, trained on pairs of a line and its answer.

python recipes/multi30k/dialogue.py [PAIRS.tsv] [--epochs 40] [--ask "hello"]

PAIRS.tsv has a line and its answer a row, separated by a tab; without it, the few pairs beside this
file are used. So few teach it to answer what it was taught and little else; give it thousands for
more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.cli.guard import run_script
from asr.errors import DataError
from asr.language.translation.translator import Translator

PAIRS = Path(__file__).with_name("dialogue.tsv")


def read_dialogue(path: Path) -> tuple[list[str], list[str]]:
    """Return lines and answers.

    Raises:
        DataError: a row has no tab, or several.
    """
    rows = [
        line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    for number, row in enumerate(rows, 1):
        if len(row) != 2:
            raise DataError(
                f"{path}, row {number}: {len(row)} columns, needed are 2.",
                "Separate the two by one tab.",
            )
    return [line for line, _ in rows], [answer for _, answer in rows]


def main() -> None:
    """Train, and answer."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path, nargs="?", default=PAIRS)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument(
        "--ask", action="append", help="a line to answer; may be given several times"
    )
    arguments = parser.parse_args()
    lines, answers = read_dialogue(arguments.pairs)
    small = len(lines) < 1000
    model = Translator(
        vocab_size=300 if small else 4000,
        embedding_dim=64 if small else 256,
        encoder_dim=64 if small else 256,
        decoder_dim=64 if small else 256,
        dropout=0.1 if small else 0.3,
        batch_size=8 if small else 48,
        lowercase=True,
        max_epochs=arguments.epochs,
        random_state=1,
    )
    model.fit(
        lines, answers, dev=(lines, answers) if small else None
    )  # few pairs are learned by heart, on purpose
    questions = arguments.ask or lines[:5]
    for line, answer in zip(questions, model.predict(questions), strict=True):
        print(f"> {line}\n{answer}")


if __name__ == "__main__":
    run_script(main)

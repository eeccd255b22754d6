"""Find transcripts that do not match the recording, with a trained model.

python recipes/english/check.py runs/english/data/train [--model en] [--highest 0.6]
    [-o recipes/english/excluded.tsv]

The table names the utterances whose transcript differs in more than ``--highest`` of its phones
from the greedy output of the model; ``run.py`` leaves them out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from asr.speech.recognizer import load_model
from data_prep.checking import check_transcripts, write_excluded
from data_prep.pronounce import say_by_letters, words_of


def main() -> None:
    """Check, and write the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("split", type=Path)
    parser.add_argument("--model", default="en", help="name or folder; it runs in torch")
    parser.add_argument(
        "--highest", type=float, default=0.6, help="share of wrong phones that is still believed"
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path(__file__).with_name("excluded.tsv")
    )
    arguments = parser.parse_args()
    model = load_model(arguments.model, backend="torch")
    if known := model.decoders.tokenizer.lexicon:
        unknown = [word for word in words_of([arguments.split / "text.txt"]) if word not in known]
        words = arguments.split / "new_words.txt"
        say_by_letters(unknown, known).save(words)
        model = load_model(arguments.model, backend="torch", decoding={"lexicon": str(words)})
    checked = check_transcripts(model, arguments.split)
    number = write_excluded(checked, arguments.output, arguments.highest)
    print(f"{number} of {len(checked)} utterances are in {arguments.output}")


if __name__ == "__main__":
    main()

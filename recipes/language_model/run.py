"""An LSTM language model beside a word 4-gram and a subword 6-gram of the same text.

python recipes/language_model/run.py TEXT [--config FILE] [--max-words 1000000]
    [--output-dir runs/lm] [--seed 1] [key=value ...]

TEXT has one sentence per line, book after book. Its last words are held out: half to choose the
epoch, half to measure.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path

from asr.catalogue import train
from asr.cli.guard import run_script
from asr.files import atomic_write_text
from asr.language.modelling.data import read_sentences
from asr.language.modelling.estimator import LanguageModel
from asr.language.subwords import Subwords
from asr.lm import build_arpa, perplexity, read_arpa

CONFIG = Path(__file__).with_name("config.yaml")
PIECES = 2000  # of the 6-gram beside an LSTM of words


def head(lines: Iterable[str], words: int) -> list[str]:
    """Return the first lines, up to a number of words."""
    total = 0

    def fits(line: str) -> bool:
        nonlocal total
        total += len(line.split())
        return total <= words

    return list(takewhile(fits, lines))


def split(text: Path, folder: Path, max_words: int, held_out: int) -> None:
    """Write train.txt, dev.txt and test.txt: the first words, and the last ones in two parts."""
    lines = read_sentences(text)
    tail = head(reversed(lines), held_out)[::-1]
    parts = {
        "train": head(lines[: -len(tail)], max_words),
        "dev": tail[: len(tail) // 2],
        "test": tail[len(tail) // 2 :],
    }
    for name, part in parts.items():
        atomic_write_text(folder / f"{name}.txt", "\n".join(part) + "\n")


def ngram_perplexity(
    folder: Path, order: int, pieces: Subwords | None = None, max_words: int | None = None
) -> float:
    """Return the test perplexity per word of an n-gram model of words, or of pieces whose
    log-probabilities add up.

    Of words at most ``max_words`` are known (None: all of the training text); every other one is
    ``<unk>``.
    """
    texts: dict[str, Sequence[str]] = {
        name: read_sentences(folder / f"{name}.txt") for name in ("train", "test")
    }
    units = (
        texts
        if pieces is None
        else {n: [" ".join(pieces.pieces(t)) for t in texts[n]] for n in texts}
    )
    arpa = folder / f"{'words' if pieces is None else 'pieces'}{max_words or ''}.{order}.arpa"
    if not arpa.is_file():
        build_arpa([units["train"]], arpa, order, max_words=max_words)
    found = perplexity(read_arpa(arpa), [units["test"]])
    predictions = sum(len(line.split()) + 1 for line in texts["test"])
    print(f"{arpa.name}: {100 * found.oov / found.words:.2f} % of the test's units are unknown")
    return float(10 ** (-found.log10_prob / predictions))


def main() -> None:
    """Split, train, and print the perplexities side by side; what an earlier call finished is left
    alone.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("text", type=Path)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--output-dir", type=Path, default=Path("runs/lm"))
    parser.add_argument("--max-words", type=int, default=1_000_000)
    parser.add_argument("--held-out-words", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=2")
    arguments = parser.parse_intermixed_args()
    data, run = arguments.output_dir / "data", arguments.output_dir / f"seed{arguments.seed}"
    if not (data / "test.txt").is_file():
        split(arguments.text, data, arguments.max_words, arguments.held_out_words)
    files = [f"data.{name}={data / name}.txt" for name in ("train", "dev")]
    folder = train(
        arguments.config,
        [*files, f"output_dir={run}", f"seed={arguments.seed}", *arguments.overrides],
    )
    model, test = LanguageModel.load(folder), read_sentences(data / "test.txt")
    print(*(f"{value:8.2f}  {name}" for name, value in rows(model, test, data).items()), sep="\n")


def rows(model: LanguageModel, test: Sequence[str], data: Path) -> dict[str, float]:
    """Return the perplexities per word by the name of what predicts."""
    units, same = model.model_.pieces, {}
    if units.whole_words:
        same = {
            "word 4-gram of the LSTM's words": ngram_perplexity(data, 4, max_words=len(units) - 2)
        }
        units = Subwords.train(read_sentences(data / "train.txt"), PIECES)
    read_on = model.evaluate(test)
    print(f"LSTM: {100 * read_on.unknown / read_on.words:.2f} % of the test's words are unknown")
    return {
        **same,
        "word 4-gram of all words": ngram_perplexity(data, 4),
        "piece 6-gram": ngram_perplexity(data, 6, units),
        "LSTM, every sentence on its own": model.evaluate(test, carry=False).per_word,
        "LSTM, reading on from sentence to sentence": read_on.per_word,
    }


if __name__ == "__main__":
    run_script(main)

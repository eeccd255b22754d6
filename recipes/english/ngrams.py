"""The English recipe's n-gram model: books, other text and transcripts, mixed and pruned.

python recipes/english/ngrams.py --books FILE... [--other FILE...] --transcripts FILE...
    --dev FILE... [--held-out FILE...] [--dictionary FILE] [--max-ngrams 12000000]
    [--output-dir runs/english/lm]

Texts have a paragraph or a sentence a line, in any spelling. The output folder gets ``lm.lmz``, the
pronunciations of its words in ``lexicon.txt.gz``, and ``full.lmz``, the model before pruning, which
needs 2 GB of memory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from asr.cli.guard import run_script
from asr.files import atomic_write_text
from asr.lm import (
    NgramModel,
    estimate,
    interpolate,
    interpolation_weights,
    perplexity,
    prune_entropy,
    write_compact,
)
from data_prep.books import clean_texts
from data_prep.dictation import dictated
from data_prep.pronounce import own_dictionary, pronounce, words_of

MAX_NGRAMS = 12_000_000  # two bytes each; 2^24 slots of the search's table hold 12.5 million
MAX_WORDS = 200_000
REPEATS = 25  # of the transcripts
DICTATED = 100_000  # sentences of numbers and letters
SPELLED = 20_000  # words in them, the most frequent ones, that may be spelled
ORDER, CUTOFFS = 4, (0, 0, 1, 2)


@dataclass(frozen=True)
class Texts:
    """What the model is made of.

    Attributes:
        books: text like that which is to be recognised.
        other: text of other kinds; each is a model of its own in the mixture.
        transcripts: of the training speech, normalised.
        dev: transcripts on which the mixture is tuned, normalised.
        held_out: further transcripts that nothing may be learned from.
    """

    books: Sequence[Path]
    other: Sequence[Path]
    transcripts: Sequence[Path]
    dev: Sequence[Path]
    held_out: Sequence[Path] = ()


def make_language_model(
    texts: Texts,
    folder: Path,
    dictionary: Path | None = None,
    max_ngrams: int = MAX_NGRAMS,
    memory: str | None = None,
) -> tuple[Path, Path]:
    """Write model and dictionary, and return their paths; what is there already is left alone."""
    lm, lexicon = folder / "lm.lmz", folder / "lexicon.txt.gz"
    if lm.exists() and lexicon.exists():
        return lm, lexicon
    books, other = clean(texts, folder / "text")
    # Counted together, not mixed: where letters are spelled, dictation counts, and books do not.
    main = [*books, *[*texts.transcripts] * REPEATS, write_dictated(books, folder / "dictated.txt")]
    sounds = pronounce(words_of([*main, *other], MAX_WORDS), dictionary or own_dictionary())
    sounds.save(lexicon)
    options = {"prune": CUTOFFS, "vocabulary": list(sounds), "memory": memory}
    models = [estimate(own, ORDER, **options) for own in (main, *([text] for text in other))]
    full = mix(models, texts.dev)
    write_compact(full, folder / "full.lmz")
    report("full.lmz", full, texts.dev)
    smaller = prune_entropy(
        full, max_ngrams=max(max_ngrams, len(full.words)), contexts=[*main, *other]
    )
    report("lm.lmz", smaller, texts.dev)
    write_compact(smaller, lm)
    return lm, lexicon


def clean(texts: Texts, folder: Path) -> tuple[list[Path], list[Path]]:
    """Return books and other texts as sentences, without the books that held-out speakers read."""
    transcripts = [path.read_text(encoding="utf-8") for path in (*texts.dev, *texts.held_out)]
    held_out = [line for text in transcripts for line in text.splitlines()]
    cleaned = clean_texts([*texts.books, *texts.other], held_out, folder)
    return cleaned[: len(texts.books)], cleaned[len(texts.books) :]


def write_dictated(books: Sequence[Path], output: Path) -> Path:
    """Write sentences of numbers, letters and spelled words of the books; return the path."""
    spelled = [word for word in words_of(books, SPELLED) if word.isalpha()]
    atomic_write_text(output, "".join(f"{line}\n" for line in dictated(spelled, DICTATED)))
    return output


def mix(models: list[NgramModel], dev: Sequence[Path]) -> NgramModel:
    """Return the mixture with the lowest perplexity on ``dev``."""
    if len(models) == 1:
        return models[0]
    weights = interpolation_weights(models, list(dev))
    print("weights: " + " ".join(f"{weight:.3f}" for weight in weights), file=sys.stderr)
    return interpolate(models, weights)


def report(name: str, model: NgramModel, dev: Sequence[Path]) -> None:
    """Print a model's size and perplexities."""
    figures = [
        f"{path.parent.name}/{path.name} {perplexity(model, [path]).with_oov:.1f}" for path in dev
    ]
    print(f"{name}: {sum(model.counts)} n-grams; perplexity {', '.join(figures)}", file=sys.stderr)


def main() -> None:
    """Make a model from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("books", "transcripts", "dev"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True)
    for name in ("other", "held-out"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", default=[])
    parser.add_argument(
        "--dictionary", type=Path, help="such as CMUdict; that of the model en by default"
    )
    parser.add_argument("--max-ngrams", type=int, default=MAX_NGRAMS)
    parser.add_argument("--memory", help="bound for counting, such as 6GB")
    parser.add_argument("--output-dir", type=Path, default=Path("runs/english/lm"))
    arguments = parser.parse_args()
    given = vars(arguments)
    texts = Texts(**{field.name: given[field.name] for field in fields(Texts)})
    options = {name: given[name] for name in ("dictionary", "max_ngrams", "memory")}
    lm, lexicon = make_language_model(texts, arguments.output_dir, **options)
    print(
        f"{lm}: {lm.stat().st_size / 1e6:.1f} MB; {lexicon}: {lexicon.stat().st_size / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    run_script(main)

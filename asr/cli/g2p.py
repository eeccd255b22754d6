"""``asr g2p``: letters to sounds, learned from a pronouncing dictionary."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.options import DEFAULT_MODEL

if TYPE_CHECKING:  # a verb imports what it needs
    from asr.text.pronunciations import Pronunciations

_ABOUT = "Letters to sounds: learn from a dictionary how words are said, measure it, say words."
app = typer.Typer(help=_ABOUT, no_args_is_help=True)

Dictionary = Annotated[
    Path,
    typer.Argument(
        metavar="DICTIONARY", help="Word and its phones on each line, such as CMUdict; may be .gz."
    ),
]
Order = Annotated[int, typer.Option(min=1, max=6, help="Longest n-grams, in chunks.")]
Ranked = Annotated[
    bool,
    typer.Option(
        help="Learn weights too that choose among the best pronunciations: five times as long."
    ),
]
Stress = Annotated[bool, typer.Option("--stress", help="Keep the stress digits of ARPAbet.")]


@app.command()
def train(
    dictionary: Dictionary,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="File to write, or a model folder that gets it."),
    ],
    order: Order = 6,
    max_ngrams: Annotated[
        int, typer.Option(min=1, help="Keep at most so many n-grams, of two bytes each.")
    ] = 1_000_000,
    ranking: Ranked = True,
    stress: Stress = False,
) -> None:
    """Learn from a dictionary how letters sound."""
    from tempfile import TemporaryDirectory

    from asr.g2p.model import G2P_FILE, ranking_path, train_g2p
    from asr.model_folder import add_to_bundle
    from asr.text.pronunciations import Pronunciations

    entries = Pronunciations.load(dictionary, stress)
    if not output.is_dir():
        train_g2p(entries, output, order, max_ngrams, ranked=ranking)
        target = output
    else:
        with TemporaryDirectory() as folder:
            made, spoken = Path(folder) / G2P_FILE, _lexicon_beside(output / G2P_FILE)
            train_g2p(entries, made, order, max_ngrams, ranked=ranking, lexicon=spoken)
            beside = ranking_path(made)
            files = {path.name: path for path in (made, beside) if path.exists()}
            add_to_bundle(output, files, drop=[beside.name])
        target = output / G2P_FILE
    written = [path for path in (target, ranking_path(target)) if path.exists()]
    size = sum(path.stat().st_size for path in written) / 1e6
    typer.echo(f"wrote {target}: {len(entries)} words, {size:.1f} MB", err=True)


@app.command()
def evaluate(
    dictionary: Dictionary,
    held_out: Annotated[
        float, typer.Option(help="Share of the words that is not learned from.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="Decides which words.")] = 0,
    order: Order = 6,
    ranking: Ranked = True,
    stress: Stress = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Learn from a part of a dictionary, and count the errors on its other words."""
    from dataclasses import asdict

    from asr.g2p.evaluation import hold_out, score_g2p
    from asr.g2p.model import G2P, estimate_g2p, estimate_ranking
    from asr.text.pronunciations import Pronunciations

    known, test = hold_out(Pronunciations.load(dictionary, stress), held_out, seed)
    weights = estimate_ranking(known, order) if ranking else None
    score = score_g2p(G2P(estimate_g2p(known, order), weights, known), test)
    rates = {"word_error_rate": score.word_error_rate, "phone_error_rate": score.phone_error_rate}
    if as_json:
        typer.echo(json.dumps({**asdict(score), **rates}))
        return
    typer.echo(
        f"{len(known)} words learned from, {score.words} held out: "
        f"word error rate {100 * score.word_error_rate:.1f} %, "
        f"phone error rate {100 * score.phone_error_rate:.1f} %, "
        f"{score.words_per_s:.0f} words a second"
    )


@app.command()
def say(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="In lower case.")],
    model: Annotated[
        str, typer.Option("--model", help="Model folder or name, or a file of `asr g2p train`.")
    ] = DEFAULT_MODEL,
    n_best: Annotated[int, typer.Option(min=1, help="Pronunciations of each word.")] = 1,
) -> None:
    """Print words with their pronunciations and probabilities, as tab-separated columns."""
    from asr.errors import DataError
    from asr.g2p.model import G2P, G2P_FILE, ranking_path
    from asr.model_folder import open_model

    path = Path(model) if Path(model).is_file() else open_model(model).file(G2P_FILE)
    lexicon = _lexicon_beside(path) if ranking_path(path).is_file() else None
    said = G2P.load(path, dictionary=lexicon)([word.lower() for word in words], n_best)
    for word, sayings in zip(words, said, strict=True):
        for phones, probability in sayings:
            typer.echo(f"{word}\t{' '.join(phones)}\t{probability:.3f}")
    if silent := [word for word, sayings in zip(words, said, strict=True) if not sayings]:
        raise DataError(
            f"No pronunciation of {', '.join(map(repr, silent))}.",
            "Write words with the letters of the dictionary; numbers as words.",
        )


def _lexicon_beside(path: Path) -> Pronunciations | None:
    """Return the dictionary of a model folder, None where it has none."""
    from asr.text.pronunciations import Pronunciations

    beside = path.with_name(Pronunciations.FILE)
    return Pronunciations.load(beside, stress=True) if beside.is_file() else None

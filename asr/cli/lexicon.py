"""``asr lexicon``: pronouncing dictionary of the words of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def lexicon(
    texts: Annotated[
        list[Path],
        typer.Argument(
            metavar="TEXT...", help="Normalised text, one sentence per line; may be .gz."
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Dictionary to write; gzipped if it ends in .gz.")
    ],
    dictionary: Annotated[
        Path | None,
        typer.Option(
            "--dictionary", help="Existing dictionary, such as CMUdict; it takes precedence."
        ),
    ] = None,
    voice: Annotated[
        str,
        typer.Option(
            "--voice", help="eSpeak NG voice that pronounces words outside the dictionary."
        ),
    ] = "en-us",
    max_words: Annotated[
        int | None,
        typer.Option("--max-words", min=1, help="Keep this many of the most frequent words."),
    ] = None,
) -> None:
    """Write a pronouncing dictionary of the words of texts, for models with phone tokens."""
    from data_prep.pronounce import pronounce, words_of

    entries = pronounce(words_of(texts, max_words), dictionary, voice)
    entries.save(output)
    typer.echo(f"wrote {output}: {len(entries)} words, {len(entries.phones)} phones", err=True)

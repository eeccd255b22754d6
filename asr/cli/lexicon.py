"""``asr lexicon``: words of a text -> how each is said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def lexicon(
    texts: Annotated[
        list[Path],
        typer.Argument(metavar="TEXT...", help="One sentence a line, normalised; .gz too."),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Dictionary to write; gzipped if it ends in .gz.")
    ],
    dictionary: Annotated[
        Path | None,
        typer.Option("--dictionary", help="Existing one, such as CMUdict; its entries are kept."),
    ] = None,
    voice: Annotated[
        str,
        typer.Option(
            "--voice", help="Voice of eSpeak NG whose rules say the words that no dictionary has."
        ),
    ] = "en-us",
    max_words: Annotated[
        int | None,
        typer.Option("--max-words", min=1, help="Keep so many of the most frequent words."),
    ] = None,
) -> None:
    """Write a pronouncing dictionary of the words of texts, for models of phones."""
    from data_prep.pronounce import pronounce, words_of

    entries = pronounce(words_of(texts, max_words), dictionary, voice)
    entries.save(output)
    typer.echo(f"wrote {output}: {len(entries)} words, {len(entries.phones)} phones", err=True)

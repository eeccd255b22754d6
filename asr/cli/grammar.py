"""``asr grammar``: sentences of a grammar, and what a sentence says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Try a grammar of commands: draw sentences from it, check sentences.",
    no_args_is_help=True,
)

GrammarArgument = Annotated[
    Path, typer.Argument(metavar="GRAMMAR", help="Templates and lists, one a line.")
]


@app.command()
def sample(
    grammar: GrammarArgument,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides which sentences.")] = 0,
) -> None:
    """Print sentences by their probability."""
    from random import Random

    from asr.text.grammars import read_grammar

    read, random = read_grammar(grammar), Random(seed)
    for _ in range(count):
        typer.echo(read.sample(random))


@app.command()
def check(
    grammar: GrammarArgument,
    sentences: Annotated[
        list[str], typer.Argument(metavar="SENTENCE...", help="In quotes; - reads lines.")
    ],
) -> None:
    """Print what sentences say, as JSON lines; exit 1 if one is not of the grammar."""
    import sys

    from asr.text.grammars import read_grammar

    read, outside = read_grammar(grammar), 0
    given = sys.stdin.read().splitlines() if sentences == ["-"] else sentences
    for sentence in given:
        reading = read.read(sentence.lower())
        outside += reading is None
        slots = None if reading is None else reading.slots
        typer.echo(json.dumps({"sentence": sentence, "slots": slots}, ensure_ascii=False))
    if outside:
        typer.echo(f"{outside} of {len(given)} sentences are not of the grammar", err=True)
        raise typer.Exit(1)

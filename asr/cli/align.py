"""``asr align``: a recording and its text -> when each word is said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import DEFAULT_MODEL, Backend, Device, Lexicon, Model, Threads


def align(
    source: Annotated[
        str, typer.Argument(help="A sound file; a table path<TAB>text; a prepared split.")
    ],
    text: Annotated[
        str | None, typer.Argument(help="What is said in the sound file, or a .txt file.")
    ] = None,
    model: Model = DEFAULT_MODEL,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", help="Write one file per recording here instead of printing."
        ),
    ] = None,
    output_format: Annotated[
        str,
        typer.Option(
            "--output-format", "-f", help="ctm, json, textgrid, srt or vtt; several with commas."
        ),
    ] = "ctm",
    normalizer: Annotated[
        str,
        typer.Option(help="Makes the text fit the model's characters: basic, librispeech, none..."),
    ] = "basic",
    partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Words of the text may be left out, and there may be speech that is not in it.",
        ),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="Search a long recording everywhere; slow from an hour on."),
    ] = False,
    lexicon: Lexicon = None,
    max_skipped: Annotated[
        int, typer.Option(min=0, help="Exit 0 if at most N recordings fail.")
    ] = 0,
    device: Device = "cpu",
    backend: Backend = "auto",
    threads: Threads = 0,
) -> None:
    """Find when each word and each character or phone of a known text is said."""
    from asr.speech.aligner import AlignmentConfig
    from asr.speech.jobs.align import align_files
    from asr.speech.options import ModelOptions
    from data_prep.pronounce import say_by_letters

    failed = align_files(
        source,
        text,
        ModelOptions(model, device=device, backend=backend, threads=threads),
        output_dir=output_dir,
        formats=output_format.split(","),
        normalizer=normalizer,
        lexicon=lexicon,
        pronounce=say_by_letters,
        config=AlignmentConfig(partial=partial, exact=exact),
    )
    if failed > max_skipped:
        raise typer.Exit(1)

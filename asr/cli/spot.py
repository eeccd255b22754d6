"""``asr spot``: where phrases are said."""

from __future__ import annotations

from typing import Annotated

import typer

from asr.cli.options import DEFAULT_MODEL, Backend, Device, Model, NewWordsFile, Threads, words_of


def spot(
    inputs: Annotated[
        list[str], typer.Argument(help="Audio files, folders, globs, or - for standard input.")
    ],
    phrases: Annotated[
        list[str],
        typer.Option(
            "--phrases", "-p", help="What to look for, with commas, or @file with one a line."
        ),
    ],
    model: Model = DEFAULT_MODEL,
    threshold: Annotated[float, typer.Option(min=0, max=1, help="Least score, 0 to 1.")] = 0.5,
    background: Annotated[
        list[str] | None,
        typer.Option(help="Recordings without the phrases: thresholds are taken from them."),
    ] = None,
    false_alarms: Annotated[
        float, typer.Option(min=0, help="False alarms an hour, with --background.")
    ] = 1.0,
    words: NewWordsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
    device: Device = "cpu",
    backend: Backend = "auto",
    threads: Threads = 0,
) -> None:
    """Print recording, start, end, score and phrase wherever a phrase is said."""
    from asr.speech.jobs.spot import read_phrases, spot_files
    from asr.speech.options import ModelOptions

    options = ModelOptions(
        model, device=device, backend=backend, threads=threads, new_words=words_of(words)
    )
    failed = spot_files(
        inputs,
        read_phrases(phrases),
        options,
        threshold=threshold,
        background=background or (),
        false_alarms=false_alarms,
        as_json=as_json,
    )
    if failed:
        raise typer.Exit(1)

"""``asr train``: configuration -> run folder with a model folder in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    config: Annotated[
        Path, typer.Argument(help="YAML configuration, such as recipes/an4/config.yaml.")
    ],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, such as trainer.max_epochs=20.")
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", help="Run folder; the config's output_dir by default."),
    ] = None,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Start over even if the run folder holds a checkpoint."),
    ] = False,
) -> None:
    """Train a model; the same command again resumes a run that was stopped.

    config.yaml in the run folder lists every key with its value; docs/how-to/train.md
    explains the keys.
    """
    from asr.catalogue import train as run
    from asr.training.ranks import is_first_rank
    from data_prep.pronounce import say_by_letters

    settings = [*(overrides or []), *([f"output_dir={output_dir}"] if output_dir else [])]
    model = run(config, settings, resume=not fresh, pronounce=say_by_letters)
    if is_first_rank():
        typer.echo(model)

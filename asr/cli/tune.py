"""``asr tune``: configuration and ranges -> the best overrides, every trial a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["tune"]


def tune(
    config: Annotated[Path, typer.Argument(help="YAML configuration that `asr train` takes.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="KEY=RANGE...",
            help="key=float:LOW:HIGH[:STEP], log:LOW:HIGH, int:LOW:HIGH[:STEP], logint:LOW:HIGH or "
            "choice:A,B,C; "
            "key=value holds for every trial.",
        ),
    ] = None,
    output_dir: Annotated[
        Path,
        typer.Option(
            "--output-dir", "-o", help="Gets a run folder a trial, best.txt and report.html."
        ),
    ] = Path("tune"),
    space: Annotated[
        Path | None, typer.Option("--space", help="YAML file of key: range; lists are choices.")
    ] = None,
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="In the study, those of earlier starts included.")
    ] = 20,
    metric: Annotated[
        str,
        typer.Option(
            "--metric",
            help="Dev figure, such as wer; by default the one that decides what is kept.",
        ),
    ] = "",
    maximize: Annotated[
        bool, typer.Option("--maximize", help="Of --metric, higher is better.")
    ] = False,
    storage: Annotated[
        str,
        typer.Option(
            "--storage",
            help="Optuna storage, for workers on many machines; a SQLite file by default.",
        ),
    ] = "",
    name: Annotated[str, typer.Option("--name", help="Of the study in the storage.")] = "asr",
    sampler: Annotated[str, typer.Option("--sampler", help="tpe or random.")] = "tpe",
    pruner: Annotated[str, typer.Option("--pruner", help="median, halving or none.")] = "median",
    warmup_trials: Annotated[int, typer.Option("--warmup-trials", min=0, help="Never pruned.")] = 4,
    warmup_epochs: Annotated[
        int, typer.Option("--warmup-epochs", min=0, help="After which none is pruned.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", help="Of the sampler.")] = 1,
    time_limit_s: Annotated[
        float, typer.Option("--time-limit-s", min=0, help="No trial begins later; 0: no limit.")
    ] = 0,
) -> None:
    """Search the settings of any configuration; the same line again goes on with a search that was
    stopped.
    """
    from asr.tuning import TuneConfig, parse_space, read_space
    from asr.tuning import tune as search
    from data_prep.pronounce import say_by_letters

    ranges, fixed = parse_space(arguments or [])
    settings = TuneConfig(
        trials=trials,
        metric=metric,
        maximize=maximize,
        storage=storage,
        name=name,
        sampler=sampler,
        pruner=pruner,
        warmup_trials=warmup_trials,
        warmup_epochs=warmup_epochs,
        seed=seed,
        time_limit_s=time_limit_s,
    )
    found = search(
        config,
        {**(read_space(space) if space else {}), **ranges},
        output_dir,
        fixed,
        settings=settings,
        pronounce=say_by_letters,
    )
    counts = f"{found.finished} finished, {found.pruned} pruned, {found.failed} failed"
    before = "" if found.first is None else f", {found.first:.4f} as configured"
    typer.echo(f"best {found.value:.4f}{before} ({counts}); {found.run}; {found.report}", err=True)
    for line in found.overrides:
        typer.echo(line)

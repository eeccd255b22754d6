"""``asr report``: run folder -> one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["report"]


def report(
    run: Annotated[
        Path, typer.Argument(help="Run folder, as `asr train` and `asr evaluate -o RUN` write it.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page; RUN/report.html by default.")
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data", help="Prepared split that the configuration lacks; may be repeated."
        ),
    ] = None,
    audio: Annotated[
        str, typer.Option(help="Audio of the worst utterances: embed, link or none.")
    ] = "embed",
    worst: Annotated[int, typer.Option(min=0, help="Worst utterances of each split to show.")] = 20,
    utterance: Annotated[
        str | None, typer.Option(help="Utterance whose spectrogram and alignment are shown.")
    ] = None,
    normalizer: Annotated[
        str, typer.Option(help="none, librispeech, basic, english, chinese or mandarin.")
    ] = "none",
    samples: Annotated[
        int, typer.Option(min=0, help="Bootstrap samples for the intervals; 0 for none.")
    ] = 2000,
) -> None:
    """Write one page about a run: curves, figures with intervals, errors, the worst utterances to
    hear, what is inside.

    The page needs no network and no script, and reads on a phone.
    """
    from asr.report import ReportOptions, write_report

    options = ReportOptions(
        data=tuple(data or ()),
        audio=audio,
        worst=worst,
        utterance=utterance,
        normalizer=normalizer,
        samples=samples,
    )
    page = output or run / "report.html"
    written = write_report(run, page, options)
    for title, reason in written.left_out.items():
        typer.echo(f"left out: {title}: {reason}", err=True)
    for title, reason in written.failed.items():
        typer.echo(f"failed: {title}: {reason}", err=True)
    typer.echo(f"wrote {page}: {', '.join(written.shown)}", err=True)
    if written.failed:
        raise typer.Exit(1)

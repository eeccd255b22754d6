"""``asr check``: a prepared split -> its transcripts, the most suspicious first."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import DEFAULT_MODEL, Backend, Device, Model, Threads


def check(
    split: Annotated[Path, typer.Argument(help="Folder that asr prepare wrote.")],
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="Gets check.tsv and check.html.")
    ],
    model: Model = DEFAULT_MODEL,
    worst: Annotated[
        int, typer.Option("--worst", min=0, help="Utterances on the page; all are in the table.")
    ] = 100,
    audio: Annotated[
        str, typer.Option("--audio", help="On the page: embed, link or none.")
    ] = "embed",
    above: Annotated[
        float | None,
        typer.Option(
            "--exclude-above",
            min=0,
            help="Utterances with a higher error rate, such as 0.6, go into excluded.tsv.",
        ),
    ] = None,
    normalizer: Annotated[
        str,
        typer.Option(help="Makes the transcripts fit the model: basic, librispeech, none..."),
    ] = "basic",
    device: Device = "cpu",
    backend: Backend = "auto",
    threads: Threads = 0,
) -> None:
    """Find transcripts that are not what is said, and write a page to hear and correct them."""
    from asr.report.checked import write_checked_page
    from asr.report.prepared import prepared_references
    from asr.speech.jobs.check import check_split, write_checked, write_excluded
    from asr.speech.options import ModelOptions
    from asr.speech.recognizer import open_recognizer
    from data_prep.pronounce import say_by_letters

    options = ModelOptions(
        model, decoding={"method": "greedy"}, device=device, backend=backend, threads=threads
    )
    recognizer = open_recognizer(options)
    checked = check_split(recognizer, split, normalizer=normalizer, pronounce=say_by_letters)
    references = prepared_references(split)
    write_checked(checked, output_dir / "check.tsv")
    write_checked_page(
        checked[:worst],
        references.utterances if references else {},
        output_dir / "check.html",
        title=f"Transcripts of {split.name}",
        audio=audio,
    )
    suspicious = sum(bool(c.reasons) for c in checked)
    typer.echo(f"{output_dir / 'check.html'}\t{suspicious} of {len(checked)} are suspicious")
    if above is not None:
        number = write_excluded(checked, output_dir / "excluded.tsv", above)
        typer.echo(f"{output_dir / 'excluded.tsv'}\t{number} utterances")

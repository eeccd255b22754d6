"""``asr align``: a recording and its text -> when each word is said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.model_folder import DEFAULT_MODEL


def align(
    source: Annotated[
        str, typer.Argument(help="A sound file; a table path<TAB>text; a prepared split.")
    ],
    text: Annotated[
        str | None, typer.Argument(help="What is said in the sound file, or a .txt file.")
    ] = None,
    model: Annotated[
        str, typer.Option("--model", help="Model folder, run folder, or name.")
    ] = DEFAULT_MODEL,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", help="Write one file a recording here instead of printing."
        ),
    ] = None,
    output_format: Annotated[
        str,
        typer.Option("--output-format", "-f", help="ctm, json or textgrid; several with commas."),
    ] = "ctm",
    normalizer: Annotated[
        str,
        typer.Option(
            "--normalizer",
            help="Makes the text fit the model's characters: basic, librispeech, none...",
        ),
    ] = "basic",
    lexicon: Annotated[
        Path | None,
        typer.Option("--lexicon", help="Pronunciations of further words, for a model of phones."),
    ] = None,
    max_skipped: Annotated[
        int,
        typer.Option("--max-skipped", min=0, help="Recordings that may fail without a bad status."),
    ] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    backend: Annotated[
        str,
        typer.Option(
            "--backend", help="torch, onnxruntime, or auto: ONNX on the processor if it is there."
        ),
    ] = "auto",
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Processor threads; 0: all.")
    ] = 0,
) -> None:
    """Find when each word and character of a known text is said."""
    from asr.speech.jobs.align import align_files

    formats = output_format.split(",")
    failed = align_files(
        source, text, model, output_dir, formats, normalizer, device, threads, backend, lexicon
    )
    if failed > max_skipped:
        raise typer.Exit(1)

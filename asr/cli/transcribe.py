"""``asr transcribe``: audio files -> text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def transcribe(
    inputs: Annotated[list[str], typer.Argument(help="Audio files, folders, globs, or - for standard input.")],
    model: Annotated[str, typer.Option("--model", help="Model folder, run folder, or name.")],
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", help="Write one file an input here instead of printing the text."),
    ] = None,
    output_format: Annotated[
        str, typer.Option("--output-format", "-f", help="txt, json, srt, vtt, tsv or ctm; several with commas.")
    ] = "txt",
    decoding_method: Annotated[str, typer.Option("--decoding-method", help="greedy, beam, or auto.")] = "auto",
    beam_size: Annotated[
        int | None, typer.Option("--beam-size", min=1, help="Hypotheses kept by the beam search.")
    ] = None,
    max_skipped: Annotated[
        int, typer.Option("--max-skipped", min=0, help="Files that may fail without a bad status.")
    ] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", min=0, help="Processor threads; 0: all.")] = 0,
) -> None:
    """Turn recordings into text."""
    from asr.transcribing import transcribe_files

    failed = transcribe_files(
        inputs, model, output_dir, output_format.split(","), decoding_method, beam_size, device, threads
    )
    if failed > max_skipped:
        raise typer.Exit(1)

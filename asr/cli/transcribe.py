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
    decoding_method: Annotated[
        str | None, typer.Option("--decoding-method", help="greedy or beam; as the model folder says by default.")
    ] = None,
    beam_size: Annotated[
        int | None, typer.Option("--beam-size", min=1, help="Hypotheses kept by the beam search.")
    ] = None,
    lm: Annotated[Path | None, typer.Option("--lm", help="n-gram model instead of the model folder's own.")] = None,
    lm_alpha: Annotated[float | None, typer.Option("--lm-alpha", help="Weight of the language model.")] = None,
    lm_beta: Annotated[float | None, typer.Option("--lm-beta", help="Bonus a word.")] = None,
    max_skipped: Annotated[
        int, typer.Option("--max-skipped", min=0, help="Files that may fail without a bad status.")
    ] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", min=0, help="Processor threads; 0: all.")] = 0,
) -> None:
    """Turn recordings into text."""
    from asr.transcribing import transcribe_files

    chosen = {"method": decoding_method, "beam_size": beam_size, "lm_alpha": lm_alpha, "lm_beta": lm_beta}
    decoding = {name: value for name, value in chosen.items() if value is not None}
    failed = transcribe_files(inputs, model, output_dir, output_format.split(","), decoding, lm, device, threads)
    if failed > max_skipped:
        raise typer.Exit(1)

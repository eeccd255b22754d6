"""``asr transcribe``: audio files -> text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.model_folder import DEFAULT_MODEL


def transcribe(
    inputs: Annotated[
        list[str], typer.Argument(help="Audio files, folders, globs, or - for standard input.")
    ],
    model: Annotated[
        str, typer.Option("--model", help="Model folder, run folder, or name.")
    ] = DEFAULT_MODEL,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", help="Write one file an input here instead of printing the text."
        ),
    ] = None,
    output_format: Annotated[
        str,
        typer.Option(
            "--output-format", "-f", help="txt, json, srt, vtt, tsv or ctm; several with commas."
        ),
    ] = "txt",
    channels: Annotated[
        str,
        typer.Option(
            "--channels", help="mix, all (each channel apart), or a channel's number from 0."
        ),
    ] = "mix",
    decoding_method: Annotated[
        str | None,
        typer.Option(
            "--decoding-method", help="greedy or beam; as the model folder says by default."
        ),
    ] = None,
    beam_size: Annotated[
        int | None, typer.Option("--beam-size", min=1, help="Hypotheses kept by the beam search.")
    ] = None,
    n_best: Annotated[
        int | None,
        typer.Option("--n-best", min=1, help="Readings of each segment; JSON holds them."),
    ] = None,
    hotwords: Annotated[
        list[str] | None,
        typer.Option(
            "--hotwords", help="Phrases to listen for, with commas, or @file with one a line."
        ),
    ] = None,
    hotword_weight: Annotated[
        float, typer.Option("--hotword-weight", help="How much a hotword counts.")
    ] = 10.0,
    lexicon: Annotated[
        Path | None,
        typer.Option("--lexicon", help="Pronunciations of further words, for a model of phones."),
    ] = None,
    lm: Annotated[
        Path | None, typer.Option("--lm", help="n-gram model instead of the model folder's own.")
    ] = None,
    lm_alpha: Annotated[
        float | None, typer.Option("--lm-alpha", help="Weight of the language model.")
    ] = None,
    lm_beta: Annotated[float | None, typer.Option("--lm-beta", help="Bonus a word.")] = None,
    blank_penalty: Annotated[
        float | None,
        typer.Option("--blank-penalty", min=0, help="Higher: fewer words are left out."),
    ] = None,
    rescore: Annotated[
        Path | None,
        typer.Option(
            "--rescore", help="Model folder of an LSTM language model that re-ranks the hypotheses."
        ),
    ] = None,
    rescore_weight: Annotated[
        float | None,
        typer.Option(
            "--rescore-weight", min=0, help="Weight of that language model; 0.5 by default."
        ),
    ] = None,
    max_skipped: Annotated[
        int, typer.Option("--max-skipped", min=0, help="Files that may fail without a bad status.")
    ] = 0,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    backend: Annotated[
        str,
        typer.Option(
            "--backend", help="torch, onnxruntime, or auto: ONNX on the processor if it is there."
        ),
    ] = "auto",
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Processor threads; 0: all (one, with --ray).")
    ] = 0,
    ray: Annotated[
        str | None,
        typer.Option(
            "--ray",
            help="Share the files out on the Ray cluster at this address; local: on this machine.",
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Processes with --ray local; 0: one a core.")
    ] = 0,
) -> None:
    """Turn recordings into text."""
    from asr.speech.jobs.transcribe import parse_channel, parse_hotwords, transcribe_files

    if workers and ray is None:
        raise typer.BadParameter("it goes with --ray local.", param_hint="--workers")

    if rescore_weight is not None and rescore is None:
        raise typer.BadParameter("it goes with --rescore.", param_hint="--rescore-weight")
    chosen = {
        "method": decoding_method,
        "beam_size": beam_size,
        "lm_alpha": lm_alpha,
        "lm_beta": lm_beta,
        "n_best": n_best,
        "blank_penalty": blank_penalty,
        "hotwords": parse_hotwords(hotwords, hotword_weight) if hotwords else None,
        "lexicon": str(lexicon) if lexicon else None,
        "rescorer": str(rescore) if rescore else None,
        "rescore_weight": rescore_weight,
    }
    decoding = {name: value for name, value in chosen.items() if value is not None}
    formats, channel = output_format.split(","), parse_channel(channels)
    if ray is None:
        failed = transcribe_files(
            inputs, model, output_dir, formats, decoding, lm, device, threads, channel, backend
        )
    else:
        from asr.scale.transcribe import transcribe_on_ray

        failed = transcribe_on_ray(
            inputs,
            model,
            output_dir,
            formats,
            ray,
            decoding,
            lm,
            device,
            threads,
            channel,
            workers,
            backend,
        )
    if failed > max_skipped:
        raise typer.Exit(1)

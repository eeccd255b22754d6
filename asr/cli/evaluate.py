"""``asr evaluate``: model folder + manifest -> hypotheses and word error rates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import (
    BeamSize,
    BlankPenalty,
    Device,
    LmAlpha,
    LmBeta,
    LmFile,
    NewWordsFile,
    RescoreModel,
    Threads,
    given,
    words_of,
)


def evaluate(
    model: Annotated[Path, typer.Option("--model", help="Model folder or run folder.")],
    data: Annotated[
        list[Path], typer.Option("--data", help="Split folder or cuts.jsonl.gz; may be repeated.")
    ],
    output_dir: Annotated[
        Path,
        typer.Option(
            "--output-dir", "-o", help="Folder for SPLIT/hypotheses.tsv and metrics.json."
        ),
    ],
    lm: LmFile = None,
    words: NewWordsFile = None,
    tune_on: Annotated[
        Path | None,
        typer.Option("--tune-on", help="Split on which the weights of the search are tuned first."),
    ] = None,
    beam_size: BeamSize = None,
    lm_alpha: LmAlpha = None,
    lm_beta: LmBeta = None,
    blank_penalty: BlankPenalty = None,
    open_vocabulary: Annotated[
        bool | None,
        typer.Option(
            "--open-vocabulary/--closed-vocabulary",
            help="May words outside the language model be recognised?",
        ),
    ] = None,
    rescore: RescoreModel = None,
    rescore_weight: Annotated[
        float | None,
        typer.Option("--rescore-weight", help="Its weight; tuned on --tune-on by default."),
    ] = None,
    save_to_model: Annotated[
        bool,
        typer.Option(
            "--save-to-model",
            help="Keep the language model and decoding settings in the model folder.",
        ),
    ] = False,
    normalizer: Annotated[
        str, typer.Option("--normalizer", help="Text normaliser before scoring.")
    ] = "none",
    device: Device = "cpu",
    threads: Threads = 0,
) -> None:
    """Transcribe prepared splits and print the word error rates, greedy and with the language
    model.
    """
    from asr.speech.jobs.evaluate import evaluate as run
    from asr.speech.options import ModelOptions

    decoding = given(
        beam_size=beam_size,
        lm_alpha=lm_alpha,
        lm_beta=lm_beta,
        blank_penalty=blank_penalty,
        open_vocabulary=open_vocabulary,
    )
    table = run(
        ModelOptions(
            model, decoding, lm=lm, device=device, threads=threads, new_words=words_of(words)
        ),
        data,
        output_dir,
        tune_on=tune_on,
        normalizer=normalizer,
        save_to_model=save_to_model,
        rescorer=rescore,
        rescore_weight=rescore_weight,
    )
    typer.echo(table)

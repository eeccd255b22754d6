"""``asr evaluate``: model folder + manifest -> hypotheses and word error rates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
    lm: Annotated[
        Path | None, typer.Option("--lm", help="n-gram model instead of the model folder's own.")
    ] = None,
    tune_on: Annotated[
        Path | None,
        typer.Option("--tune-on", help="Split on which the weights of the search are tuned first."),
    ] = None,
    beam_size: Annotated[
        int | None, typer.Option("--beam-size", min=1, help="Hypotheses kept by the beam search.")
    ] = None,
    lm_alpha: Annotated[
        float | None, typer.Option("--lm-alpha", help="Weight of the language model.")
    ] = None,
    lm_beta: Annotated[float | None, typer.Option("--lm-beta", help="Bonus a word.")] = None,
    blank_penalty: Annotated[
        float | None,
        typer.Option("--blank-penalty", min=0, help="Higher: fewer words are left out."),
    ] = None,
    open_vocabulary: Annotated[
        bool | None,
        typer.Option(
            "--open-vocabulary/--closed-vocabulary",
            help="May words outside the language model be recognised?",
        ),
    ] = None,
    rescore: Annotated[
        Path | None,
        typer.Option(
            "--rescore", help="Model folder of an LSTM language model that re-ranks the hypotheses."
        ),
    ] = None,
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
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    threads: Annotated[
        int, typer.Option("--threads", min=0, help="Processor threads; 0: all.")
    ] = 0,
) -> None:
    """Transcribe prepared splits and print the word error rates, greedy and with the language
    model.
    """
    from asr.speech.jobs.evaluate import evaluate as run

    chosen = {
        "beam_size": beam_size,
        "lm_alpha": lm_alpha,
        "lm_beta": lm_beta,
        "blank_penalty": blank_penalty,
        "open_vocabulary": open_vocabulary,
    }
    table = run(
        model,
        data,
        output_dir,
        lm=lm,
        tune_on=tune_on,
        normalizer=normalizer,
        device=device,
        threads=threads,
        save_to_model=save_to_model,
        rescorer=rescore,
        rescore_weight=rescore_weight,
        decoding={name: value for name, value in chosen.items() if value is not None},
    )
    typer.echo(table)

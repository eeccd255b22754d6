"""``asr predict``: a model folder of any task but speech, and a file -> predictions."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import typer

# task -> module and function (model, file, output folder or None, second file or None) -> text for
# standard output
PREDICTORS = {
    "forecast": ("asr.series.forecasting.files", "predict_file"),
    "anomaly": ("asr.series.anomalies.files", "predict_file"),
    "classify_text": ("asr.language.files", "predict_file"),
    "language_model": ("asr.language.files", "predict_file"),
    "tag": ("asr.language.files", "predict_file"),
    "translate": ("asr.language.files", "predict_file"),
}


def predict(
    file: Annotated[
        Path,
        typer.Argument(
            help="Series: CSV file with unique_id, ds, y. Texts: a text a line, or .jsonl; - for stdin."
        ),
    ],
    model: Annotated[
        Path, typer.Option("--model", "-m", help="Model folder, or a run folder that holds one.")
    ],
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir", "-o", help="Write files and pictures here, not to standard output."
        ),
    ] = None,
    future: Annotated[
        Path | None,
        typer.Option(help="For forecasts: CSV file with the future columns of the steps ahead."),
    ] = None,
) -> None:
    """Forecast series, find anomalies, label, tag, score or translate texts; the model's task
    decides what is done.
    """
    from asr.errors import ModelError
    from asr.model_folder import find_model, open_bundle

    task = open_bundle(find_model(model)).task
    if task not in PREDICTORS:
        remedy = (
            "Use asr transcribe."
            if task == "ctc"
            else f"Tasks with predictions: {', '.join(PREDICTORS)}."
        )
        raise ModelError(
            f"{model} is a model for the task {task}, which asr predict does not know.", remedy
        )
    module, function = PREDICTORS[task]
    text = getattr(importlib.import_module(module), function)(model, file, output_dir, future)
    typer.echo(text, nl=False)

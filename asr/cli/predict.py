"""``asr predict``: a file of series, signals or texts -> predictions of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

FILE_HELP = (
    "Series: .csv with unique_id, ds, y. "
    "Signals: .csv with a column a channel, .jsonl, .npz, .npy. "
    "Texts: a text a line, .jsonl, or .csv with a column text; - for stdin."
)


def predict(
    file: Annotated[Path, typer.Argument(help=FILE_HELP)],
    model: Annotated[
        list[Path],
        typer.Option(
            "--model",
            "-m",
            help="Model folder, or a run folder that holds one. Give it several times to average "
            "the probabilities of taggers or of text classifiers.",
        ),
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
    """Forecast series, find anomalies, classify signals or texts, tag, score or translate texts.

    The model's task decides what is done.
    """
    from asr.catalogue import TASKS, has_predictions, load_ensemble
    from asr.model_folder import find_model, open_model

    tasks = list(filter(has_predictions, TASKS))
    predictor = load_ensemble([open_model(find_model(each, tasks)) for each in model])
    typer.echo(predictor.predict_file(file, output_dir, future), nl=False)

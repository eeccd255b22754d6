"""Forecasts from file to file: CSV in, CSV and pictures out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from asr.files import atomic_path, atomic_write_text
from asr.plots import forecast as draw
from asr.plots import to_png
from asr.series.forecasting.forecaster import Forecaster
from asr.series.frames import ID, TARGET, read_frame, read_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["predict_file"]


def predict_file(model: Path, file: Path, output_dir: Path | None, future: Path | None) -> str:
    """Return the forecasts of a CSV file as CSV, or write ``forecast.csv`` and a picture a series
    and say where.

    Args:
        model: folder of a forecaster.
        file: series up to the present, in the shape that the model was trained on (a frame, or the
            same wide table).
        output_dir: where to write.
        future: columns known ahead.

    Raises:
        DataError: a file cannot be used.
    """
    forecaster = Forecaster.load(model)
    data = forecaster.config.data
    columns = [*data.past_columns, *data.future_columns]
    frame = read_frame(file, data.time, data.targets, columns)
    found = forecaster.predict(frame, None if future is None else read_table(future))
    if output_dir is None:
        return str(found.to_csv(index=False))
    path = output_dir / "forecast.csv"
    atomic_write_text(path, found.to_csv(index=False))
    pictures = [
        _draw(name, rows, frame, output_dir) for name, rows in found.groupby(ID, sort=False)
    ]
    return f"{path}\n" + "".join(f"{picture}\n" for picture in pictures)


def _draw(name: str, rows: pd.DataFrame, frame: pd.DataFrame, output_dir: Path) -> Path:
    history = frame if ID not in frame.columns else frame[frame[ID].astype(str) == name]
    ends = sorted(column for column in rows.columns if column.startswith("yhat_lo_"))
    low = rows[ends[-1]].tolist() if ends else None
    high = rows[ends[-1].replace("_lo_", "_hi_")].tolist() if ends else None
    recent = history[TARGET].tolist()[-4 * len(rows) :]
    safe = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in str(name))
    path = output_dir / f"forecast-{safe}.png"
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(draw(recent, [], rows["yhat"].tolist(), low, high)))
    return path

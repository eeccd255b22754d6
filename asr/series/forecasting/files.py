"""Series that ``asr predict`` and ``POST /v1/predict`` read for forecasts, and what they write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.files import atomic_path, atomic_write_text
from asr.series.files import file_name, frame_rows
from asr.series.frames import as_frame, with_times
from asr.series.tables import ID, OURS, TARGET, TIME, Names, read_table, rows_table

if TYPE_CHECKING:
    import pandas as pd

    from asr.series.forecasting.forecaster import Forecaster

__all__ = ["ForecastInputs", "History", "predict_rows"]

SHOWN_HORIZONS = 4  # history in a picture, in horizons
LOW = "yhat_lo_"


@dataclass(frozen=True)
class History:
    """What a forecast is made from.

    Attributes:
        frame: the series up to the present.
        future: the columns known ahead, or None.
        names: what the user calls the columns.
    """

    frame: pd.DataFrame
    future: pd.DataFrame | None = None
    names: Names = OURS


def predict_rows(forecaster: Forecaster, history: History) -> pd.DataFrame:
    """Return the forecasts as a frame: ``unique_id``, ``ds``, ``yhat`` and the intervals' ends."""
    return forecaster.predict(history.frame, history.future)


class ForecastInputs:
    """Series as tables: see :class:`asr.catalogue.Inputs`."""

    keys = ("series", "future")

    def read_file(self, model: Forecaster, file: Path, future: Path | None = None) -> History:
        """Return the series of a CSV file, in the shape that the model was trained on.

        Raises:
            DataError: a file cannot be used.
        """
        data = model.config_.data
        table = read_table(file, data.time, data.names)
        ahead = None
        if future is not None:
            ahead = _timed(model, read_table(future, names=data.names), str(future))
        return History(_frame(model, table, str(file)), ahead, data.names)

    def read_json(self, model: Forecaster, request: Mapping[str, Any]) -> History:
        """Return the series of a request, in the shape that the model was trained on.

        Raises:
            DataError: the rows cannot be used.
        """
        data, future = model.config_.data, request.get("future")
        rows = rows_table(request["series"], "'series'", data.time, data.names)
        ahead = None
        if future is not None:
            ahead = _timed(model, rows_table(future, "'future'", names=data.names), "'future'")
        return History(_frame(model, rows, "'series'"), ahead, data.names)

    def write_file(self, rows: History, predictions: pd.DataFrame, output_dir: Path | None) -> str:
        """Return the forecasts as CSV, or write ``forecast.csv`` and a picture a series."""
        text = str(predictions.to_csv(index=False))
        if output_dir is None:
            return text
        paths = [output_dir / "forecast.csv"]
        atomic_write_text(paths[0], text)
        for name, forecast in rows.names.inward(predictions).groupby(ID, sort=False):
            paths.append(_draw(str(name), forecast, rows.frame, output_dir))
        return "".join(f"{path}\n" for path in paths)

    def write_json(self, predictions: pd.DataFrame) -> list[dict[str, Any]]:
        """Return the forecasts as JSON objects, one a step."""
        return frame_rows(predictions)


def _frame(model: Forecaster, table: pd.DataFrame, where: str) -> pd.DataFrame:
    data = model.config_.data
    covariates = [*data.past_columns, *data.future_columns]
    return as_frame(
        table, data.time, data.targets, covariates, where=where, date_format=data.date_format
    )


def _timed(model: Forecaster, table: pd.DataFrame, where: str) -> pd.DataFrame:
    return with_times(table, where, model.config_.data.date_format)


def _draw(name: str, forecast: pd.DataFrame, frame: pd.DataFrame, output_dir: Path) -> Path:
    from asr.plots import forecast as draw
    from asr.plots import to_png

    history = frame if ID not in frame.columns else frame[frame[ID].astype(str) == name]
    recent = history[-SHOWN_HORIZONS * len(forecast) :]
    levels = [float(c.removeprefix(LOW)) for c in forecast.columns if c.startswith(LOW)]
    ends = [f"yhat_{end}_{max(levels):g}" for end in ("lo", "hi")] if levels else []
    picture = draw(
        recent[TARGET].tolist(),
        [],
        forecast["yhat"].tolist(),
        *(forecast[end].tolist() for end in ends),
        steps=[*recent[TIME], *forecast[TIME]],
        title=f"{name}, {max(levels):g} % interval" if levels else name,
    )
    path = output_dir / f"forecast-{file_name(name)}.png"
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(picture))
    return path

"""Series in which ``asr predict`` and ``POST /v1/predict`` find anomalies, and what they write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.files import atomic_path, atomic_write_text
from asr.series.files import file_name, frame_rows
from asr.series.frames import with_times
from asr.series.tables import ID, OURS, TIME, Names, read_table, rows_table

if TYPE_CHECKING:
    import pandas as pd

    from asr.series.anomalies.detector import AnomalyDetector

__all__ = ["AnomalyInputs", "Channels", "predict_rows"]


@dataclass(frozen=True)
class Channels:
    """Series with a column a channel.

    Attributes:
        frame: ``ds``, perhaps ``unique_id``, and the channels.
        shown: the channel that pictures show.
        names: what the user calls the columns.
    """

    frame: pd.DataFrame
    shown: str
    names: Names = OURS


def predict_rows(detector: AnomalyDetector, channels: Channels) -> pd.DataFrame:
    """Return a frame with ``unique_id``, ``ds``, ``score``, ``threshold`` and ``anomaly``."""
    return detector.predict(channels.frame)


class AnomalyInputs:
    """Series as tables: see :class:`asr.catalogue.Inputs`."""

    keys = ("series",)

    def read_file(self, model: AnomalyDetector, file: Path, future: Path | None = None) -> Channels:
        """Return the series of a CSV file.

        Raises:
            DataError: the file cannot be used.
        """
        names = model.config_.data.names
        return _channels(model, read_table(file, names=names), str(file))

    def read_json(self, model: AnomalyDetector, request: Mapping[str, Any]) -> Channels:
        """Return the series of a request.

        Raises:
            DataError: the rows cannot be used.
        """
        rows = rows_table(request["series"], "'series'", names=model.config_.data.names)
        return _channels(model, rows, "'series'")

    def write_file(self, rows: Channels, predictions: pd.DataFrame, output_dir: Path | None) -> str:
        """Return the scores as CSV, or write ``anomalies.csv`` and a picture a series."""
        text = str(predictions.to_csv(index=False))
        if output_dir is None:
            return text
        paths = [output_dir / "anomalies.csv"]
        atomic_write_text(paths[0], text)
        for name, scores in rows.names.inward(predictions).groupby(ID, sort=False):
            paths.append(_draw(str(name), scores, rows, output_dir))
        return "".join(f"{path}\n" for path in paths)

    def write_json(self, predictions: pd.DataFrame) -> list[dict[str, Any]]:
        """Return the scores as JSON objects, one a step."""
        return frame_rows(predictions)


def _channels(model: AnomalyDetector, table: pd.DataFrame, where: str) -> Channels:
    frame = with_times(table, where, model.config_.data.date_format)
    return Channels(frame, model.model_.columns[0], model.config_.data.names)


def _draw(name: str, scores: pd.DataFrame, rows: Channels, output_dir: Path) -> Path:
    from asr.plots import anomaly as draw
    from asr.plots import to_png

    frame = rows.frame
    series = frame if ID not in frame.columns else frame[frame[ID].astype(str) == name]
    threshold = float(scores["threshold"].iloc[0])
    values, times = series[rows.shown].tolist(), series[TIME].tolist()
    picture = draw(values, scores["score"].tolist(), threshold, steps=times, title=name)
    picture.axes[0].set_ylabel(rows.shown)
    path = output_dir / f"anomalies-{file_name(name)}.png"
    with atomic_path(path) as temporary:
        temporary.write_bytes(to_png(picture))
    return path

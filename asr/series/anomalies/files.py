"""Anomalies from file to file: CSV in, CSV and pictures out."""

from __future__ import annotations

from pathlib import Path

from asr.errors import DataError
from asr.files import atomic_path, atomic_write_text
from asr.plots import anomaly as draw
from asr.plots import to_png
from asr.series.anomalies.detector import AnomalyDetector
from asr.series.frames import ID, read_table

__all__ = ["predict_file"]


def predict_file(model: Path, file: Path, output_dir: Path | None, future: Path | None) -> str:
    """Return the scores of a CSV file as CSV, or write ``anomalies.csv`` and a picture a series and
    say where.

    Args:
        model: folder of a detector.
        file: ``ds``, perhaps ``unique_id``, and the channels.
        output_dir: where to write.

    Raises:
        DataError: the file cannot be used, or a file of future columns is given.
    """
    if future is not None:
        raise DataError("A detector of anomalies takes no future columns.", "Leave --future out.")
    detector, frame = AnomalyDetector.load(model), read_table(file)
    found = detector.predict(frame)
    if output_dir is None:
        return str(found.to_csv(index=False))
    path = output_dir / "anomalies.csv"
    atomic_write_text(path, found.to_csv(index=False))
    written = [path]
    for name, rows in found.groupby(ID, sort=False):
        values = frame if ID not in frame.columns else frame[frame[ID].astype(str) == name]
        channel = values[detector.fitted.columns[0]].tolist()
        safe = "".join(
            letter if letter.isalnum() or letter in "-_." else "_" for letter in str(name)
        )
        written.append(output_dir / f"anomalies-{safe}.png")
        with atomic_path(written[-1]) as temporary:
            temporary.write_bytes(
                to_png(draw(channel, rows["score"].tolist(), float(rows["threshold"].iloc[0])))
            )
    return "".join(f"{path}\n" for path in written)

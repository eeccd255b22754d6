"""Series with their anomaly scores."""

from __future__ import annotations

import itertools

from asr.errors import DataError
from asr.plots import anomaly
from asr.report.markup import picture
from asr.report.run import Run

TITLE = "Anomaly scores"
TASKS = ("anomaly",)
_SHOWN = 6


def content(run: Run) -> str:
    pictures = []
    for number, (split, r) in enumerate(
        itertools.islice(run.records("values", "anomaly_scores"), _SHOWN)
    ):
        try:
            if len(r["values"]) != len(r["anomaly_scores"]):
                raise ValueError(f"{len(r['values'])} values, {len(r['anomaly_scores'])} scores")
            drawing = anomaly(
                r["values"], r["anomaly_scores"], r.get("threshold"), r.get("anomalies")
            )
        except (TypeError, ValueError) as problem:
            raise DataError(
                f"{split}/predictions.jsonl, {r.get('id')}: these scores cannot be drawn "
                f"({problem})."
            ) from None
        marks = "; known anomalies are shaded" if r.get("anomalies") else ""
        line = "; the line is the threshold" if r.get("threshold") is not None else ""
        pictures.append(
            picture(
                f"anomaly-{number}", drawing, f"{r.get('id', '')} ({split}){marks}{line}", wide=True
            )
        )
    return "".join(pictures)

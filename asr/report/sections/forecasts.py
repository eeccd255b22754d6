"""Forecasts beside the true values."""

from __future__ import annotations

import itertools

import numpy as np

from asr.errors import DataError
from asr.plots import forecast
from asr.report.markup import gallery, paragraph, picture
from asr.report.run import Run

TITLE = "Forecasts"
TASKS = ("forecast",)
_SHOWN = 12


def content(run: Run) -> str:
    records = run.records("truth", "forecast")
    pictures = []
    for number, (split, r) in enumerate(itertools.islice(records, _SHOWN)):
        try:
            if len(r["truth"]) != len(r["forecast"]):
                raise ValueError(
                    f"{len(r['truth'])} steps of truth, {len(r['forecast'])} of forecast"
                )
            history = list(r.get("history", []))[-4 * max(1, len(r["truth"])) :]
            drawing = forecast(history, r["truth"], r["forecast"], r.get("low"), r.get("high"))
            error = float(np.mean(np.abs(np.subtract(r["truth"], r["forecast"], dtype=float))))
        except (TypeError, ValueError) as problem:
            raise DataError(
                f"{split}/predictions.jsonl, {r.get('id')}: this forecast cannot be drawn "
                f"({problem})."
            ) from None
        caption = (
            f"{r.get('id', '')} ({split}): mean absolute error {error:.4g} over "
            f"{len(r['truth'])} steps"
        )
        pictures.append(picture(f"forecast-{number}", drawing, caption))
    more = sum(1 for _ in records)
    return gallery(pictures) + (
        paragraph(f"The first {_SHOWN}; {more} more are in predictions.jsonl.") if more else ""
    )

"""Confusion matrix and per-class figures of classifiers and taggers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from asr.errors import DataError
from asr.plots import confusion_matrix
from asr.report.markup import escape, fold, percent, picture, table
from asr.report.run import Run
from asr.scoring.intervals import resample

TITLE = "Confusion matrix"
TASKS = ("classify", "classify_text", "tag")
_SHOWN = 30


def content(run: Run) -> str:
    pairs: dict[str, Counter[tuple[str, str]]] = {}
    errors: dict[str, list[tuple[int, int]]] = {}
    for split, record in run.records("label", "prediction"):
        found = list(labelled(split, record))
        pairs.setdefault(split, Counter()).update(found)
        errors.setdefault(split, []).append((sum(true != said for true, said in found), len(found)))
    return "".join(
        _split(split, counts, _interval(errors[split])) for split, counts in pairs.items()
    )


def _interval(errors: list[tuple[int, int]]) -> str:
    """95 % interval of the accuracy: Wilson's (1927) for labels, by whole sentences for tags."""
    wrong, total = np.array(errors, dtype=np.float64).T
    if total.max() > 1:
        span = resample(wrong, total)
        return (
            ""
            if span is None
            else f"; 95 % {percent(1 - span.high)} - {percent(1 - span.low)}, by sentence"
        )
    n, p, z = len(total), 1 - wrong.mean(), 1.96
    middle, half = p + z * z / (2 * n), z * float(np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return f"; 95 % {percent(max(0.0, low))} - {percent(min(1.0, high))}"


def labelled(split: str, record: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (label, prediction) of a record: one pair, or one a token.

    Raises:
        DataError: label and prediction do not match.
    """
    label, prediction = record["label"], record["prediction"]
    if isinstance(label, list) != isinstance(prediction, list) or (
        isinstance(label, list) and len(label) != len(prediction)
    ):
        raise DataError(
            f"{split}/predictions.jsonl, {record.get('id')}: label and prediction differ in length "
            "or kind."
        )
    if not isinstance(label, list):
        label, prediction = [label], [prediction]
    yield from zip(map(str, label), map(str, prediction), strict=True)


def _split(split: str, counts: Counter[tuple[str, str]], interval: str) -> str:
    frequency = Counter(true for true, _ in counts.elements())
    labels = sorted(
        {name for pair in counts for name in pair}, key=lambda name: (-frequency[name], name)
    )
    matrix = np.array(
        [[counts[true, found] for found in labels] for true in labels], dtype=np.int64
    )
    right, total = int(matrix.trace()), int(matrix.sum())
    caption = f"{split}: {right} of {total} right ({percent(right / max(1, total))} %{interval})"
    if len(labels) > _SHOWN:
        caption += f"; the {_SHOWN} most frequent of {len(labels)} classes"
    drawing = confusion_matrix(labels[:_SHOWN], matrix[:_SHOWN, :_SHOWN])
    shown = picture(f"confusion-{_plain(split)}", drawing, caption, wide=len(labels) > 8)
    by_class = fold("By class", _by_class(labels, matrix), is_open=len(labels) <= 8)
    return f"<h3>{escape(split)}</h3>{shown}{by_class}"


def _by_class(labels: list[str], matrix: Any) -> str:
    rows = []
    for number, label in enumerate(labels):
        hit, said, true = (
            int(matrix[number, number]),
            int(matrix[:, number].sum()),
            int(matrix[number].sum()),
        )
        precision, recall = (hit / said if said else None), (hit / true if true else None)
        f1 = 2 * hit / (said + true) if said + true else None
        rows.append((label, true, percent(precision), percent(recall), percent(f1)))
    return table(["class", "count", "precision %", "recall %", "F1 %"], rows)


def _plain(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)

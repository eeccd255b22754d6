"""Figures and predictions in a run folder, the same for every task.

``metrics.json``

    {"dev/wer": {"value": 0.081, "split": "dev", "epoch": 37},
     "test/wer beam+lm": {"value": 0.052, "split": "test"}}

``SPLIT/predictions.jsonl``
    one object a line, with an ``id``; :mod:`asr.report.run` lists the keys that reports show
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from asr.errors import DataError
from asr.files import atomic_write_text

__all__ = ["Metric", "read_metrics", "record_split", "update_metrics"]

METRICS = "metrics.json"
PREDICTIONS = "predictions.jsonl"


@dataclass(frozen=True)
class Metric:
    """A measured value.

    Attributes:
        value: rates are fractions.
        split: the data it was measured on.
        epoch: counted from 1; None where it belongs to none.
        low: lower end of the 95 % interval, where there is one.
        high: upper end of the 95 % interval, where there is one.
    """

    value: float
    split: str
    epoch: int | None = None
    low: float | None = None
    high: float | None = None


def read_metrics(run_dir: str | Path) -> dict[str, Metric]:
    """Return the metrics of a run folder by name; none where nothing was measured yet.

    Raises:
        DataError: the file is damaged.
    """
    path = Path(run_dir) / METRICS
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: Metric(**fields) for name, fields in content.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is damaged: {error}.", "Delete it and evaluate again.") from error


def update_metrics(run_dir: str | Path, metrics: Mapping[str, Metric]) -> None:
    """Add metrics to a run folder, replacing those of the same name."""
    merged = read_metrics(run_dir) | dict(metrics)
    content = {
        name: {k: v for k, v in asdict(m).items() if v is not None}
        for name, m in sorted(merged.items())
    }
    atomic_write_text(Path(run_dir) / METRICS, json.dumps(content, indent=1) + "\n")


def record_split(
    run_dir: Path,
    split: str,
    figures: Mapping[str, float],
    rows: Iterable[Mapping[str, Any]] | None = None,
) -> None:
    """Add a split's figures to ``metrics.json``, and write ``SPLIT/predictions.jsonl``.

    Args:
        run_dir: the run folder.
        split: name of the split.
        figures: by name, without the split.
        rows: one a prediction; None writes no file.
    """
    if rows is not None:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows]
        atomic_write_text(run_dir / split / PREDICTIONS, "".join(lines))
    metrics = {f"{split}/{key}": Metric(value, split) for key, value in figures.items()}
    update_metrics(run_dir, metrics)

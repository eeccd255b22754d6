"""Figures and predictions of an evaluated split, in the run folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from asr.files import atomic_write_text
from asr.run_folder import Metric, update_metrics

__all__ = ["record_split"]


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
        atomic_write_text(run_dir / split / "predictions.jsonl", "".join(lines))
    metrics = {f"{split}/{key}": Metric(value, split) for key, value in figures.items()}
    update_metrics(run_dir, metrics)

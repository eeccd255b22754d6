"""F1 of marks and capitals, word by word.  Legend: N words."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asr.language.punctuation.marks import MARKS, SHAPES

__all__ = ["FIGURES", "mark_figures"]

FIGURES = ("comma", "full_stop", "question", "capital")
Ints = npt.NDArray[Any]


def mark_figures(
    marks: Ints, shapes: Ints, predicted_marks: Ints, predicted_shapes: Ints
) -> dict[str, float]:
    """Return F1 of comma, full stop, question mark and capitals, and their mean; each 0 to 1.

    A capital is any shape but lower. ``error`` is 1 - the mean.

    Args:
        marks: (N,) true classes.
        shapes: (N,) true classes.
        predicted_marks: (N,).
        predicted_shapes: (N,).
    """
    pairs = [
        (marks == number, predicted_marks == number) for number, mark in enumerate(MARKS) if mark
    ]
    lower = SHAPES.index("lower")
    pairs.append((shapes != lower, predicted_shapes != lower))
    f1 = {name: _f1(*pair) for name, pair in zip(FIGURES, pairs, strict=True)}
    mean = float(np.mean(list(f1.values())))
    return {"error": 1 - mean, "macro_f1": mean} | f1


def _f1(truth: Ints, predicted: Ints) -> float:
    hits = int((truth & predicted).sum())
    return 2 * hits / max(1, int(truth.sum()) + int(predicted.sum()))

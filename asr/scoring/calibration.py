"""How far confidences can be trusted: of words of a confidence of 0.9, nine in ten should be right.

The expected calibration error is the mean, over the words, of the difference between the confidence
and the share of right words in the same tenth of confidences (Guo et al. 2017, "On Calibration of
Modern Neural Networks").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Calibration", "ConfidenceBin", "calibrate"]

BINS = 10


@dataclass(frozen=True)
class ConfidenceBin:
    """Words of similar confidence.

    Attributes:
        low: least confidence of the bin, 0 to 1.
        high: the greatest.
        words: how many.
        confidence: their mean confidence; 0 where there are none.
        right: share of them that is right; 0 where there are none.
    """

    low: float
    high: float
    words: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """Confidences beside what was right.

    Attributes:
        words: how many.
        confidence: mean, 0 to 1.
        right: share that is right.
        error: expected calibration error, 0 to 1.
        bins: of equal width, the lowest first.
    """

    words: int
    confidence: float
    right: float
    error: float
    bins: tuple[ConfidenceBin, ...]


def calibrate(
    confidences: Sequence[float] | npt.NDArray[np.float64],
    right: Sequence[bool] | npt.NDArray[np.bool_],
    bins: int = BINS,
) -> Calibration:
    """Return how well confidences fit what was right.

    Args:
        confidences: of each word, 0 to 1.
        right: whether each word is right.
        bins: of equal width.

    Example:
        >>> round(calibrate([0.9, 0.9, 0.8, 0.2], [True, True, False, False]).error, 3)
        0.3
    """
    values = np.asarray(confidences, np.float64)
    hits = np.asarray(right, np.float64)
    places = np.minimum((values * bins).astype(np.int64), bins - 1)
    made, error = [], 0.0
    for place in range(bins):
        inside = places == place
        words = int(inside.sum())
        sure = float(values[inside].mean()) if words else 0.0
        share = float(hits[inside].mean()) if words else 0.0
        error += words * abs(sure - share)
        made.append(ConfidenceBin(place / bins, (place + 1) / bins, words, sure, share))
    total = len(values)
    if not total:
        return Calibration(0, 0.0, 0.0, 0.0, tuple(made))
    return Calibration(total, float(values.mean()), float(hits.mean()), error / total, tuple(made))

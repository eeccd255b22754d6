"""Figures of a forecast. Legend: W windows, h horizon."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import DataError

__all__ = [
    "Accuracy",
    "DirectionAccuracy",
    "coverage",
    "direction_accuracy",
    "measure",
    "naive_error",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Accuracy:
    """Errors over all windows and steps, in the units of the values given.

    Attributes:
        mae: mean absolute error.
        mse: mean squared error.
        r2: coefficient of determination; NaN where the truth is constant.
        mase: mean absolute error over the naive error of the training part; NaN where that was not
            given.
    """

    mae: float
    mse: float
    r2: float
    mase: float

    def as_dict(self) -> dict[str, float]:
        """Return the figures by name."""
        return asdict(self)


def measure(truth: Floats, forecast: Floats, naive: Floats | float = math.nan) -> Accuracy:
    """Return the figures of forecasts (..., h) against the truth (..., h).

    Args:
        truth: values.
        forecast: of the same shape.
        naive: :func:`naive_error` of each series, in a shape that broadcasts to the forecasts.
    """
    error = np.asarray(truth, np.float64) - forecast
    spread = float(np.square(truth - np.mean(truth)).mean())
    mse = float(np.square(error).mean())
    r2 = 1 - mse / spread if spread > 0 else math.nan
    return Accuracy(float(np.abs(error).mean()), mse, r2, float((np.abs(error) / naive).mean()))


def naive_error(training: Floats, season: int = 1) -> float:
    """Return the mean absolute error of the seasonal naive forecast within the training part (n,).

    It is what MASE divides by (Hyndman & Koehler 2006, section 3).
    """
    season = season if season < len(training) else 1
    return float(np.abs(training[season:] - training[:-season]).mean())


def coverage(truth: Floats, low: Floats, high: Floats) -> float:
    """Return the share of the truth that lies within its interval."""
    return float(((truth >= low) & (truth <= high)).mean())


@dataclass(frozen=True)
class DirectionAccuracy:
    """How often the sign of a change was right.

    Attributes:
        value: share.
        low: 95 % interval (Wilson 1927).
        high: 95 % interval (Wilson 1927).
        count: changes judged; those of zero are left out.
        always_up: share that the forecast "up" alone gets right.
    """

    value: float
    low: float
    high: float
    count: int
    always_up: float


def direction_accuracy(change: Floats, predicted: Floats) -> DirectionAccuracy:
    """Return how often ``predicted`` (n,) has the sign of ``change`` (n,).

    Neighbouring forecasts must not overlap, or the interval is too narrow: judge one step ahead, or
    every h-th origin.

    Raises:
        DataError: no change is other than zero.
    """
    moved = change != 0
    count = int(moved.sum())
    if not count:
        raise DataError("No change to judge: the series never moves.", "Give a series that moves.")
    right = np.sign(change[moved]) == np.sign(predicted[moved])
    value, z = float(right.mean()), 1.959964
    middle = (value + z * z / (2 * count)) / (1 + z * z / count)
    variance = value * (1 - value) / count + z * z / (4 * count * count)
    half = z / (1 + z * z / count) * math.sqrt(variance)
    return DirectionAccuracy(
        value=value,
        low=middle - half,
        high=middle + half,
        count=count,
        always_up=float((change[moved] > 0).mean()),
    )

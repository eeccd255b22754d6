"""Scales that are fitted on the training part alone and saved with the model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.config import check_choice
from asr.errors import DataError

__all__ = ["SCALERS", "Scaler", "grows_with_level"]

SCALERS = ("zscore", "minmax", "none")


@dataclass(frozen=True)
class Scaler:
    """Scaling by ``(value - offset) / spread``.

    Attributes:
        offset: what is subtracted.
        spread: what is divided by.
        log: take the logarithm first.
    """

    offset: float
    spread: float
    log: bool = False

    @classmethod
    def fit(
        cls, values: npt.NDArray[np.float64], kind: str, name: str, log: bool = False
    ) -> Scaler:
        """Return the scale of the training part ``values`` (n,).

        Args:
            values: finite numbers.
            kind: ``zscore``, ``minmax`` or ``none``.
            name: of the series or column, for errors.
            log: take logarithms first.

        Raises:
            DataError: the values are all the same, or not positive where logarithms are wanted.
        """
        check_choice("scaling", kind, SCALERS)
        if log and values.min() <= 0:
            raise DataError(
                f"{name} holds values that are not positive; they have no logarithm.",
                "Set log to false.",
            )
        if np.ptp(values) == 0:
            raise DataError(
                f"{name} is constant ({values[0]:g} throughout the training part); nothing can be "
                "learned from it.",
                "Leave it out.",
            )
        values = np.log(values) if log else values
        if kind == "none":
            return cls(0.0, 1.0, log)
        if kind == "minmax":
            return cls(float(values.min()), float(np.ptp(values)), log)
        return cls(float(values.mean()), float(values.std()), log)

    def apply(self, values: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float32]:
        """Return scaled values.

        Raises:
            DataError: the scale is logarithmic and a value is not positive.
        """
        if self.log and len(values) and values.min() <= 0:
            raise DataError(
                f"{name} holds values that are not positive; they have no logarithm.",
                "Mend the data.",
            )
        values = np.log(values) if self.log else values
        return ((values - self.offset) / self.spread).astype(np.float32)

    def invert(self, scaled: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Return the values that scaled ones stand for."""
        values = np.asarray(scaled, np.float64) * self.spread + self.offset
        return np.exp(values) if self.log else values


def grows_with_level(values: npt.NDArray[np.float64], season: int) -> bool:
    """Return whether a positive series swings more where it is higher, so that logarithms help.

    Mean changes and levels of its seasons are compared on a logarithmic scale: a slope above one
    half, over levels that differ by half or more (after Guerrero 1993).

    Args:
        values: (n,).
        season: period in steps.
    """
    size = max(season, 8)
    if len(values) < 4 * size or values.min() <= 0:
        return False
    parts = [values[at : at + size] for at in range(len(values) % size, len(values), size)]
    levels = np.array([part.mean() for part in parts])
    swings = np.array([np.abs(np.diff(part)).mean() for part in parts])
    if levels.max() < 1.5 * levels.min() or swings.min() <= 0:
        return False
    slope, _ = np.polyfit(np.log(levels), np.log(swings), 1)
    return bool(slope > 0.5)

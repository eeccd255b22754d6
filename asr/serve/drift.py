"""Drift monitor: compares the recent mean of a signal with its mean over the first requests."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

__all__ = ["DriftMonitor"]


@dataclass
class _Sums:
    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.squares += value * value


class DriftMonitor:
    """One signal of one model, such as the confidence of its transcripts.

    The first ``window`` values are the baseline. From another ``window`` on, the mean of the last
    ``window`` values must stay within ``sigma`` standard errors of the baseline's (two-sample z
    test).

    Args:
        window: number of values.
        sigma: difference of the means that raises an alarm, in standard errors.
        least: added to the standard error, so that a constant baseline tolerates small changes.

    Attributes:
        alarm: whether the means differ by more.

    Example:
        >>> monitor = DriftMonitor(window=50)
        >>> any(monitor.add(0.9 + 0.001 * (n % 7)) for n in range(200))
        False
        >>> any(monitor.add(0.4) for n in range(50))
        True
    """

    def __init__(self, window: int = 200, sigma: float = 5.0, least: float = 1e-3) -> None:
        self.window, self.sigma, self.least = window, sigma, least
        self.alarm = False
        self._baseline = _Sums()
        self._recent: deque[float] = deque(maxlen=window)

    def add(self, value: float) -> bool:
        """Add a value; return :attr:`alarm`."""
        if self._baseline.count < self.window:
            self._baseline.add(value)
            return self.alarm
        self._recent.append(value)
        if len(self._recent) == self.window:
            self.alarm = abs(self.score()) > self.sigma
        return self.alarm

    def score(self) -> float:
        """Return by how many standard errors the recent mean is above the baseline's.

        It is 0 until there are enough values.
        """
        if len(self._recent) < self.window:
            return 0.0
        first = self._baseline
        mean = first.total / first.count
        variance = max(0.0, first.squares / first.count - mean * mean)
        recent = sum(self._recent) / self.window
        recent_variance = sum((value - recent) ** 2 for value in self._recent) / self.window
        error = math.sqrt(variance / first.count + recent_variance / self.window) + self.least
        return (recent - mean) / error

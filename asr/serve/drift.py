"""Alarms on what changes slowly: the recent mean of a signal against its mean in the model's first
requests.
"""

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

    The first ``window`` values are what is normal; after another ``window`` the mean of the last
    ``window`` must stay within ``sigma`` standard errors of theirs (a two-sample z test).

    Attributes:
        alarm: whether it does not.

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
        self._normal = _Sums()
        self._recent: deque[float] = deque(maxlen=window)

    def add(self, value: float) -> bool:
        """Take a value; return :attr:`alarm`."""
        if self._normal.count < self.window:
            self._normal.add(value)
            return self.alarm
        self._recent.append(value)
        if len(self._recent) == self.window:
            self.alarm = abs(self.score()) > self.sigma
        return self.alarm

    def score(self) -> float:
        """Return by how many standard errors the recent mean is above the normal one; 0 before
        there are enough.
        """
        if len(self._recent) < self.window:
            return 0.0
        n, m = self._normal, self.window
        mean = n.total / n.count
        recent = sum(self._recent) / m
        spread = max(0.0, n.squares / n.count - mean * mean)
        recent_spread = sum((v - recent) ** 2 for v in self._recent) / m
        error = math.sqrt(spread / n.count + recent_spread / m) + self.least
        return (recent - mean) / error

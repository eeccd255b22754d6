"""Progress bar of a preparation, with its speed, on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from asr.progress import ProgressBar

__all__ = ["PreparationBar"]


class PreparationBar:
    """Progress bar on a terminal, and one summary line at the end.

    Args:
        name: name of the split.
        total: number of utterances.
        what: what is computed, for the summary line.
    """

    def __init__(self, name: str, total: int, what: str = "features") -> None:
        self.name, self.what, self.seconds, self.started = name, what, 0.0, time.monotonic()
        self.bar = ProgressBar(name, total)

    def __enter__(self) -> PreparationBar:
        self.bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.__exit__()
        if kind is None:
            hours = self.seconds / 3600
            print(f"{self.name}: {hours:.2f} h of {self.what}, {self._speed()}", file=sys.stderr)

    def advance(self, utterances: int, seconds: float) -> None:
        """Count utterances and seconds of audio as done."""
        self.seconds += seconds
        self.bar.advance(utterances, status=self._speed())

    def _speed(self) -> str:
        return f"{self.seconds / max(1e-9, time.monotonic() - self.started):.0f}x real time"

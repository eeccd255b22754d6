"""The progress bar of a preparation, with its real-time factor, on standard error."""

from __future__ import annotations

import sys
import time
from types import TracebackType

__all__ = ["PreparationBar"]


class PreparationBar:
    """Shows what is done on a terminal, and one line at the end anywhere.

    Args:
        name: of the split.
        total: utterances.
        what: comes of them.
    """

    def __init__(self, name: str, total: int, what: str = "features") -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self.name, self.what, self.seconds, self.started = name, what, 0.0, time.monotonic()
        console = Console(file=sys.stderr)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task(name, total=total, rate="")

    def __enter__(self) -> PreparationBar:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()
        if kind is None:
            print(
                f"{self.name}: {self.seconds / 3600:.2f} h of {self.what}, {self._rate()}",
                file=sys.stderr,
            )

    def advance(self, utterances: int, seconds: float) -> None:
        """Count utterances and seconds of audio as done."""
        self.seconds += seconds
        self.bar.update(self.task, advance=utterances, rate=self._rate())

    def _rate(self) -> str:
        return f"{self.seconds / max(1e-9, time.monotonic() - self.started):.0f}x real time"

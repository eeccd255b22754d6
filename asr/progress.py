"""The one progress bar: on standard error, and only where that is a terminal."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from typing import Any

__all__ = ["ProgressBar"]


class ProgressBar(AbstractContextManager["ProgressBar"]):
    """Bar with a count of items, a status text and the time left; it goes away at the end.

    Where nobody watches, nothing is shown and rich is not imported (a tenth of a second).

    Args:
        what: is being done, or the name of the present item.
        total: items.
        done: of them before.
        enabled: False shows nothing, terminal or not.

    Example:
        >>> with ProgressBar("transcribing", total=2) as bar:
        ...     bar.advance(1, status="40x real time")
    """

    def __init__(self, what: str, total: int, done: int = 0, enabled: bool = True) -> None:
        self.bar: Any = None  # rich's, where somebody watches
        self.row: Any = None
        if not (enabled and sys.stderr.isatty()):
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            TimeRemainingColumn(),
        )
        console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self.bar = Progress(*columns, console=console, transient=True)
        self.restart(what, total, done)

    def __enter__(self) -> ProgressBar:
        if self.bar is not None:
            self.bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def restart(self, what: str, total: int, done: int = 0) -> None:
        """Begin anew, such as for the next epoch."""
        if self.bar is None:
            return
        if self.row is not None:
            self.bar.remove_task(self.row)
        self.row = self.bar.add_task(what, total=total, completed=done, status="")

    def advance(self, items: int = 1, what: str | None = None, status: str | None = None) -> None:
        """Count items, and change the texts that are given."""
        if self.bar is None:
            return
        changed = {} if what is None else {"description": what}
        if status is not None:
            changed["status"] = status
        self.bar.update(self.row, advance=items, **changed)

    def print(self, text: str) -> None:
        """Write a line to standard error, above the bar where there is one."""
        if self.bar is None:
            print(text, file=sys.stderr, flush=True)
        else:
            self.bar.console.print(text, markup=False)

    def write(self, text: str, end: str = "\n") -> None:
        """Write to standard output; a bar on the same terminal makes way."""
        if self.bar is None or not sys.stdout.isatty():
            print(text, end=end, flush=True)
            return
        self.bar.stop()
        print(text, end=end, flush=True)
        self.bar.start()

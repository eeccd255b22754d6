"""What a job on a cluster shows while it runs."""

from __future__ import annotations

import sys

__all__ = ["Bar"]


class Bar:
    """Items done, on a terminal; silent where nobody watches.

    Args:
        what: is being done.
        total: items.
        done: of them before.
    """

    def __init__(self, what: str, total: int, done: int = 0) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(file=sys.stderr)
        columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(
            *columns, console=console, transient=True, disable=not console.is_terminal
        )
        self.row = self.progress.add_task("", total=total, completed=done)

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.progress.stop()

    def advance(self, items: int) -> None:
        """Count items."""
        self.progress.update(self.row, advance=items)

"""Somebody who looks on while a training goes: told the dev figures after every epoch, free to end
it by raising.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Watcher", "epoch_ended", "watched_by"]

Watcher = Callable[
    [int, dict[str, float], str], None
]  # epochs done, figures, name of the one that decides (lower better)

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched_by(watcher: Watcher) -> Iterator[None]:
    """Tell ``watcher`` of every epoch that ends in this block; what it raises ends the training,
    checkpoint kept.
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def epoch_ended(epoch: int, figures: dict[str, float], monitor: str) -> None:
    """Tell whoever looks on."""
    if (watcher := _watcher.get()) is not None:
        watcher(epoch, figures, monitor)

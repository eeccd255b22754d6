"""Epoch callback: gets the dev figures after every epoch, and may stop the training by raising."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["EpochCallback", "call_after_epochs", "epoch_ended"]

# (epochs done, dev figures by name, name of the figure that decides: lower is better)
EpochCallback = Callable[[int, dict[str, float], str], None]

_callback: ContextVar[EpochCallback | None] = ContextVar("callback", default=None)


@contextmanager
def call_after_epochs(callback: EpochCallback) -> Iterator[None]:
    """Call ``callback`` after every epoch that ends in this block.

    What it raises stops the training after the checkpoint was written. A context variable carries
    it to the loop, past the functions of the task that read data and build the network.
    """
    token = _callback.set(callback)
    try:
        yield
    finally:
        _callback.reset(token)


def epoch_ended(epoch: int, figures: dict[str, float], monitor: str) -> None:
    """Call the callback, where there is one."""
    if (callback := _callback.get()) is not None:
        callback(epoch, figures, monitor)

"""Long text in windows with overlap, of which the middle is kept.  Legend: N words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Window", "windows"]

LENGTH = 200  # words of a window, the longest of training
MARGIN = 30  # words at an inner border that are only context


@dataclass(frozen=True)
class Window:
    """A stretch of words.

    Attributes:
        start: first word.
        end: past the last word.
        keep_start: first word whose label is taken from here.
        keep_end: past the last such word.
    """

    start: int
    end: int
    keep_start: int
    keep_end: int


def windows(count: int, length: int = LENGTH, margin: int = MARGIN) -> Iterator[Window]:
    """Yield windows of ``count`` words, whose kept parts cover each word once, in order."""
    start = kept = 0
    while kept < count:
        end = min(start + length, count)
        keep_end = end if end == count else end - margin
        yield Window(start, end, kept, keep_end)
        kept, start = keep_end, keep_end - margin

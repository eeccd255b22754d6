"""Split long texts into parts that a model can take, at ends of sentences or words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

__all__ = ["split_long"]

_SENTENCE_ENDS = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")


def split_long(text: str, length: Callable[[str], int], longest: int) -> list[str]:
    """Split a text into parts of at most ``longest``.

    A text that is short enough stays whole. A longer one is split at ends of sentences, a longer
    sentence between words, and a longer word between letters.

    Args:
        text: any.
        length: (part) -> its length, such as its number of pieces; two parts together must not be
            longer than their sum.
        longest: at least 1; a single letter may exceed it.

    Example:
        >>> split_long("One two. Three four five. Six.", lambda part: len(part.split()), 3)
        ['One two.', 'Three four five.', 'Six.']
    """
    if length(text) <= longest:
        return [text]
    return [
        unit
        for sentence in _SENTENCE_ENDS.split(text)
        for unit in _fitting(sentence, length, longest)
    ]


def _fitting(text: str, length: Callable[[str], int], longest: int) -> Iterator[str]:
    """Yield parts of a sentence or word, each short enough."""
    if not text.strip():
        return
    if length(text) <= longest or len(text) == 1:
        yield text
        return
    words = text.split()
    if len(words) > 1:
        yield from _joined(
            [u for word in words for u in _fitting(word, length, longest)], length, longest
        )
        return
    middle = len(text) // 2
    yield from _fitting(text[:middle], length, longest)
    yield from _fitting(text[middle:], length, longest)


def _joined(units: list[str], length: Callable[[str], int], longest: int) -> Iterator[str]:
    """Join neighbouring words as long as the part stays short enough."""
    part, total = "", 0
    for unit in units:
        size = length(unit)
        if part and total + size > longest:
            yield part
            part, total = "", 0
        part, total = f"{part} {unit}" if part else unit, total + size
    if part:
        yield part

"""Inner loops of the compact form of a model, see asr/lm/compact.py.

A number is a symbol and some bits: the symbol says how many bits follow and what the four highest
bits of the number are, so numbers below 16 are symbols alone. Symbols have few values, some of them
frequent, and are worth compressing; the bits behind them are noise, and are packed as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

__all__ = [
    "group_families",
    "join_numbers",
    "measure_numbers",
    "split_numbers",
    "sum_gaps",
    "ungroup",
]

_PLAIN = 16  # numbers below are their own symbols; to a symbol s above belong (s - 8) // 8 bits

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


@kernel(inline="always")
def _width(number: int) -> int:
    """How many bits follow the symbol of a number."""
    width = 0
    while number >> width >= _PLAIN:
        width += 1
    return width


@kernel(_nrt=False)
def measure_numbers(numbers: I32) -> int:
    """How many bits follow all symbols together."""
    total = 0
    for i in range(len(numbers)):
        total += _width(np.int64(numbers[i]))
    return total


@kernel(_nrt=False)
def split_numbers(numbers: I32, symbols: U8, bits: U8) -> None:
    """Write the symbol of each number, and the bits that follow, lowest first."""
    held, used, place = np.uint64(0), 0, 0
    for i in range(len(numbers)):
        number = np.int64(numbers[i])
        width = _width(number)
        symbols[i] = 8 * width + (number >> width)
        held |= np.uint64(number & ((1 << width) - 1)) << np.uint64(used)
        used += width
        while used >= 8:
            bits[place] = held & np.uint64(255)
            held >>= np.uint64(8)
            used -= 8
            place += 1
    if used > 0:
        bits[place] = held


@kernel(_nrt=False)
def join_numbers(symbols: U8, bits: U8, numbers: I32) -> bool:
    """Undo ``split_numbers``; False where the bits are not as many as the symbols ask for."""
    held, used, place = np.uint64(0), 0, 0
    for i in range(len(symbols)):
        symbol = np.int64(symbols[i])
        if symbol < _PLAIN:
            numbers[i] = symbol
            continue
        width = (symbol - 8) >> 3
        while used < width:
            if place == len(bits):
                return False
            held |= np.uint64(bits[place]) << np.uint64(used)
            place += 1
            used += 8
        low = np.int64(held & ((np.uint64(1) << np.uint64(width)) - np.uint64(1)))
        numbers[i] = ((symbol - 8 * width) << width) | low
        held >>= np.uint64(width)
        used -= width
    return place == len(bits)


@kernel(_nrt=False)
def group_families(first_child: I64, groups: U8) -> None:
    """Write the group of each n-gram: those whose contexts have about as many n-grams (to a power
    of two) share one, but the first n-grams of contexts are apart.

    ``first_child`` (contexts + 1,) are the places of contexts' first n-grams, from 0.
    """
    for context in range(len(first_child) - 1):
        first, end = first_child[context], first_child[context + 1]
        width = 0
        while (end - first) >> width > 0:
            width += 1
        for child in range(first, end):
            groups[child] = 2 * width + (child == first)


@kernel(_nrt=False)
def ungroup(values: npt.NDArray[Any], groups: U8, following: I64, out: npt.NDArray[Any]) -> None:
    """Undo the grouping of values: those of group 0 come first, then those of group 1, and so on,
    each group's in the order of its places in ``groups``.

    ``following`` (257,) are zeros: room to count.
    """
    for place in range(len(groups)):
        following[groups[place] + 1] += 1
    for group in range(1, 257):
        following[group] += following[group - 1]
    for place in range(len(groups)):
        group = np.int64(groups[place])
        out[place] = values[following[group]]
        following[group] += 1


@kernel(_nrt=False)
def sum_gaps(first_child: I64, gaps: I32, limit: int, words: I32) -> bool:
    """Last words of the children of each context from the gaps between them.

    Returns False if one reaches ``limit``. ``first_child`` (contexts + 1,) counts from 0.
    """
    for context in range(len(first_child) - 1):
        word = np.int64(-1)
        for child in range(first_child[context], first_child[context + 1]):
            word += np.int64(gaps[child]) + 1
            if word >= limit:
                return False
            words[child] = word
    return True

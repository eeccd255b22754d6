"""Inputs that are mutated at random, with a seed: what every reader is tried with.

``ASR_FUZZ=N`` makes a test try N inputs a reader instead of a few.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np

FEW = 60
NUMBERS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x7FFFF000)


def tries(few: int = FEW) -> int:
    """Return how many inputs a test tries."""
    return int(os.environ.get("ASR_FUZZ", few))


def mutations(seeds: Sequence[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield ``count`` damaged versions of valid inputs, the same for the same seed."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        data = bytearray(seeds[number % len(seeds)])
        for _ in range(int(rng.integers(1, 5))):
            data = _mutated(data, seeds, rng)
        yield bytes(data)


def _mutated(data: bytearray, seeds: Sequence[bytes], rng: np.random.Generator) -> bytearray:
    if not data:
        return bytearray(rng.bytes(int(rng.integers(0, 64))))
    # headers are short and decide most: half of the damage is done to them
    reach = min(len(data), 128) if rng.random() < 0.5 else len(data)
    first = int(rng.integers(reach))
    last = min(len(data), first + int(rng.integers(1, 64)))
    kind = int(rng.integers(9))
    if kind == 0:  # bits
        for place in rng.integers(first, last, 4).tolist():
            data[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:  # bytes
        data[first:last] = rng.bytes(last - first)
    elif kind == 2:
        data[first:last] = bytes(last - first)
    elif kind == 3:  # lost
        del data[first:last]
    elif kind == 4:  # twice
        data[first:first] = data[first:last]
    elif kind == 5:  # cut off
        del data[first:]
    elif kind == 6:  # numbers that matter
        number = int(rng.choice(NUMBERS))
        order = ("little", "big")[int(rng.integers(2))]
        size = (2, 4)[int(rng.integers(2))]
        data[first : first + size] = (number % 256**size).to_bytes(size, order)  # type: ignore[arg-type]
    elif kind == 7:  # of another input
        other = seeds[int(rng.integers(len(seeds)))]
        data[first:last] = other[first:last]
    else:  # another input behind it
        data += seeds[int(rng.integers(len(seeds)))][: int(rng.integers(1, 4000))]
    return data

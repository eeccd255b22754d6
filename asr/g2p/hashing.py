"""Features as places in a table: a feature is a hash of what it says.

Source: Weinberger et al. 2009, "Feature Hashing for Large Scale Multitask Learning".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

I32 = npt.NDArray[np.int32]
U32 = npt.NDArray[np.uint32]

BITS = 22  # of the table: 2 ** 22 places
OUTSIDE = -1  # before the first and after the last letter, phone and chunk


@kernel(error_model="numpy", _nrt=False, inline="always")
def mixed(h: int, x: int) -> int:
    """Return a hash of what was hashed before and a number."""
    y = (np.uint64(h) ^ np.uint64(np.int64(x) + 2)) * np.uint64(0x9E3779B97F4A7C15)
    return y ^ (y >> np.uint64(29))


@kernel(error_model="numpy", _nrt=False, inline="always")
def add(h: int, out: U32, count: int) -> int:
    """Write the place of a hash behind ``count`` others; return how many there are."""
    out[count] = np.uint32((h * np.uint64(0xD6E8FEB86659FD93)) >> np.uint64(64 - BITS))
    return count + 1


@kernel(error_model="numpy", _nrt=False, inline="always")
def letter_at(word: I32, i: int) -> int:
    """Return a letter, or what stands outside of the word."""
    return np.int64(word[i]) if 0 <= i < len(word) else np.int64(OUTSIDE)

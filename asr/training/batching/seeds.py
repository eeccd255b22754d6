"""Random seeds from keys such as (seed, epoch, position)."""

from __future__ import annotations

import hashlib

__all__ = ["keyed_seed"]


def keyed_seed(*key: int | str) -> int:
    """Return a 63-bit seed that depends on ``key`` alone, the same on every machine."""
    return (
        int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "little") >> 1
    )

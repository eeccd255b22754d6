"""What a compiled function is given: its arguments as one array of 64-bit slots, and their types.

A number takes one slot. An array takes 5 + 2 d, as numba lays it out: two empty ones (who owns the
memory), how many items, bytes of an item, address, then d lengths and d strides. A tuple takes
those of its items, one after the other.

The types are a string, such as ``f,i42C,(b,f81C)``: a Python float, an array of 4-byte integers
with two axes, and a tuple of a bool and an array of doubles. Arrays are contiguous and aligned,
those that can be written to (C) and others (R); code for any other is not compiled ahead of time.
"""

from __future__ import annotations

import struct
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["flatten", "unpack"]

_DOUBLE, _INTEGER = struct.Struct("<d"), struct.Struct("<q")
_KNOWN: dict[int, tuple[Any, list[int], str]] = {}  # of named tuples, by their identity
_MOST_KNOWN = 256
_OTHER = "?"  # a type that no compiled function takes


def flatten(values: Sequence[Any], slots: list[int]) -> str:
    """Append the slots of arguments, and return their types."""
    return ",".join([_flatten(value, slots) for value in values])


def _flatten(value: Any, slots: list[int]) -> str:
    if isinstance(value, np.ndarray):
        return _array(value, slots)
    if isinstance(value, tuple):
        return _named(value, slots) if hasattr(value, "_fields") else f"({flatten(value, slots)})"
    if isinstance(value, (bool, np.bool_)):
        slots.append(int(value))
        return "b"
    if isinstance(value, (int, np.int64)):
        slots.append(int(value))
        return "i"
    if isinstance(value, float):  # numpy's float64 is one
        slots += _INTEGER.unpack(_DOUBLE.pack(value))
        return "f"
    return _OTHER


def _named(value: Any, slots: list[int]) -> str:
    """Append the slots of a named tuple. They are kept: a search gives the same ones in each call,
    and to ask forty arrays for their addresses takes longer than many a kernel.
    """
    known = _KNOWN.get(id(value))
    if known is None or not _is_same(value, known[0]):
        own: list[int] = []
        types = f"({flatten(value, own)})"
        known = _kept(value), own, types
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[id(value)] = known
    slots += known[1]
    return known[2]


def _kept(value: Any) -> Any:
    """Return what tells later whether a value is still the same, without holding its arrays."""
    if isinstance(value, tuple):
        return tuple(map(_kept, value))
    return weakref.ref(value) if isinstance(value, np.ndarray) else value


def _is_same(value: Any, kept: Any) -> bool:
    if isinstance(kept, tuple):
        return len(value) == len(kept) and all(map(_is_same, value, kept))
    return (kept() if isinstance(kept, weakref.ref) else kept) is value


def _array(value: Any, slots: list[int]) -> str:
    flags = value.flags
    layout = "C" if flags.carray else "R" if flags.c_contiguous and flags.aligned else _OTHER
    slots += (0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides)
    return f"{value.dtype.str[1:]}{value.ndim}{layout}"


def unpack(kinds: str, slots: Sequence[int]) -> Any:
    """Return the result of a compiled function.

    Args:
        kinds: ``""`` for None, ``i``, ``u`` (unsigned), ``f``, ``b``, or a tuple of them, such as
            ``(if)``.
        slots: where it was written.
    """
    if not kinds:
        return None
    if kinds[0] == "(":
        return tuple(_unpacked(kind, slot) for kind, slot in zip(kinds[1:-1], slots, strict=False))
    return _unpacked(kinds, slots[0])


def _unpacked(kind: str, slot: int) -> int | float | bool:
    if kind == "f":
        return float(_DOUBLE.unpack(_INTEGER.pack(slot))[0])
    if kind == "b":
        return bool(slot & 1)
    return slot % 2**64 if kind == "u" else slot

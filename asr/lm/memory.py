"""Memory left for tables under a process limit."""

from __future__ import annotations

import contextlib
import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

from asr.errors import LanguageModelError
from asr.lm.storage import parse_memory

__all__ = ["available_memory"]

# Interpreter, libraries and compiled kernels, if the system does not report it.
_TYPICAL = 200 * 10**6
_BUFFERS = 80 * 10**6  # blocks of text being read and written
_M_MMAP_THRESHOLD = -3  # a constant of malloc.h
_SMALLEST = 100 * 10**6  # with less, memory held by the allocator would exceed the limit


def _resident() -> int:
    """Return the resident memory of this process in bytes."""
    try:
        import resource

        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (ImportError, OSError):
        return _TYPICAL


def _return_freed_memory() -> None:
    """Make glibc return every freed block of 1 MB or more; by default it keeps ever larger ones."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another system's allocator
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def available_memory(memory: str | int, load_kernels: Callable[[], object]) -> int:
    """Return the bytes left for tables if the whole process may use ``memory``.

    Args:
        memory: limit of the process, such as ``"2GB"``.
        load_kernels: called first, so that compiled code counts as used already.

    Raises:
        LanguageModelError: the limit is not a size, or too small for the program itself.
    """
    total = parse_memory(memory)
    _return_freed_memory()
    load_kernels()
    gc.collect()
    own = _resident() + _BUFFERS
    if total - own < _SMALLEST:
        raise LanguageModelError(
            f"A memory limit of {total / 1e6:.0f} MB is too small: the program itself takes "
            f"{own / 1e6:.0f} MB.",
            f"Give at least {(own + _SMALLEST) / 1e6:.0f}MB.",
        )
    return total - own

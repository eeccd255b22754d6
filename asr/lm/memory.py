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

_TYPICAL = (
    200 * 10**6
)  # interpreter, libraries and compiled kernels, where the system does not tell
_BUFFERS = 80 * 10**6  # blocks of text being read and written
_M_MMAP_THRESHOLD = -3  # of malloc.h
_SMALLEST = 100 * 10**6  # with less, what the allocator keeps would break the bound


def _resident() -> int:
    try:
        import resource

        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except (ImportError, OSError):
        return _TYPICAL


def _return_freed_memory() -> None:
    """Make glibc give back every freed block of 1 MB or more; by itself it keeps ever larger ones
    for later use.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another system's allocator
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def available_memory(memory: str | int, load_kernels: Callable[[], object]) -> int:
    """Return the bytes left for tables when this whole process may take ``memory``.

    Args:
        memory: limit of the process, such as ``"2GB"``.
        load_kernels: called first, so that compiled code counts as the program's own memory.

    Raises:
        LanguageModelError: the bound is no size, or too small for the program itself and a little
        room to work.
    """
    total = parse_memory(memory)
    _return_freed_memory()
    load_kernels()
    gc.collect()
    own = _resident() + _BUFFERS
    if total - own < _SMALLEST:
        raise LanguageModelError(
            f"A memory bound of {total / 1e6:.0f} MB is too small: the program itself takes "
            f"{own / 1e6:.0f} MB.",
            f"Give at least {(own + _SMALLEST) / 1e6:.0f}MB.",
        )
    return total - own

"""Compiled inner loops: numba's ``njit``, without Python's global lock, compiled once and then read
from disk.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

from numba import njit
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

__all__ = ["FAST", "kernel"]

# fastmath of loops that are to be vectorised; without "nnan", as what is not a number has to stay
# it
FAST = {"reassoc", "contract", "arcp", "nsz"}

_R = TypeVar("_R")


class _Cache(FunctionCache):  # type: ignore[misc,unused-ignore]
    """numba's cache of machine code, without the 0.2 s in which numba fills all its tables of
    functions to compile.

    Code that is read from disk needs none of them but the memory allocator; the compiler fills them
    by itself.
    """

    def load_overload(self, signature: Any, target: Any) -> Any:
        rtsys.initialize(target)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(signature, target)


@overload
def kernel(function: Callable[..., _R]) -> Callable[..., _R]: ...
@overload
def kernel(**options: Any) -> Callable[[Callable[..., _R]], Callable[..., _R]]: ...
def kernel(function: Any = None, **options: Any) -> Any:
    """Compile a function of numbers and numpy arrays when it is first called; ``options`` are those
    of ``numba.njit``.

    Example:
        >>> @kernel
        ... def total(values):
        ...     return values.sum()
    """
    if function is None:
        return partial(kernel, **options)
    compiled = njit(nogil=True, **options)(function)
    if hasattr(compiled, "enable_caching"):  # not with NUMBA_DISABLE_JIT=1
        compiled._cache = _Cache(function)
    return compiled

"""A kernel: a function of numbers and numpy arrays that runs as machine code."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial, update_wrapper
from typing import Any, TypeVar, overload

from asr.kernels.library import Entry, find

__all__ = ["FAST", "Kernel", "kernel"]

# fastmath flags that allow vectorised loops; "nnan" is not among them, so that NaN stays NaN
FAST = {"reassoc", "contract", "arcp", "nsz"}

_R = TypeVar("_R")


class Kernel:
    """A function that is compiled: ahead of time where the library has it, else on its first call.

    Args:
        function: of numbers, numpy arrays, and (named) tuples of them.
        options: of ``numba.njit``.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        update_wrapper(self, function)
        self._function, self._options = function, options

    @cached_property
    def dispatcher(self) -> Any:
        """What numba compiles; its import takes longer than most verbs need for all else."""
        from asr.kernels.jit import compiled, let_kernels_call

        let_kernels_call(Kernel)
        return compiled(self._function, self._options)

    @cached_property
    def _entry(self) -> Entry | None:
        return find(f"{self._function.__module__}.{self._function.__qualname__}")

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Run; arrays among the arguments may be written to."""
        if self._entry is not None and not named:
            fits, result = self._entry(arguments)
            if fits:
                return result
        return self.dispatcher(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        """Give numba the dispatcher's attributes, where another kernel calls this one."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dispatcher, name)


@overload
def kernel(function: Callable[..., _R]) -> Callable[..., _R]: ...
@overload
def kernel(**options: Any) -> Callable[[Callable[..., _R]], Callable[..., _R]]: ...
def kernel(function: Any = None, **options: Any) -> Any:
    """Compile a function of numbers and numpy arrays.

    Args:
        function: what to compile.
        options: of ``numba.njit``.

    Example:
        >>> @kernel
        ... def total(values):
        ...     return values.sum()
    """
    return partial(kernel, **options) if function is None else Kernel(function, options)

"""numba's compiler for kernels, with machine code cached on disk."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache, IndexDataCacheFile
from numba.core.runtime import rtsys
from numba.core.typing.typeof import typeof_impl

__all__ = ["compiled", "let_kernels_call"]


@cache
def let_kernels_call(kind: type) -> None:
    """Tell numba that objects of this type can be called in a kernel: they have a dispatcher."""
    typeof_impl.register(kind)(lambda value, context: typeof_impl(value.dispatcher, context))


class _LazyCache:
    """The cache of a kernel, opened when the kernel is first called.

    Most kernels are only called by other kernels, whose code contains theirs; to open a cache asks
    the file system whether its folder can be written.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    @cached_property
    def _opened(self) -> _Cache:
        return _Cache(self._function)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened, name)


@cache
def _folder_stamp(folder: Path) -> tuple[tuple[str, float, int], ...]:
    """Return name, time and size of every source file of a folder."""
    stats = ((path.name, path.stat()) for path in sorted(folder.glob("*.py")))
    return tuple((name, stat.st_mtime, stat.st_size) for name, stat in stats)


class _Cache(FunctionCache):  # type: ignore[misc,unused-ignore]
    """numba's cache of machine code, invalid once any source file of the folder has changed.

    numba itself checks the function's own file alone. But kernels call kernels of other files of
    their folder, whose code is compiled into theirs.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        locator = self._impl.locator
        stamp = locator.get_source_stamp()
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=(stamp, _folder_stamp(Path(function.__code__.co_filename).parent)),
        )

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Load machine code, without the 0.2 s in which numba sets up its compiler.

        Code from disk needs nothing of it but the memory allocator.
        """
        rtsys.initialize(target)
        with self._guard_against_spurious_io_errors():
            return self._load_overload(signature, target)


def compiled(function: Callable[..., Any], options: dict[str, Any]) -> Any:
    """Return numba's dispatcher of a function; with NUMBA_DISABLE_JIT=1 the function itself.

    The wrapper for C, which no kernel needs, would take as long to compile as a small kernel.

    Args:
        function: what to compile.
        options: of ``numba.njit``.
    """
    dispatcher = njit(nogil=True, no_cfunc_wrapper=True, **options)(function)
    if hasattr(dispatcher, "enable_caching"):  # not with NUMBA_DISABLE_JIT=1
        dispatcher._cache = _LazyCache(function)
    return dispatcher

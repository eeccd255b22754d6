"""Workers of a preparation: this process, processes of this machine, or a Ray cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from asr.errors import DataError

__all__ = ["Workers"]

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """A set of workers for one call of ``prepare``, whatever it has to do; none is started before
    two things are.

    Args:
        jobs: processes, 0 for all cores; 1 is this process, on one thread.
        ray: address of a cluster that does it instead, see :func:`asr.scale.cluster.connected`; all
            its machines see the same paths.

    Example:
        >>> with Workers(jobs=1) as workers:
        ...     list(workers.map(abs, [-1, 2]))
        [1, 2]
    """

    def __init__(self, jobs: int = 0, ray: str | None = None) -> None:
        self.jobs, self.ray = jobs, ray
        self.processes = jobs or os.cpu_count() or 1
        self._open = contextlib.ExitStack()
        self._pool: ProcessPoolExecutor | None = None
        self._connected = False

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def map(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """Yield what ``work`` makes of each item: in their order, or on a cluster as they are
        finished.

        Args:
            work: a function that processes can import, or a partial of one; it must bear to be done
                twice.

        Raises:
            DataError: a worker died. What ``work`` raises.
        """
        if self.ray is not None:
            yield from self._on_cluster(work, items)
        elif self.processes == 1 or len(items) < 2:
            yield from _here(work, items)
        else:
            yield from self._in_processes(work, items)

    def _in_processes(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.processes, _context(work), initializer=_start_worker
            )
            # After an error or an interruption, what is not yet begun is not begun.
            self._open.callback(self._pool.shutdown, wait=True, cancel_futures=True)
        try:
            yield from self._pool.map(work, items)
        except BrokenProcessPool as error:
            raise DataError(
                "A process of the preparation died, perhaps for want of memory.",
                "Run it again with fewer --jobs. A script of your own must call it under `if "
                "__name__ == '__main__':`.",
            ) from error

    def _on_cluster(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        from asr.scale.cluster import LostError, connected, run_pieces

        if not self._connected:
            self._open.enter_context(connected(str(self.ray), self.jobs))
            self._connected = True
        for _, done in run_pieces(partial(_remotely, work), [[item] for item in items]):
            if isinstance(done, LostError):
                raise DataError(
                    f"A shard cannot be prepared. {done}", "Run it again; the others are kept."
                )
            yield from done


def _context(work: Any) -> Any:
    """Processes are forked from one that has imported the work and done nothing: forked torch
    threads deadlock.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([getattr(work, "func", work).__module__])
    return context


def _here(work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    _use_one_thread()
    try:
        yield from map(work, items)
    finally:
        if torch:
            torch.set_num_threads(threads)


def _remotely(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    _use_one_thread()
    return [work(item) for item in items]


def _use_one_thread() -> None:
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


def _start_worker() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # of a torch that is imported later
    _use_one_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)  # it was killed, and nobody else will end us

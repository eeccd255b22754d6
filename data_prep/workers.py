"""Workers of a preparation: this process, local processes, or a Ray cluster."""

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

from asr.cores import usable_cores
from asr.errors import DataError

__all__ = ["Workers"]

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """Workers for one call of ``prepare``, started when there are at least two items.

    Args:
        jobs: processes, 0 for all cores; 1 is this process, on one thread.
        ray: address of a cluster to use instead, see :func:`asr.scale.cluster.connected`; all its
            machines must see the same paths.

    Example:
        >>> with Workers(jobs=1) as workers:
        ...     list(workers.map(abs, [-1, 2]))
        [1, 2]
    """

    def __init__(self, jobs: int = 0, ray: str | None = None) -> None:
        self.jobs, self.ray = jobs, ray
        self.processes = jobs or usable_cores()
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
        """Yield the result of ``work`` for each item, in order; on a cluster as they finish.

        Args:
            work: a function that processes can import, or a partial of one. It may be called twice
                on one item.
            items: its arguments.

        Raises:
            DataError: a worker died. Errors of ``work`` are raised too.
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
            # After an error or an interruption, items that have not begun are cancelled.
            self._open.callback(self._pool.shutdown, wait=True, cancel_futures=True)
        try:
            yield from self._pool.map(work, items)
        except BrokenProcessPool as error:
            raise DataError(
                "A process of the preparation died, perhaps because memory ran out.",
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
                    f"A shard cannot be prepared. {done}", "Run it again; complete shards are kept."
                )
            yield from done


def _context(work: Any) -> Any:
    """Return a context that forks idle processes: forking after torch's threads start deadlocks."""
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
    os.environ["OMP_NUM_THREADS"] = "1"  # if torch is imported later
    _use_one_thread()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles it
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)  # the parent was killed, so end this process too

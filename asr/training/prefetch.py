"""Prefetching: batches are made ahead by a thread, or by worker processes where they are work."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any

from asr.errors import TrainingError
from asr.training.batching.loader import BatchLoader

__all__ = ["BatchMaker"]

AHEAD = 2  # batches a process

_held: BatchLoader | None = None  # in a worker process: its loader


class BatchMaker:
    """Makes a loader's batches ahead of their use, and gives them in order.

    Args:
        loader: its batches are pure functions of (epoch, position), so that any process can make
            them.
        processes: workers; 0 for one thread in this process, which is enough to read stored
            features and starts at once.

    Example:
        >>> with BatchMaker(loader) as maker:  # doctest: +SKIP
        ...     for batch in maker.batches(epoch=0, start=0, stop=loader.num_batches(0)): ...
    """

    def __init__(self, loader: BatchLoader, processes: int = 0) -> None:
        self.loader = loader
        self.executor: Executor
        if processes:
            # spawn: a fork would copy torch's threads and CUDA's state
            context = multiprocessing.get_context("spawn")
            self.executor = ProcessPoolExecutor(processes, context, _hold, (loader,))
        else:
            self.executor = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self.processes, self.ahead = processes, max(1, AHEAD * processes)

    def __enter__(self) -> BatchMaker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.executor.shutdown(cancel_futures=True)

    def batches(self, epoch: int, start: int, stop: int) -> Iterator[Any]:
        """Yield the batches ``start`` to ``stop`` of an epoch.

        Raises:
            TrainingError: a process was killed, most often because memory ran out.
        """
        positions = iter(range(start, stop))
        waiting: deque[Future[Any]] = deque()
        try:
            for _, position in zip(range(self.ahead), positions, strict=False):
                waiting.append(self._submit(epoch, position))
            while waiting:
                batch = waiting.popleft().result()
                if (position := next(positions, -1)) >= 0:
                    waiting.append(self._submit(epoch, position))
                yield batch
        except BrokenProcessPool as error:
            raise TrainingError(
                "A process that makes batches was killed.",
                f"Use fewer than trainer.workers={self.processes}, or smaller batches; the run "
                "resumes from its last checkpoint.",
            ) from error
        finally:
            for future in waiting:
                future.cancel()

    def _submit(self, epoch: int, position: int) -> Future[Any]:
        if self.processes:
            return self.executor.submit(_load, epoch, position)
        return self.executor.submit(self.loader.load, epoch, position)


def _hold(loader: BatchLoader) -> None:
    import torch

    global _held
    _held = loader
    torch.set_num_threads(1)  # the processes share the cores among themselves


def _load(epoch: int, position: int) -> Any:
    assert _held is not None
    return _held.load(epoch, position)

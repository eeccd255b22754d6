"""Dynamic batching: recordings of different requests go through the network together.

A batch is the oldest recording that waits when the network becomes free, and others of similar
length. While the network is busy, the next batch gathers; an idle network waits for company at most
``max_wait_ms``. The beam search runs in threads of its own (it releases the interpreter lock), so
that the network can begin the next batch.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.serve.errors import Overloaded

__all__ = ["Batcher"]

Samples = npt.NDArray[np.float32]
# Longest to shortest recording of a batch: beyond this, padding costs more than batching saves.
MAX_SPREAD = 2.0


@dataclass
class _Job:
    samples: Samples
    finish: Callable[[Any], Any]
    arrived: float
    result: asyncio.Future[Any] = field(repr=False)


class Batcher:
    """The queue of one model.

    Args:
        network: recordings -> log-probabilities, one array each.
        max_batch_size: recordings in a batch.
        max_wait_ms: longest time that the first recording of a batch waits for others.
        queue_size: recordings that may wait.
        max_batch_samples: padded samples in a batch.
        observe: callback of each batch: (its size, seconds of the network).
    """

    def __init__(
        self,
        network: Callable[[Sequence[Samples]], list[Any]],
        *,
        max_batch_size: int,
        max_wait_ms: float,
        queue_size: int,
        max_batch_samples: int,
        observe: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self.network, self.observe = network, observe
        self.max_batch_size, self.max_wait_s = max_batch_size, max_wait_ms / 1000
        self.queue_size, self.max_batch_samples = queue_size, max_batch_samples
        self._waiting: deque[_Job] = deque()
        self._arrival = asyncio.Event()
        self._network_thread = ThreadPoolExecutor(1, "network")
        self._finish_threads = ThreadPoolExecutor(2, "search")
        self._open: set[asyncio.Task[None]] = set()
        self._seconds_per_job = 0.1
        self._computing = False
        self._task: asyncio.Task[None] | None = None

    @property
    def depth(self) -> int:
        """Recordings that wait."""
        return len(self._waiting)

    def start(self) -> None:
        """Start working, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def submit(self, samples: Samples, finish: Callable[[Any], Any]) -> Any:
        """Return the result of a recording.

        Args:
            samples: of the recording.
            finish: log-probabilities -> result.

        Raises:
            Overloaded: the queue is full.
            AsrError: the model refuses the recording.
        """
        if len(self._waiting) >= self.queue_size:
            raise Overloaded(max(1.0, np.ceil(self._seconds_per_job * len(self._waiting))))
        job = _Job(samples, finish, time.monotonic(), asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._arrival.set()
        return await job.result

    async def stop(self) -> None:
        """Finish what waits, then stop."""
        while self._waiting or self._open or self._computing:
            await asyncio.sleep(0.005)
        if self._task is not None:
            self._task.cancel()
        self._network_thread.shutdown()
        self._finish_threads.shutdown()

    async def _work(self) -> None:
        """Gather a batch, compute it, hand its results on; forever."""
        loop = asyncio.get_running_loop()
        while True:
            await self._gather()
            batch = self._take()
            if not batch:
                continue
            self._computing = True
            outputs = await self._compute(batch)
            for job, output in zip(batch, outputs, strict=True):
                task = loop.create_task(self._finish(job, output))
                self._open.add(task)
                task.add_done_callback(self._open.discard)
            self._computing = False

    async def _gather(self) -> None:
        """Wait for a recording, then for company: until the batch is full or the time is over."""
        while not self._waiting:
            self._arrival.clear()
            await self._arrival.wait()
        deadline = self._waiting[0].arrived + self.max_wait_s
        while (
            len(self._waiting) < self.max_batch_size and (left := deadline - time.monotonic()) > 0
        ):
            self._arrival.clear()
            try:
                await asyncio.wait_for(self._arrival.wait(), left)
            except asyncio.TimeoutError:
                break

    def _take(self) -> list[_Job]:
        """Take the oldest job and others of similar length out of the queue, in order of arrival.

        Jobs whose result is done already were cancelled by their client, and are dropped.
        """
        batch: list[_Job] = []
        left: deque[_Job] = deque()
        shortest = longest = 0
        while self._waiting:
            job = self._waiting.popleft()
            if job.result.done():
                continue
            n = len(job.samples)
            low, high = (min(shortest, n), max(longest, n)) if batch else (n, n)
            fits = high <= MAX_SPREAD * low and high * (len(batch) + 1) <= self.max_batch_samples
            if not batch or (len(batch) < self.max_batch_size and fits):
                batch.append(job)
                shortest, longest = low, high
            else:
                left.append(job)
        self._waiting = left
        return batch

    async def _compute(self, batch: list[_Job]) -> list[Any]:
        """Return the network's output of each recording, or its error.

        A batch that fails is computed again one by one, so that only the culprit fails.
        """
        loop, started = asyncio.get_running_loop(), time.monotonic()
        recordings = [job.samples for job in batch]
        try:
            outputs: list[Any] = await loop.run_in_executor(
                self._network_thread, self.network, recordings
            )
        except Exception as error:
            if len(batch) == 1:
                return [error]
            return [output for job in batch for output in await self._compute([job])]
        seconds = time.monotonic() - started
        # A running mean, by which a refused client is told when to come back.
        self._seconds_per_job += 0.1 * (seconds / len(batch) - self._seconds_per_job)
        self.observe(len(batch), seconds)
        return outputs

    async def _finish(self, job: _Job, output: Any) -> None:
        """Search for the text of one output, and wake the request that waits for it."""
        if job.result.done():  # its client has gone
            return
        result = output
        if not isinstance(output, Exception):
            loop = asyncio.get_running_loop()
            try:
                result = await loop.run_in_executor(self._finish_threads, job.finish, output)
            except Exception as error:
                result = error
        if job.result.done():  # it went in the meantime
            return
        if isinstance(result, Exception):
            job.result.set_exception(result)
        else:
            job.result.set_result(result)

"""Requests that arrive one by one, computed together.

A batch is the oldest recording that waits when the network becomes free, and those of about its
length; while the network is busy the next batch gathers. Only an idle network waits, at most
``max_wait_ms``. The search for the text runs in threads of its own (it releases the interpreter
lock), so that the network goes on with the next batch.
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

from asr.errors import AsrError

__all__ = ["Batcher", "Overloaded"]

Samples = npt.NDArray[np.float32]
# longest to shortest recording of a batch: beyond it padding costs more than batching saves
MAX_SPREAD = 2.0


class Overloaded(AsrError):  # noqa: N818 - what it says
    """The queue is full."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("The service is busy.", f"Try again in {retry_after_s:.0f} s.")
        self.retry_after_s = retry_after_s


@dataclass
class _Job:
    samples: Samples
    arrived: float
    result: asyncio.Future[Any] = field(repr=False)


class Batcher:
    """One model's queue.

    Args:
        network: recordings -> log-probabilities, one array each.
        finish: log-probabilities -> result.
        max_batch_size: see :class:`asr.serve.config.ServeConfig`.
        max_wait_ms: see :class:`asr.serve.config.ServeConfig`.
        queue_size: see :class:`asr.serve.config.ServeConfig`.
        max_batch_samples: padded.
        observe: told (batch size, seconds of the network) of each batch.
    """

    def __init__(
        self,
        network: Callable[[Sequence[Samples]], list[Any]],
        finish: Callable[[Any], Any],
        max_batch_size: int,
        max_wait_ms: float,
        queue_size: int,
        max_batch_samples: int,
        observe: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self.network, self.finish, self.observe = network, finish, observe
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
        """Begin to work, in the running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._work())

    async def submit(self, samples: Samples) -> Any:
        """Return the result of a recording.

        Raises:
            Overloaded: the queue is full. AsrError: what the model says of the recording.
        """
        if len(self._waiting) >= self.queue_size:
            raise Overloaded(max(1.0, np.ceil(self._seconds_per_job * len(self._waiting))))
        job = _Job(samples, time.monotonic(), asyncio.get_running_loop().create_future())
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
        """The oldest job and those of about its length, in order of arrival."""
        while self._waiting and self._waiting[0].result.done():  # its client has gone
            self._waiting.popleft()
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
        """The network's output of each recording, or the error."""
        loop, started = asyncio.get_running_loop(), time.monotonic()
        recordings = [job.samples for job in batch]
        try:
            outputs: list[Any] = await loop.run_in_executor(
                self._network_thread, self.network, recordings
            )
        except Exception as error:
            if len(batch) == 1:
                return [error]
            return [
                output for job in batch for output in await self._compute([job])
            ]  # only the culprit shall fail
        seconds = time.monotonic() - started
        self._seconds_per_job += 0.1 * (seconds / len(batch) - self._seconds_per_job)
        self.observe(len(batch), seconds)
        return outputs

    async def _finish(self, job: _Job, output: Any) -> None:
        if job.result.done():  # its client has gone
            return
        found = output
        if not isinstance(output, Exception):
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(self._finish_threads, self.finish, output)
            except Exception as error:
                found = error
        if job.result.done():
            return
        if isinstance(found, Exception):
            job.result.set_exception(found)
        else:
            job.result.set_result(found)

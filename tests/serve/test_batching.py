"""Dynamic batching, without a server."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import numpy as np

from asr.errors import AudioError
from asr.serve.batching import Batcher
from asr.serve.errors import Overloaded


def batcher(network: Any = None, sizes: list[int] | None = None, **changes: Any) -> Batcher:
    settings = {
        "max_batch_size": 4,
        "max_wait_ms": 20,
        "queue_size": 100,
        "max_batch_samples": 10**9,
        **changes,
    }
    return Batcher(
        network or (lambda recordings: [(float(r[0]), len(r)) for r in recordings]),
        observe=lambda size, seconds: None if sizes is None else sizes.append(size),
        **settings,
    )


def unchanged(output: Any) -> Any:
    return output


def recordings(*lengths: int) -> list[np.ndarray]:
    return [np.full(n, number, np.float32) for number, n in enumerate(lengths)]


def run(jobs: list[np.ndarray], made: Batcher) -> list[Any]:
    async def go() -> list[Any]:
        made.start()
        results = await asyncio.gather(
            *(made.submit(job, unchanged) for job in jobs), return_exceptions=True
        )
        await made.stop()
        return list(results)

    return asyncio.run(go())


def test_each_gets_its_own_answer_in_batches() -> None:
    sizes: list[int] = []
    jobs = recordings(*[100 + n for n in range(10)])
    assert run(jobs, batcher(sizes=sizes)) == [(float(n), 100 + n) for n in range(10)]
    assert max(sizes) == 4
    assert sum(sizes) == 10


def test_lengths_far_apart_are_not_padded_together() -> None:
    sizes: list[int] = []
    assert len(run(recordings(100, 1000, 110, 990), batcher(sizes=sizes))) == 4
    assert sizes == [2, 2]
    sizes.clear()
    run(recordings(100, 100, 100), batcher(sizes=sizes, max_batch_samples=200))
    assert sorted(sizes) == [1, 2]


def test_a_recording_that_fails_takes_no_other_with_it() -> None:
    def network(batch: list[np.ndarray]) -> list[float]:
        if any(r[0] == 2 for r in batch):
            raise AudioError("bad")
        return [float(r[0]) for r in batch]

    results = run(recordings(100, 100, 100, 100), batcher(network))
    assert [isinstance(f, AudioError) for f in results] == [False, False, True, False]
    assert results[3] == 3.0


def test_a_full_queue_refuses() -> None:
    gate = threading.Event()

    def network(batch: list[np.ndarray]) -> list[float]:
        gate.wait(5)
        return [float(r[0]) for r in batch]

    async def go() -> list[Any]:
        made = batcher(network, queue_size=3, max_batch_size=1, max_wait_ms=0)
        made.start()
        jobs = recordings(*[100] * 8)
        tasks = [asyncio.ensure_future(made.submit(jobs[0], unchanged))]
        await asyncio.sleep(0.05)  # it is being computed
        tasks += [asyncio.ensure_future(made.submit(job, unchanged)) for job in jobs[1:]]
        await asyncio.sleep(0.05)
        assert made.depth == 3
        gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await made.stop()
        return list(results)

    results = asyncio.run(go())
    refused = [f for f in results if isinstance(f, Overloaded)]
    assert len(refused) == 4
    assert all(f.retry_after_s >= 1 for f in refused)
    assert results[:4] == [float(n) for n in range(4)]


def test_who_has_gone_is_not_computed() -> None:
    seen: list[float] = []

    def network(batch: list[np.ndarray]) -> list[float]:
        time.sleep(0.05)
        seen.extend(float(r[0]) for r in batch)
        return [0.0] * len(batch)

    async def go() -> None:
        made = batcher(network, max_batch_size=1, max_wait_ms=0)
        made.start()
        work = (made.submit(job, unchanged) for job in recordings(100, 100, 100))
        tasks = [asyncio.ensure_future(job) for job in work]
        await asyncio.sleep(0.01)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await made.stop()

    asyncio.run(go())
    assert seen == [0.0, 2.0]

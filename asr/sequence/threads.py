"""Run compiled loops over a batch in threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import torch

__all__ = ["over_batch"]


def over_batch(
    kernel: Callable[..., None], batch: int, calls: Sequence[tuple[Any, ...]], together: int = 1
) -> None:
    """Call ``kernel(start, stop, *arguments)`` on ranges of a batch, for each of ``calls``.

    Uses as many threads as torch. Each range but the last has a multiple of ``together`` sequences,
    which the kernel processes at once.
    """
    groups = -(-batch // together)
    threads = torch.get_num_threads()
    bounds = torch.linspace(0, groups, min(-(-threads // len(calls)), groups) + 1).int() * together
    tasks = [
        (*rows, *call) for rows in pairwise(bounds.clamp(max=batch).tolist()) for call in calls
    ]
    if threads == 1 or len(tasks) == 1:
        for task in tasks:
            kernel(*task)
    else:
        list(_pool(threads).map(lambda task: kernel(*task), tasks))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "batch")

"""Run work in as many threads as torch has: functions of items, kernels over a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

import torch

__all__ = ["in_threads", "over_batch"]

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_threads(function: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
    """Return the function's result for each item, in order."""
    threads = torch.get_num_threads()
    if threads == 1 or len(items) == 1:
        return [function(item) for item in items]
    return list(_pool(threads).map(function, items))


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
    in_threads(lambda task: kernel(*task), tasks)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "batch")

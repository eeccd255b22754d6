"""Compiled loops over a batch, its parts in threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import torch

__all__ = ["over_batch"]


def over_batch(kernel: Callable[..., None], batch: int, *arguments: Any, together: int = 1) -> None:
    """Call ``kernel(start, stop, *arguments)`` on ranges of a batch, as many at once as torch has threads.

    A range has a multiple of ``together`` sequences, the last one aside: the kernel takes as long for fewer.
    """
    groups = -(-batch // together)
    bounds = torch.linspace(0, groups, min(torch.get_num_threads(), groups) + 1).int() * together
    ranges = list(pairwise(bounds.clamp(max=batch).tolist()))
    if len(ranges) == 1:
        kernel(0, batch, *arguments)
    else:
        list(_pool(len(ranges)).map(lambda rows: kernel(*rows, *arguments), ranges))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "batch")

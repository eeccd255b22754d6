"""How many threads torch has in training.

torch splits single operations among its threads, which wait for each other hundreds of times a step
and at every time step of an LSTM. Where another program takes one of the cores, all of them wait
for the one that shares it, each time for as long as the scheduler lets the other program run: a
step then takes ten to fifty times as long (benchmarks/training/company.py). So training has one
thread unless more are asked for, and ranks (``trainer.devices``) for more cores.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

__all__ = ["torch_threads"]


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Give torch a number of threads; afterwards it has as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)

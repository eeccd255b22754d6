"""How many threads torch and numpy have in training.

torch splits single operations among its threads, which wait for each other hundreds of times a step
and at every time step of an LSTM. Where another program takes one of the cores, all of them wait
for the one that shares it, each time for as long as the scheduler lets the other program run: a
step then takes ten to fifty times as long (benchmarks/training/company.py). So training has one
thread unless more are asked for, and ranks (``trainer.devices``) for more cores. numpy's BLAS,
which multiplies for LSTMs (asr/sequence/lstm.py), has one in any case.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

__all__ = ["torch_threads"]


@contextmanager
def torch_threads(number: int) -> Iterator[None]:
    """Give torch a number of threads, and numpy's BLAS one; afterwards they have as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)

"""Workers of a preparation: as few as needed, one thread each, and a dead one is told."""

from __future__ import annotations

import os

import pytest
import torch

from asr.errors import DataError
from data_prep.workers import Workers

PID = "__import__('os').getpid()"
THREADS = "__import__('torch').get_num_threads()"


def test_this_process_works_on_one_thread_and_then_on_as_many_as_before() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with Workers(jobs=1) as workers:
            assert list(workers.map(eval, [THREADS, THREADS])) == [1, 1]
            with pytest.raises(ZeroDivisionError):
                list(workers.map(eval, ["1 / 0"]))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_processes_are_started_once_and_for_more_than_one_item() -> None:
    with Workers(jobs=2) as workers:
        assert list(workers.map(eval, [PID])) == [os.getpid()]
        found = set(workers.map(eval, [PID] * 8)) | set(workers.map(eval, [PID] * 8))
        assert os.getpid() not in found
        assert 1 <= len(found) <= 2
        assert list(workers.map(eval, ["0 + 1", "1 + 1", THREADS])) == [1, 2, 1]


def test_a_dead_process_is_told() -> None:
    with (
        Workers(jobs=2) as workers,
        pytest.raises(DataError, match=r"died.*fewer --jobs.*__main__"),
    ):
        list(workers.map(eval, ["1", "__import__('os')._exit(3)", "1"]))

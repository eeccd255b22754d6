"""Threads of torch in training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy_training import OPTIMIZER, TRAINER, ToyLoader, experiment

from asr.training.batching.loader import BatchLoader
from asr.training.loop import fit


class Counting(ToyLoader):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[int] = set()

    def num_batches(self, epoch: int) -> int:
        self.seen.add(torch.get_num_threads())
        return super().num_batches(epoch)


@pytest.mark.parametrize(("threads", "had"), [(0, 1), (1, 1), (2, 2)])
def test_training_has_one_thread_unless_more_are_asked_for(
    tmp_path: Path, threads: int, had: int
) -> None:
    before, loader = torch.get_num_threads(), Counting()
    assert isinstance(loader, BatchLoader)
    try:
        torch.set_num_threads(3)
        fit(experiment(loader), replace(TRAINER, threads=threads), OPTIMIZER, tmp_path)
        assert loader.seen == {had}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)

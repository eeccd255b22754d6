"""Windows: which there are, and that their order depends on the epoch alone."""

from __future__ import annotations

import numpy as np

from asr.series.windows import Panel, WindowLoader, list_windows


def test_windows_lie_within_their_ranges() -> None:
    windows = list_windows([(0, 9), (7, 12), (0, 3)], lookback=4, h=2, stride=3)
    assert windows.tolist() == [[0, 4], [0, 7], [1, 7], [1, 10]]
    assert list_windows([(0, 3)], lookback=4, h=2).shape == (0, 2)


def test_windows_are_a_function_of_epoch_and_position() -> None:
    steps = np.arange(30, dtype=np.float32)[:, None]
    nothing = np.zeros((30, 0), np.float32)
    windows = list_windows([(0, 30)], 5, 2)
    assert len(windows) == 24
    panel = Panel("a", 0, steps, nothing, nothing)
    loader = WindowLoader([panel], windows, 5, 2, batch_size=4, seed=1, windows_per_epoch=60)
    ids = [
        name for position in range(loader.num_batches(3)) for name in loader.load(3, position).ids
    ]
    assert len(ids) == 60
    assert set(ids) == {f"a@{at}" for at in range(5, 29)}
    ranks = [loader.for_rank(rank, 2) for rank in (0, 1)]
    shared = [
        name
        for rank in ranks
        for position in range(rank.num_batches(3))
        for name in rank.load(3, position).ids
    ]
    assert sorted(shared) == sorted(ids)
    batch = loader.load(3, 2)
    assert batch.truth[:, 0, 0].tolist() == [
        target + 1 for target in batch.target[:, -1, 0].tolist()
    ]

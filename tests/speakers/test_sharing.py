"""Windows that share frames, with a network whose embedding is the mean number of its frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asr.speakers.sharing import AT_ONCE, LEAST, PIECE, SharedNetwork, Windows, even_starts

STEP = 8
WINDOWS = Windows(150, 50)


class Session:
    """Each step is the first of its frames; an embedding is the mean and the count of its steps."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def run(self, _: None, inputs: dict[str, Any]) -> list[Any]:
        features, windows = inputs["features"], inputs["windows"]
        assert LEAST <= features.shape[1] <= PIECE
        assert windows.shape[1] == len(features) * -(-features.shape[1] // STEP)
        self.batches.append(len(features))
        steps = features[:, ::STEP].reshape(-1, features.shape[2])
        counts = windows.sum(1, keepdims=True)
        overlap = features[:, ::STEP, 0]
        return [np.concatenate([windows @ steps / counts, counts], 1), overlap]


def numbered(frames: int) -> Any:
    return np.arange(frames, dtype=np.float32)[:, None]


@pytest.mark.parametrize("frames", [1, 20, 95, 150, 151, 208, 209, 333, 417, 1000, 2000])
def test_a_window_is_pooled_from_its_own_frames(frames: int) -> None:
    found = SharedNetwork(Session(), (2, 2, 2)).stretches([numbered(frames)], WINDOWS)
    rows, overlap = found[0][0], found[1][0]
    if frames >= LEAST:
        assert (np.diff(overlap) > 0).all()
        assert abs(len(overlap) - frames / STEP) <= 1
    firsts = even_starts(frames, WINDOWS)
    assert len(rows) == len(firsts)
    assert (rows[:, 1] > 0).all()
    if frames > WINDOWS.length:
        middles = firsts + (WINDOWS.length - 1) / 2
        assert np.abs(rows[:, 0] - middles).max() <= STEP
        assert np.abs(rows[:, 1] - WINDOWS.length / STEP).max() <= 2


def test_stretches_keep_their_places() -> None:
    session = Session()
    lengths = np.random.default_rng(0).integers(10, 900, 60)
    rows, _ = SharedNetwork(session, (2, 4)).stretches(
        [numbered(n) + 1e4 * n for n in lengths], WINDOWS
    )
    for length, own in zip(lengths, rows, strict=True):
        assert np.allclose(own[:, 0] // 1e4, length)
    assert max(session.batches) <= AT_ONCE


def test_windows_of_one_length_go_through_whole() -> None:
    network = SharedNetwork(Session(), (2, 2, 2))
    rows = network(np.stack([numbered(150), numbered(150) + 1000]))
    assert np.allclose(rows[:, 0], [72, 1072])
    assert rows[0, 1] == 19

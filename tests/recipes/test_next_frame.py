"""Prediction of the next picture."""

from __future__ import annotations

import pytest
import torch
from next_frame import FrameBatch, NextFrameConfig, NextFrameTask
from torch.nn import functional

from asr.errors import ConfigError

SMALL = NextFrameConfig(hidden_channels=3, num_layers=1, kernel_size=3)


def batch(lens: tuple[int, ...] = (6, 4)) -> FrameBatch:
    frames = torch.rand(2, 6, 5, 5, generator=torch.Generator().manual_seed(0))
    return FrameBatch(frames[: len(lens)], torch.tensor(lens), tuple(map(str, range(len(lens)))))


def test_loss_counts_the_pixels_that_are_there() -> None:
    torch.manual_seed(0)
    task, b = NextFrameTask(SMALL), batch()
    loss = task.loss(b)
    assert loss.count == (5 + 3) * 25
    expected = torch.zeros(())
    for row, n in enumerate(b.lens.tolist()):
        film = b.frames[row : row + 1, :n]
        logits, _ = task(film[:, :-1], torch.tensor([n - 1]))
        expected = expected + functional.binary_cross_entropy_with_logits(
            logits, film[:, 1:], reduction="sum"
        )
    torch.testing.assert_close(loss.total, expected)


def test_rolling_out_is_predicting_again_from_the_predicted() -> None:
    torch.manual_seed(0)
    task, film = NextFrameTask(SMALL), batch().frames
    three = task.roll_out(film, 3)
    longer = torch.cat([film, three[:, :2]], 1)
    logits, _ = task(longer, torch.tensor([8, 8]))
    torch.testing.assert_close(three[:, 2], logits[:, -1].sigmoid())


def test_it_learns_a_still_picture() -> None:
    torch.manual_seed(0)
    task = NextFrameTask(SMALL)
    still = (torch.rand(4, 1, 5, 5) > 0.5).float().expand(4, 4, 5, 5)
    b = FrameBatch(still, torch.full((4,), 4), ("0", "1", "2", "3"))
    optimizer = torch.optim.Adam(task.parameters(), 0.05)
    losses = []
    for _ in range(40):
        loss = task.loss(b)
        optimizer.zero_grad()
        (loss.total / loss.count).backward()
        optimizer.step()
        losses.append((loss.total / loss.count).item())
    assert losses[-1] < 0.3 * losses[0]


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ConfigError, match="model.num_layers"):
        NextFrameConfig(num_layers=0)

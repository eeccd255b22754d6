"""The average of weights against the formula, and its place in training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asr.training.averaging import ExponentialAverage


def test_average_equals_the_formula() -> None:
    module = nn.BatchNorm1d(2)
    average = ExponentialAverage(module, decay=0.5)
    expected = 1.0
    for update, value in enumerate([3.0, -1.0, 2.0]):
        module.weight.data.fill_(value)
        average.update()
        decay = min(0.5, (1 + update) / (10 + update))
        expected = decay * expected + (1 - decay) * value
    with average.applied():
        assert module.weight.tolist() == pytest.approx([expected] * 2)
    assert module.weight.tolist() == [2.0, 2.0]


def test_weights_come_back_after_an_error_and_state_round_trips() -> None:
    module = nn.Linear(2, 2)
    average = ExponentialAverage(module, 0.9)
    module.weight.data.zero_()
    average.update()
    with pytest.raises(RuntimeError, match="stop"), average.applied():
        raise RuntimeError("stop")
    assert not module.weight.any()
    other = ExponentialAverage(nn.Linear(2, 2), 0.9)
    other.load(average.state())
    assert all(torch.equal(a, b) for a, b in zip(average.tensors, other.tensors, strict=True))
    assert other.updates == 1

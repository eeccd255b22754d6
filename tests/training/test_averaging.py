"""The average of weights against the formula, and its place in training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from asr.errors import ConfigError, ModelError
from asr.training.averaging import EpochAverage, ExponentialAverage
from asr.training.config import OptimizerConfig


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


def test_the_mean_of_the_last_epochs() -> None:
    module = nn.BatchNorm1d(2)
    average = EpochAverage(module, epochs=3)
    for value in (9.0, 1.0, 2.0, 6.0):
        module.weight.data.fill_(value)
        module.running_mean.fill_(-value)  # type: ignore[union-attr]
        average.update()
        average.end_epoch()
    module.weight.data.fill_(7.0)
    with average.applied():
        assert module.weight.tolist() == [3.0, 3.0]
        assert module.running_mean.tolist() == [-3.0, -3.0]  # type: ignore[union-attr]
    assert module.weight.tolist() == [7.0, 7.0]
    other = EpochAverage(nn.BatchNorm1d(2), epochs=2)
    other.load(average.state())
    with other.applied():
        assert other.module.weight.tolist() == [4.0, 4.0]  # type: ignore[union-attr, operator]


def test_averages_of_two_kinds_do_not_mix() -> None:
    module = nn.Linear(2, 2)
    with pytest.raises(ModelError, match="another kind of weight average"):
        EpochAverage(module, 2).load(ExponentialAverage(module, 0.9).state())
    with pytest.raises(ModelError, match="another kind of weight average"):
        ExponentialAverage(module, 0.9).load(EpochAverage(module, 2).state())
    with pytest.raises(ConfigError, match="both set"):
        OptimizerConfig(average_decay=0.9, average_last=3)

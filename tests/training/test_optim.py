"""Optimizers and schedules against torch's own, value by value."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from asr.errors import ConfigError
from asr.training.config import OptimizerConfig
from asr.training.optim import build_optimizer

ORACLES: dict[str, Any] = {
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.1, betas=(0.8, 0.95)),
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.1, betas=(0.8, 0.95)),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.1, alpha=0.95, momentum=0.8),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.8, nesterov=True),
}


@pytest.mark.parametrize("name", ORACLES)
def test_optimizer_takes_the_steps_of_torch(name: str) -> None:
    torch.manual_seed(0)
    ours, oracle = nn.Linear(3, 2), nn.Linear(3, 2)
    oracle.load_state_dict(ours.state_dict())
    config = OptimizerConfig(
        name=name, lr=0.1, momentum=0.8, second_momentum=0.95, weight_decay=0.3
    )
    optimizer = build_optimizer(ours, config)
    groups = [
        {"params": [oracle.weight], "weight_decay": 0.3},
        {"params": [oracle.bias], "weight_decay": 0.0},
    ]
    reference = ORACLES[name](groups)
    for step in range(4):
        x = torch.randn(5, 3, generator=torch.Generator().manual_seed(step))
        for module, opt in ((ours, optimizer), (oracle, reference)):
            opt.zero_grad()
            module(x).square().sum().backward()
            opt.step()
    torch.testing.assert_close(ours.weight, oracle.weight)
    torch.testing.assert_close(ours.bias, oracle.bias)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="adamw, adam, rmsprop, sgd"):
        OptimizerConfig(name="lion")
    with pytest.raises(ConfigError, match="one_cycle"):
        OptimizerConfig(schedule="spiral")

"""Learning-rate schedules: known points, and one_cycle as torch has it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from asr.training.schedules import SCHEDULES, lr_factor

ORACLES: dict[str, Any] = {
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.1, betas=(0.8, 0.95)),
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.1, betas=(0.8, 0.95)),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.1, alpha=0.95, momentum=0.8),
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.1, momentum=0.8, nesterov=True),
}


def test_one_cycle_equals_torch() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=101, pct_start=0.3, div_factor=25, final_div_factor=40
    )
    for step in range(101):
        # torch counts the rise in whole steps: its peak is at step 0.3 * 101 - 1
        if step <= 29:
            expected = lr_factor("one_cycle", step / 29.3 * 0.3, 0.3, 0.001)
        else:
            expected = lr_factor("one_cycle", 0.3 + (step - 29.3) / (100 - 29.3) * 0.7, 0.3, 0.001)
        assert scheduler.get_last_lr()[0] == pytest.approx(expected, abs=1e-6)
        optimizer.step()
        if step < 100:
            scheduler.step()


def test_schedules_at_known_points() -> None:
    assert lr_factor("cosine", 0.1, 0.1, 0.01) == pytest.approx(1.0)
    assert lr_factor("cosine", 0.55, 0.1, 0.0) == pytest.approx(0.5)
    assert lr_factor("linear", 0.55, 0.1, 0.0) == pytest.approx(0.5)
    assert lr_factor("exponential", 0.5, 0.0, 0.01) == pytest.approx(0.1)
    assert [lr_factor("steps", p, 0.0, 1e-4) for p in (0.19, 0.21, 0.5, 0.7, 0.9)] == pytest.approx(
        [1, 0.1, 0.01, 1e-3, 1e-4]
    )
    assert lr_factor("constant", 0.7, 0.1, 0.01) == 1.0
    assert lr_factor("cosine", 0.05, 0.1, 0.01) == pytest.approx(0.505)
    for name in SCHEDULES:
        assert lr_factor(name, 1.0, 0.1, 0.01) == pytest.approx(
            1.0 if name in ("constant", "plateau") else 0.01
        )
        assert lr_factor(name, 0.0, 0.1, 0.01) == pytest.approx(
            0.04 if name == "one_cycle" else 0.01
        )

"""Gradients and shapes of the detectors, and the state that a forecaster carries."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asr.series.anomalies.network import AnomalyModelConfig, AnomalyTask, AnomalyTaskConfig
from asr.series.windows import Panel, WindowLoader, list_windows


@pytest.mark.parametrize("kind", ["autoencoder", "forecast"])
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gradients_reach_every_weight(kind: str, cell: str) -> None:
    nothing = np.zeros((30, 0), np.float32)
    panel = Panel(
        "a", 0, np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32), nothing, nothing
    )
    windows = list_windows([(0, 30)], 8, 0)
    batch = WindowLoader([panel], windows, 8, 0, batch_size=4).load(0, 0)
    task = AnomalyTask(
        AnomalyTaskConfig(3, 8, AnomalyModelConfig(kind, cell, hidden_dim=8, noise=0.1))
    )
    found = task.loss(batch, torch.Generator().manual_seed(0))
    assert int(found.count) == 4 * (8 if kind == "autoencoder" else 7) * 3
    torch.autograd.backward(found.total)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in task.parameters())


def test_carried_state_gives_the_forecasts_of_the_whole_series() -> None:
    torch.manual_seed(0)
    task = AnomalyTask(
        AnomalyTaskConfig(3, 8, AnomalyModelConfig("forecast", num_layers=2, hidden_dim=128))
    ).eval()
    x = torch.randn(1, 40, 3)
    with torch.inference_mode():
        whole, _ = task(x)
        state, steps = None, []
        for at in range(40):
            y, state = task(x[:, at : at + 1], state)
            steps.append(y)
    torch.testing.assert_close(torch.cat(steps, 1), whole, atol=1e-5, rtol=0)

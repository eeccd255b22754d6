"""The forecaster's network: shapes, gradients, instance normalisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asr.series.forecasting.network import ForecastModelConfig, ForecastTask, ForecastTaskConfig
from asr.series.windows import Panel, WindowLoader, list_windows


def test_gradients_reach_every_weight_for_every_loss() -> None:
    rng = np.random.default_rng(0)
    panel = Panel("a", 1, *(rng.normal(size=(40, width)).astype(np.float32) for width in (2, 1, 3)))
    windows = list_windows([(0, 40)], 10, 5)
    batch = WindowLoader([panel], windows, 10, 5, batch_size=8, seed=1).load(0, 0)
    for loss, norm in (
        ("mse", "last"),
        ("mae", "standard"),
        ("huber", "none"),
        ("quantile", "last"),
    ):
        model = ForecastModelConfig(
            hidden_dim=8, segment=3, series_dim=2, instance_norm=norm, dropout=0.0
        )
        task = ForecastTask(
            ForecastTaskConfig(
                h=5,
                lookback=10,
                num_targets=2,
                num_past=4,
                num_future=3,
                num_series=3,
                loss=loss,
                quantiles=[0.1, 0.5, 0.9],
                model=model,
            )
        )
        assert task(batch).shape == (8, 5, 2, 3 if loss == "quantile" else 1)
        found = task.loss(batch)
        assert int(found.count) == 8 * 5 * 2
        torch.autograd.backward(found.total)
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in task.parameters())


def test_instance_normalisation_makes_levels_irrelevant() -> None:
    rng = np.random.default_rng(0)
    values, nothing = rng.normal(size=(20, 1)).astype(np.float32), np.zeros((20, 0), np.float32)
    for norm, factor in (("last", 1.0), ("standard", 3.0)):
        task = ForecastTask(
            ForecastTaskConfig(4, 12, model=ForecastModelConfig(hidden_dim=8, instance_norm=norm))
        ).eval()
        panels = [Panel("a", 0, x, nothing, nothing) for x in (values, values * factor + 50)]
        windows = list_windows([(0, 20)], 12, 4)
        one, other = (
            task(WindowLoader([panel], windows, 12, 4, batch_size=1).load(0, 0)) for panel in panels
        )
        assert other.detach().numpy() == pytest.approx(one.detach().numpy() * factor + 50, abs=1e-3)

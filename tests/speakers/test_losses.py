"""Losses against loops over their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from asr.speakers.losses import Ge2eLoss, MarginSoftmax


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_margin_softmax_is_its_equation() -> None:
    torch.manual_seed(0)
    loss = MarginSoftmax(6, 5, scale=20.0, margin=0.2)
    x = functional.normalize(torch.randn(4, 6), dim=-1)
    labels = torch.tensor([0, 3, 3, 4])
    weight = unit(loss.weight.detach().numpy())
    total = 0.0
    for row, label in zip(x.numpy(), labels.tolist(), strict=True):
        cosines = weight @ row
        own = np.exp(20 * (cosines[label] - 0.2))
        total -= np.log(own / (own + np.exp(20 * np.delete(cosines, label)).sum()))
    assert loss(x, labels).item() == pytest.approx(total, rel=1e-5)


def test_ge2e_is_its_equations() -> None:
    torch.manual_seed(1)
    loss, speakers, crops = Ge2eLoss(), 4, 3
    x = functional.normalize(torch.randn(speakers * crops, 5), dim=-1)
    rows = x.numpy().reshape(speakers, crops, 5)
    total = 0.0
    for j in range(speakers):
        for i in range(crops):
            scores = []
            for k in range(speakers):
                others = [rows[k, m] for m in range(crops) if k != j or m != i]
                centre = unit(np.mean(others, axis=0))
                scores.append(10 * float(rows[j, i] @ centre) - 5)
            total += np.log(np.exp(scores).sum()) - scores[j]
    assert loss(x, crops).item() == pytest.approx(total, rel=1e-4)

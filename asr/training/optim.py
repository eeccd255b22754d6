"""Optimizers by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from asr.training.config import OptimizerConfig

__all__ = ["build_optimizer"]


def build_optimizer(module: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Return the optimizer of all parameters; weight decay reaches matrices only.

    ``adamw`` decays weights apart from the gradient (Loshchilov & Hutter 2019), the others add it
    to the gradient.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    betas = (config.momentum, config.second_momentum)
    if config.name == "adamw":
        return torch.optim.AdamW(groups, lr=config.lr, betas=betas, fused=True)
    if config.name == "adam":
        return torch.optim.Adam(groups, lr=config.lr, betas=betas, fused=True)
    if config.name == "rmsprop":
        return torch.optim.RMSprop(
            groups, lr=config.lr, alpha=config.second_momentum, momentum=config.momentum
        )
    return torch.optim.SGD(
        groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0
    )

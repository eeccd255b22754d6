"""Optimizers by name."""

from __future__ import annotations

import torch
from torch import nn

from asr.training.config import OptimizerConfig

__all__ = ["build_optimizer"]


def build_optimizer(module: nn.Module, config: OptimizerConfig) -> torch.optim.Optimizer:
    """Return the optimizer of all parameters; weight decay reaches matrices only (Loshchilov & Hutter 2019)."""
    matrices = [p for p in module.parameters() if p.requires_grad and p.dim() > 1]
    vectors = [p for p in module.parameters() if p.requires_grad and p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.lr, betas=(0.9, 0.98), fused=True)

"""Checkpoints: everything that a run needs to resume, written atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from asr.errors import ModelError
from asr.files import atomic_path
from asr.training.averaging import Average
from asr.training.task import first_difference

__all__ = ["load_checkpoint", "save_checkpoint"]


def save_checkpoint(
    path: Path,
    task: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Average | None,
    position: dict[str, Any],
) -> None:
    """Write weights, state of the optimizer, average of the weights and position."""
    content = {
        "task": task.state_dict(),
        "optimizer": optimizer.state_dict(),
        "position": dict(position),
    }
    if average is not None:
        content["average"] = average.state()
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def load_checkpoint(
    path: Path, task: nn.Module, optimizer: torch.optim.Optimizer, average: Average | None = None
) -> dict[str, Any]:
    """Fill ``task``, ``optimizer`` and ``average`` from a checkpoint and return its position.

    Raises:
        ModelError: the file is damaged, or belongs to another architecture; the first difference is
            named.
    """
    try:
        # weights_only: a checkpoint is data, and must not run code
        content = torch.load(path, map_location="cpu", weights_only=True)
        state, position = content["task"], content["position"]
    except Exception as error:  # torch.load raises a family of its own
        raise ModelError(
            f"{path} is not a checkpoint of this project or is damaged.", "Delete it to start anew."
        ) from error
    if difference := first_difference(task.state_dict(), state):
        raise ModelError(
            f"{path} is a checkpoint of another architecture: {difference}.",
            "Train with the configuration of that run, or give another output folder.",
        )
    task.load_state_dict(state)
    optimizer.load_state_dict(content["optimizer"])
    if average is not None and "average" in content:
        average.load(content["average"])
    return dict(position)

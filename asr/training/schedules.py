"""Courses of the learning rate as plain functions of progress, so that each can be drawn and checked on its own."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["SCHEDULES", "lr_factor"]


def constant(progress: float, final: float) -> float:
    """1 throughout."""
    return 1.0


def cosine(progress: float, final: float) -> float:
    """From 1 to ``final`` along half a cosine (Loshchilov & Hutter 2017)."""
    return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2


def linear(progress: float, final: float) -> float:
    """From 1 to ``final`` in a straight line."""
    return 1 + (final - 1) * progress


def exponential(progress: float, final: float) -> float:
    """From 1 to ``final`` by an equal factor at every step."""
    return float(max(final, 1e-8) ** progress)


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "linear": linear,
    "exponential": exponential,
}


def lr_factor(schedule: str, progress: float, warmup: float, final: float) -> float:
    """Return the learning rate as a share of the peak: a linear rise, then the schedule.

    Args:
        schedule: a key of :data:`SCHEDULES`. progress: share of the training that is done, 0 to 1.
        warmup: share of the training spent rising from a hundredth of the peak. final: last value, a share of the peak.
    """
    if progress < warmup:
        return 0.01 + 0.99 * progress / warmup
    return SCHEDULES[schedule](min(1.0, (progress - warmup) / max(1e-9, 1 - warmup)), final)

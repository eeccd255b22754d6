"""Learning-rate schedules as plain functions of progress (0 to 1)."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["SCHEDULES", "lr_factor"]

FIRST = 0.01  # of the peak: where the warm-up begins
ONE_CYCLE_FIRST = 0.04  # the same of one_cycle: 1/25, as in torch


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


def steps(progress: float, final: float) -> float:
    """From 1 to ``final`` by four equal factors, one after each fifth of the way."""
    return float(max(final, 1e-8) ** (min(4, math.floor(5 * progress)) / 4))


SCHEDULES: dict[str, Callable[[float, float], float]] = {
    "constant": constant,
    "cosine": cosine,
    "linear": linear,
    "exponential": exponential,
    "steps": steps,
    "one_cycle": cosine,  # differs from cosine in its warm-up
    "plateau": constant,  # lowered by the loop when the dev figure stalls
}


def lr_factor(schedule: str, progress: float, warmup: float, final: float) -> float:
    """Return the learning rate as a share of the peak: a warm-up, then the schedule.

    The warm-up is a straight line from a hundredth of the peak; that of ``one_cycle`` is half a
    cosine from 1/25 of it, as in torch.optim.lr_scheduler.OneCycleLR (Smith & Topin 2018).

    Args:
        schedule: a key of :data:`SCHEDULES`.
        progress: share of the training that is done, 0 to 1.
        warmup: share of the training in which the learning rate rises.
        final: last value, a share of the peak.
    """
    if progress >= warmup:
        return SCHEDULES[schedule](min(1.0, (progress - warmup) / max(1e-9, 1 - warmup)), final)
    if schedule == "one_cycle":
        return 1 + (ONE_CYCLE_FIRST - 1) * (1 + math.cos(math.pi * progress / warmup)) / 2
    return FIRST + (1 - FIRST) * progress / warmup

"""Conformal calibration: intervals that hold the truth as often as their level says.

Legend: n windows, h horizon, Q quantiles, L levels.

Split (Vovk et al. 2005; Romano et al. 2019, arXiv:1905.03222, for quantiles): the intervals are
widened, or narrowed, by what it took on windows that nothing was learned from. Rolling: the latest
such windows count. Adaptive (Gibbs & Candes 2021, arXiv:2106.00170): the level that is asked for
rises after a miss and falls after a hit, so that the share in the long run is right whatever the
series does. Errors are measured in units of each window's spread, so that a series whose swings
grow, or one that swings more than others, needs no margin of its own (Lei et al. 2018, section 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["METHODS", "Calibration", "KnownWindows", "interval_scores", "margins", "margins_over"]

METHODS = ("rolling", "adaptive", "split", "none")
STEP = 0.05  # of the adaptive level, gamma in the paper
# What is asked for shows h steps later, and windows come at every step: steps that add up to more
# than about 1 within a horizon would overshoot, and the level swing between both ends.
STEPS_IN_HORIZON = 0.5
FEWEST = 2  # windows beyond the interval that a margin should rest on

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Errors on the part of the training data that no weight was learned from.

    Attributes:
        errors: (n, h, Q) truth less each quantile, in spreads, in the order of time.
    """

    errors: Floats


@dataclass(frozen=True)
class KnownWindows:
    """Windows after the training data whose truth has come.

    Attributes:
        errors: (m, h, Q) truth less each quantile, in spreads.
        origins: (m,) step first predicted, counted from the end of the series (-h at most).
    """

    errors: Floats = field(default_factory=lambda: np.zeros((0, 0, 0)))
    origins: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))


def interval_scores(errors: Floats, num_levels: int) -> Floats:
    """Return by how much each interval had to be widened to hold the truth, (n, L, h).

    Args:
        errors: (n, h, Q), Q being 2 L + 1 quantiles that rise, or 1: a point forecast is an
            interval without width.
        num_levels: L.
    """
    Q = errors.shape[-1]
    scores = []
    for number in range(num_levels):  # levels rise: the ends of the widest are the outermost
        low = num_levels - 1 - number if Q > 1 else 0
        # the truth lies below the low end by -(y - low), above the high end by y - high
        scores.append(np.maximum(-errors[..., low], errors[..., Q - 1 - low]))
    return np.stack(scores, axis=1)


def margins(scores: Floats, levels: Sequence[float]) -> Floats:
    """Return what each interval needs at each step ahead to hold ``levels`` of the truth, (L, h).

    The margin is the ceil((n + 1) level)-th smallest score. Where windows are few, neighbouring
    steps ahead count too, so that some lie beyond the interval; they make no more windows, so the
    share of the scores that lie within stays (n + 1) / n of the level.

    Args:
        scores: (n, L, h), see :func:`interval_scores`.
        levels: L shares, 0 to 1.
    """
    n, _, h = scores.shape
    needed = np.empty((len(levels), h))
    for number, level in enumerate(levels):
        wanted = FEWEST / max(1 - level, 1e-3)
        reach = min(h, int(np.ceil(max(0.0, wanted / n - 1) / 2)))  # steps on both sides
        for step in range(h):
            pool = scores[:, number, max(0, step - reach) : step + reach + 1].ravel()
            rank = int(np.ceil(len(pool) * level * (n + 1) / n - 1e-9))
            rank = min(max(rank, 1), len(pool))
            needed[number, step] = np.partition(pool, rank - 1)[rank - 1]
    return needed


def margins_over(
    calibration: Calibration,
    known: KnownWindows,
    origins: Iterable[int],
    levels: Sequence[float],
    method: str,
) -> dict[int, Floats]:
    """Return the margins (L, h) of forecasts from each of ``origins``, by nothing that came later.

    Args:
        calibration: of the training data.
        known: windows after it.
        origins: steps first predicted, counted from the end of the series: 0 is what comes next.
        levels: L shares, 0 to 1, rising.
        method: one of :data:`METHODS` but none.
    """
    shares = np.asarray(levels, np.float64)
    stored = interval_scores(calibration.errors, len(levels))
    wanted = set(origins)
    if method == "split" or not len(known.origins):
        same = margins(stored, levels)
        return dict.fromkeys(wanted, same)
    h = calibration.errors.shape[1]
    coming = interval_scores(known.errors, len(levels))
    size = max(len(stored), int(np.ceil(5 / (1 - max(levels)))))
    gamma = min(STEP, STEPS_IN_HORIZON / h)
    asked, at_origin = shares.copy(), dict[int, Floats]()
    for now in sorted(wanted | set(known.origins.tolist()) | set((known.origins + h).tolist())):
        past = known.origins + h <= now
        if method == "adaptive" and (arrived := known.origins + h == now).any():
            missed = (coming[arrived] > at_origin[now - h]).mean(axis=(0, 2))  # (L,)
            asked = np.clip(asked + gamma * (missed - (1 - shares)), 0.0, 1.0)
        pool = np.concatenate([stored, coming[past]])[-size:]
        if now in wanted or (method == "adaptive" and now in known.origins):
            at_origin[now] = margins(pool, asked.tolist())
    return {origin: at_origin[origin] for origin in wanted}

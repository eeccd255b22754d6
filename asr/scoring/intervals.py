"""Bootstrap confidence intervals of error rates and of their differences.

Speakers or utterances are resampled. The plain percentile bootstrap is too narrow for the few
speakers of a test set (with 20 speakers it covers about 90 % instead of 95), so intervals are
studentised: Efron & Tibshirani (1993), An
Introduction to the Bootstrap, section 12.5, with the linearised variance of a ratio. Resampling
whole speakers follows Bisani & Ney (2004), Bootstrap estimates for confidence intervals in ASR
performance evaluation, ICASSP.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["SPEAKERS_NEEDED", "Interval", "Resampled", "groups_of", "resample", "seeded_weights"]

SPEAKERS_NEEDED = 20  # with fewer, utterances are resampled
_CHUNK = 2_000_000  # weights in memory at a time

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval.

    Attributes:
        low: lower end, a fraction.
        high: upper end.
        unit: what was resampled: ``speaker`` or ``utterance``.
        units: number of units.
        method: ``studentised``, or ``percentile`` if too few units have errors for that.
    """

    low: float
    high: float
    unit: str
    units: int
    method: str


@dataclass(frozen=True)
class Resampled:
    """Bootstrap result of one ratio of sums.

    Attributes:
        low: lower end of the 95 % interval.
        high: upper end of the 95 % interval.
        p_value: two-sided, of the hypothesis that the ratio is 0 (for differences).
        share_below: fraction of the resamples in which the ratio is below 0, ties counted half.
        method: see `Interval`.
    """

    low: float
    high: float
    p_value: float
    share_below: float
    method: str


def groups_of(speakers: Sequence[str | None]) -> tuple[NDArray[np.int64], str]:
    """Return the unit of each utterance, and what the units are: ``speaker`` or ``utterance``.

    Speakers, if there are at least 20 and all are known. Otherwise the interval holds for these
    speakers only, not for new ones.
    """
    names = sorted({speaker for speaker in speakers if speaker is not None})
    if len(names) >= SPEAKERS_NEEDED and None not in speakers:
        numbers = {name: number for number, name in enumerate(names)}
        return np.array([numbers[str(speaker)] for speaker in speakers], dtype=np.int64), "speaker"
    return np.arange(len(speakers), dtype=np.int64), "utterance"


def seeded_weights(units: int, samples: int, seed: int) -> list[NDArray[np.float32]]:
    """Return how often each unit is drawn in each resample, as arrays (some samples, units)."""
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // units)
    return [
        _draw(generator, min(rows, samples - start), units) for start in range(0, samples, rows)
    ]


def _draw(generator: np.random.Generator, samples: int, units: int) -> NDArray[np.float32]:
    drawn = generator.integers(units, size=(samples, units)) + np.arange(samples)[:, None] * units
    return (
        np.bincount(drawn.ravel(), minlength=samples * units)
        .reshape(samples, units)
        .astype(np.float32)
    )


def resample(
    numerators: Floats,
    denominators: Floats,
    samples: int = 2000,
    seed: int = 0,
    level: float = 0.95,
    symmetric: bool = False,
) -> Resampled | None:
    """Return the studentised bootstrap of sum(numerators) / sum(denominators).

    Args:
        numerators: (units,) errors, or differences of errors.
        denominators: (units,) reference words.
        samples: number of resamples.
        seed: of the random numbers; the same seed gives the same result.
        level: of the interval.
        symmetric: centre the interval on the ratio (Hall 1988, On symmetric bootstrap confidence
            intervals). For differences this is closer to the level, and the interval excludes 0
            exactly if the p-value is below 1 - level.

    Returns:
        None if there are fewer than two units with words, or if all numerators are 0.
    """
    total = denominators.sum()
    if np.count_nonzero(denominators) < 2 or total <= 0 or not numerators.any():
        return None
    units = len(numerators)
    moments = _moments(numerators, denominators)
    sums = np.concatenate(
        [weights.astype(np.float64) @ moments for weights in seeded_weights(units, samples, seed)]
    )
    sums = sums[sums[:, 1] > 0]  # a resample without a word has no rate
    ratios, errors = _ratio_and_error(sums, units)
    ratio, error = (
        float(x[0]) for x in _ratio_and_error(moments.sum(axis=0, keepdims=True), units)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = (ratios - ratio) / errors
    below = float(np.mean(ratios < 0) + np.mean(ratios == 0) / 2)
    tail = (1 - level) / 2
    if error <= 0 or np.mean(~np.isfinite(scores)) > tail / 2:
        low, high = np.quantile(ratios, [tail, 1 - tail])
        # Not below the resolution of this number of resamples.
        p_value = max(1 / (1 + len(ratios)), min(1.0, 2 * min(below, 1 - below)))
        return Resampled(float(low), float(high), p_value, below, "percentile")
    scores = scores[np.isfinite(scores)]
    low_score, high_score = np.quantile(scores, [tail, 1 - tail])
    if symmetric:
        high_score = np.quantile(np.abs(scores), level)
        low_score = -high_score
    p_value = (1 + np.sum(np.abs(scores) >= abs(ratio / error))) / (1 + len(scores))
    return Resampled(
        float(ratio - high_score * error),
        float(ratio - low_score * error),
        float(p_value),
        below,
        "studentised",
    )


def _moments(numerators: Floats, denominators: Floats) -> Floats:
    """Return (units, 5): terms whose sums over a resample `_ratio_and_error` needs."""
    x, w = numerators, denominators
    return np.stack([x, w, x * x, x * w, w * w], axis=1)


def _ratio_and_error(sums: Floats, units: int) -> tuple[Floats, Floats]:
    """Return the ratio of the sums and its standard error.

    By linearisation (Cochran 1977, Sampling Techniques, section 2.11).
    """
    x, w, xx, xw, ww = sums.T
    ratio = x / w
    residuals = np.maximum(xx - 2 * ratio * xw + ratio * ratio * ww, 0.0)
    residuals[residuals < 1e-9 * np.maximum(xx, 1e-30)] = 0.0  # rounding errors, not variance
    return ratio, np.sqrt(residuals * units / (units - 1)) / w

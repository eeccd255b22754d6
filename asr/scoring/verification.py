"""Errors of speaker verification: equal error rate, and minimum of the detection cost.

Legend: N pairs, S speakers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import DataError

__all__ = ["VerificationScore", "error_rates", "fit_log_odds", "pair_scores", "score_pairs"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class VerificationScore:
    """How well scores tell pairs of one speaker from pairs of two.

    Attributes:
        eer: equal error rate: as many same pairs are rejected as different ones accepted.
        threshold: score where that is so.
        min_dcf: least detection cost, relative to the best answer without looking.
        target_share: expected share of same pairs, in that cost.
        same: number of pairs of one speaker.
        different: number of pairs of two speakers.
    """

    eer: float
    threshold: float
    min_dcf: float
    target_share: float
    same: int
    different: int

    def __str__(self) -> str:
        """In one line, for people."""
        return (
            f"EER {100 * self.eer:.2f} %, minDCF({self.target_share:g}) {self.min_dcf:.3f}, "
            f"{self.same} pairs of one speaker, {self.different} of two"
        )


def error_rates(scores: npt.ArrayLike, same: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return thresholds (K,) with the share of same pairs below and of different ones not below.

    Args:
        scores: (N,), higher for more alike.
        same: (N,), whether a pair is of one speaker.

    Raises:
        DataError: there are no pairs of one kind, or a score is not finite.
    """
    values, is_same = np.asarray(scores, np.float64), np.asarray(same, np.bool_)
    if not is_same.any() or is_same.all():
        kind = "one speaker" if not is_same.any() else "two speakers"
        raise DataError(f"There are no pairs of {kind}.", "Give pairs of both kinds.")
    if not np.isfinite(values).all():
        raise DataError("A score is not a finite number.", "Leave the pair out.")
    order = np.argsort(values, kind="stable")
    values, is_same = values[order], is_same[order]
    firsts = np.flatnonzero(np.r_[True, np.diff(values) > 0])  # of equal scores all are accepted
    below_same = np.r_[0, np.cumsum(is_same)][firsts]
    below_different = firsts - below_same
    total = int(is_same.sum())
    misses = np.r_[below_same / total, 1.0]
    false_alarms = np.r_[1 - below_different / (len(values) - total), 0.0]
    return np.r_[values[firsts], np.inf], misses, false_alarms


def score_pairs(
    scores: npt.ArrayLike, same: npt.ArrayLike, target_share: float = 0.01
) -> VerificationScore:
    """Return equal error rate and minimum detection cost (NIST SRE) of scored pairs.

    Between two thresholds both error rates are interpolated.

    Args:
        scores: (N,), higher for more alike.
        same: (N,), whether a pair is of one speaker.
        target_share: expected share of same pairs in the detection cost; both errors cost 1.

    Raises:
        DataError: see :func:`error_rates`.
    """
    thresholds, misses, false_alarms = error_rates(scores, same)
    place = int(np.flatnonzero(misses >= false_alarms)[0])
    eer, threshold = misses[place], thresholds[place]
    if place and misses[place] > false_alarms[place]:
        rise = misses[place] - misses[place - 1]
        fall = false_alarms[place - 1] - false_alarms[place]
        share = (false_alarms[place - 1] - misses[place - 1]) / (rise + fall)
        eer = misses[place - 1] + share * rise
    costs = target_share * misses + (1 - target_share) * false_alarms
    is_same = np.asarray(same, np.bool_)
    return VerificationScore(
        eer=float(eer),
        threshold=float(min(threshold, np.max(np.asarray(scores, np.float64)))),
        min_dcf=float(costs.min() / min(target_share, 1 - target_share)),
        target_share=target_share,
        same=int(is_same.sum()),
        different=int((~is_same).sum()),
    )


def pair_scores(embeddings: npt.ArrayLike, speakers: npt.ArrayLike) -> tuple[Floats, Bools]:
    """Return the cosine of each pair of embeddings, and whether it is of one speaker.

    Args:
        embeddings: (n, E), any length.
        speakers: (n,).
    """
    rows, names = np.asarray(embeddings, np.float64), np.asarray(speakers)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    first, second = np.triu_indices(len(rows), 1)
    cosines = (rows @ rows.T)[first, second]
    return cosines, names[first] == names[second]


def fit_log_odds(scores: npt.ArrayLike, same: npt.ArrayLike) -> tuple[float, float]:
    """Return scale and shift that make log-odds of scores, at even odds before.

    Logistic regression in which both kinds of pairs weigh the same (Brümmer & du Preez 2006).

    Args:
        scores: (N,), higher for more alike.
        same: (N,), whether a pair is of one speaker.
    """
    values, is_same = np.asarray(scores, np.float64), np.asarray(same, np.bool_)
    weights = np.where(is_same, 0.5 / is_same.sum(), 0.5 / (~is_same).sum())
    x = np.stack([values, np.ones_like(values)], 1)
    solution = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ solution))
        hessian = (x * (weights * p * (1 - p))[:, None]).T @ x
        solution = solution - np.linalg.solve(
            hessian + 1e-9 * np.eye(2), x.T @ (weights * (p - is_same))
        )
    return float(solution[0]), float(solution[1])

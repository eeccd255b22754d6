"""Short sequences, each judged as a whole: heartbeats, cycles of a machine, gestures.

Legend: W windows, T window, C channels, Z components.

The error at each step of a window is divided by what it usually is there: a heartbeat's peak is
never met exactly, its rest is. Threshold and deviations come from normal sequences that no weight
was learned from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "PrincipalComponents",
    "SequenceAlarms",
    "SequenceEvaluation",
    "conformal_threshold",
    "fit_sequence_alarms",
]

Floats = npt.NDArray[np.floating[Any]]
MOST_WINDOWS = 5000  # that principal components are computed from


@dataclass(frozen=True)
class PrincipalComponents:
    """The linear autoencoder: a baseline, and where ours starts.

    Attributes:
        centre: (T * C,) mean window.
        axes: (Z, T * C) orthonormal.
    """

    centre: Floats
    axes: Floats

    @classmethod
    def fit(cls, windows: Floats, components: int) -> PrincipalComponents:
        """Return the components of windows (W, T, C); unit vectors fill up what few windows lack.

        Args:
            windows: evenly thinned out where there are very many.
            components: Z.
        """
        x = windows.reshape(len(windows), -1)[:: max(1, len(windows) // MOST_WINDOWS)]
        centre = x.mean(axis=0)
        axes = np.linalg.svd(x - centre, full_matrices=False)[2][:components]
        if len(axes) < components:
            axes = np.linalg.qr(np.concatenate([axes, np.eye(x.shape[1])]).T)[0].T[:components]
        return cls(centre, axes)

    def errors(self, windows: Floats) -> Floats:
        """Return what the components leave over of windows (W, T, C)."""
        x = windows.reshape(len(windows), -1) - self.centre
        return np.asarray(x - x @ self.axes.T @ self.axes).reshape(windows.shape)


@dataclass(frozen=True)
class SequenceAlarms:
    """From errors of windows to scores of sequences and of their steps.

    Attributes:
        deviation: (T, C) root of the mean squared error of held-out normal windows at each step.
        threshold: of a sequence's score.
        step_threshold: of a step's score.
        rate: share of normal sequences that is expected above the threshold.
        components: baseline with as many numbers as the code.
        held_out: by ``detector``, ``principal components`` and ``mean``: mean squared error of
            held-out normal windows, scaled.
    """

    deviation: Floats
    threshold: float
    step_threshold: float
    rate: float
    components: PrincipalComponents
    held_out: dict[str, float]

    def sequence_score(self, errors: Floats) -> float:
        """Return the score of a sequence: the largest of its windows' errors (W, T, C)."""
        return _sequence_score(errors, self.deviation)

    def judge(self, errors: Floats) -> dict[str, float]:
        """Return ``score``, ``threshold`` and ``anomaly`` (0, 1) of a sequence."""
        score = self.sequence_score(errors)
        anomaly = int(score > self.threshold)
        return {"score": score, "threshold": self.threshold, "anomaly": anomaly}

    def step_scores(self, errors: Floats) -> npt.NDArray[np.float64]:
        """Return the score of each step, over all windows (W, T, C) that hold it."""
        return _step_scores(errors, self.deviation)

    @property
    def warning(self) -> str:
        """What to say where a baseline does as well on held-out normal sequences, else empty."""
        ours = self.held_out["detector"]
        others = [name for name in self.held_out if name != "detector"]
        better = [name for name in others if self.held_out[name] <= 1.001 * ours]
        if not better:
            return ""
        return (
            f"The detector reconstructs held-out normal sequences no better than {better[0]} "
            f"({ours:.4g} against {self.held_out[better[0]]:.4g}). Train longer or give it more "
            "sequences; model.code_dim is the size of its code."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers that are no arrays."""
        names = ("threshold", "step_threshold", "rate", "held_out")
        return {name: getattr(self, name) for name in names}

    def arrays(self) -> dict[str, npt.NDArray[np.float32]]:
        """Return the arrays by name."""
        parts = {
            "deviation": self.deviation,
            "centre": self.components.centre,
            "axes": self.components.axes,
        }
        return {name: np.ascontiguousarray(part, np.float32) for name, part in parts.items()}

    @classmethod
    def from_parts(cls, numbers: dict[str, Any], arrays: dict[str, Floats]) -> SequenceAlarms:
        """Return what :meth:`as_dict` and :meth:`arrays` wrote."""
        components = PrincipalComponents(arrays["centre"], arrays["axes"])
        return cls(deviation=arrays["deviation"], components=components, **numbers)


def _sequence_score(errors: Floats, deviation: Floats) -> float:
    squares = np.square(errors / deviation, dtype=np.float64).mean(axis=(1, 2))
    return float(np.sqrt(squares.max()))


def _step_scores(errors: Floats, deviation: Floats) -> npt.NDArray[np.float64]:
    squares = np.square(errors / deviation, dtype=np.float64).mean(axis=2)  # (W, T)
    W, T = squares.shape
    total, count = np.zeros(W + T - 1), np.zeros(W + T - 1)
    for place in range(T):  # window w holds the step w + place
        total[place : place + W] += squares[:, place]
        count[place : place + W] += 1
    return np.asarray(np.sqrt(total / count))


def conformal_threshold(scores: Floats, quantile: float) -> tuple[float, float]:
    """Return the threshold that a new normal score exceeds with the share 1 - quantile, and this.

    It is the ceil((n + 1) quantile)-th smallest (Vovk et al. 2005); where there are too few for
    that, the largest, and the share is 1 / (n + 1).

    Args:
        scores: (n,) of normal sequences that nothing was learned from.
        quantile: 0 to 1.
    """
    n = len(scores)
    rank = min(math.ceil((n + 1) * quantile - 1e-9), n)
    return float(np.sort(scores)[rank - 1]), 1 - rank / (n + 1)


def fit_sequence_alarms(
    components: PrincipalComponents,
    windows: Sequence[Floats],
    errors: Sequence[Floats],
    quantile: float,
    margin: float,
) -> SequenceAlarms:
    """Return alarms fitted on held-out normal sequences.

    Args:
        components: of the training windows.
        windows: of each held-out sequence (W, T, C), scaled.
        errors: of the detector on them.
        quantile: of the normal scores below the threshold.
        margin: factor on the threshold.
    """
    pooled, x = np.concatenate(errors), np.concatenate(windows)
    usual = np.sqrt(np.square(pooled, dtype=np.float64).mean(axis=0))
    deviation = usual + 0.1 * np.sqrt(np.square(usual).mean()) + 1e-6  # some steps hardly vary
    scores = np.array([_sequence_score(part, deviation) for part in errors])
    steps = np.concatenate([_step_scores(part, deviation) for part in errors])
    threshold, rate = conformal_threshold(scores, quantile)
    mean = components.centre.reshape(x.shape[1:])
    return SequenceAlarms(
        deviation=deviation,
        threshold=threshold * margin,
        step_threshold=conformal_threshold(steps, quantile)[0] * margin,
        rate=rate,
        components=components,
        held_out={
            "detector": float(np.square(pooled).mean()),
            "principal components": float(np.square(components.errors(x)).mean()),
            "mean": float(np.square(x - mean).mean()),
        },
    )


@dataclass(frozen=True)
class SequenceEvaluation:
    """How well scores part anomalous sequences from normal ones.

    Attributes:
        auc: area under the receiver operating characteristic, by ``detector``, ``principal
            components`` and ``mean``.
        f1: of the detector's alarms.
        false_alarm_rate: share of normal sequences with an alarm.
        missed_alarm_rate: share of anomalous sequences without one.
    """

    auc: dict[str, float]
    f1: float
    false_alarm_rate: float
    missed_alarm_rate: float

    def __str__(self) -> str:
        rows = [f"{name:<22}{auc:>8.4f}" for name, auc in self.auc.items()]
        best = max(self.auc, key=lambda name: self.auc[name])
        rows = [f"{'':<22}{'AUC':>8}", *rows]
        rows.append(
            f"F1 {self.f1:.3f}, false alarms {self.false_alarm_rate:.1%}, missed "
            f"{self.missed_alarm_rate:.1%}"
        )
        if best != "detector":
            rows.append(f"{best} is better here.")
        return "\n".join(rows)

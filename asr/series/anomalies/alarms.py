"""From errors to alarms: smoothing, a score, and a threshold fitted on normal data.

n steps, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.config import check_choice, check_range

__all__ = ["SCORES", "AlarmConfig", "Alarms", "DetectionRates", "detection_rates", "fit_alarms"]

Floats = npt.NDArray[np.floating[Any]]
STEP_MARGIN = 4 / 3
SCORES = ("sum", "scaled", "mahalanobis")


@dataclass(frozen=True)
class AlarmConfig:
    """How errors become alarms.

    Attributes:
        smooth: steps over which errors are averaged, by an exponential moving average (1: none).
        score: ``sum`` of the absolute errors; ``scaled``: the sum after division by each channel's
            deviation; or ``mahalanobis`` distance (Malhotra et al. 2015, section 2), which takes
            the correlation of the channels' errors into account.
        quantile: of the scores of normal steps.
        margin: factor; the threshold is the quantile times this (0: 4/3 for steps of series, whose
            neighbours are alike, 1 for sequences).
    """

    smooth: float = 1.0
    score: str = "sum"
    quantile: float = 0.99
    margin: float = 0.0

    def __post_init__(self) -> None:
        check_choice("alarms.score", self.score, SCORES)
        check_range("alarms.smooth", self.smooth, 1)
        check_range("alarms.quantile", self.quantile, 0.5, 1)
        check_range("alarms.margin", self.margin, 0)


@dataclass(frozen=True)
class Alarms:
    """Turns errors (n, C) into scores; fitted on normal steps.

    Attributes:
        config: smoothing and kind of score.
        mean: (C,) of the smoothed errors.
        weight: (C, C); the score is the norm of ``weight @ (error - mean)``: the sum of absolute
            values, or the root of the sum of squares for ``mahalanobis``.
        threshold: of the score.
        rate: share of the normal steps above it.
    """

    config: AlarmConfig
    mean: list[float]
    weight: list[list[float]]
    threshold: float
    rate: float

    def smoothed(self, errors: Floats, carried: Floats | None = None) -> Floats:
        """Return moving averages (n, C) of errors (n, C).

        Args:
            errors: of consecutive steps.
            carried: (C,) the last average before them; None at the start of a series.
        """
        return _smoothed(errors, self.config.smooth, carried)

    def scores(self, smoothed: Floats) -> npt.NDArray[np.float64]:
        """Return the score of each step (n,)."""
        return _scores(smoothed, np.array(self.mean), np.array(self.weight), self.config.score)

    def as_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` takes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Alarms:
        """Return the alarms that :meth:`as_dict` wrote."""
        return cls(**{**content, "config": AlarmConfig(**content["config"])})


def _smoothed(errors: Floats, steps: float, carried: Floats | None) -> Floats:
    if steps <= 1:
        return errors
    share, out = 1 / steps, np.empty_like(errors, dtype=np.float64)
    past = np.asarray(errors[0] if carried is None else carried, np.float64)
    for at, error in enumerate(errors):
        past = past + share * (error - past)
        out[at] = past
    return out


def _scores(smoothed: Floats, mean: Floats, weight: Floats, kind: str) -> npt.NDArray[np.float64]:
    x = (np.asarray(smoothed, np.float64) - mean) @ weight.T
    return np.asarray(np.sqrt(np.square(x).sum(1)) if kind == "mahalanobis" else np.abs(x).sum(1))


def fit_alarms(errors: Sequence[Floats], config: AlarmConfig, skip: int = 0) -> Alarms:
    """Return alarms fitted on the errors (n, C) of normal series, without any labels.

    Args:
        errors: of each series.
        config: smoothing, kind of score and threshold.
        skip: first steps of each series to leave out.
    """
    parts = [_smoothed(part, config.smooth, None)[skip:] for part in errors]
    normal = np.concatenate(parts).astype(np.float64)
    mean, channels = normal.mean(axis=0), normal.shape[1]
    weight = np.eye(channels)
    if config.score == "scaled":
        weight = np.diag(1 / (normal.std(axis=0) + 1e-9))
    if config.score == "mahalanobis":
        covariance = np.cov(normal.T).reshape(channels, channels)
        # a thousandth of the mean variance on the diagonal: channels may be collinear
        covariance = covariance + 1e-3 * np.trace(covariance) / channels * np.eye(channels)
        # inverse = L L', so that |L' x|^2 = x' inverse x, the squared Mahalanobis distance
        weight = np.linalg.cholesky(np.linalg.inv(covariance)).T
    scores = _scores(normal, mean, weight, config.score)
    threshold = float(np.quantile(scores, config.quantile) * (config.margin or STEP_MARGIN))
    return Alarms(
        config=config,
        mean=mean.tolist(),
        weight=weight.tolist(),
        threshold=threshold,
        rate=float((scores > threshold).mean()),
    )


@dataclass(frozen=True)
class DetectionRates:
    """Agreement of alarms with labels, step by step.

    Attributes:
        f1: of the anomalous steps.
        false_alarm_rate: share of normal steps with an alarm.
        missed_alarm_rate: share of anomalous steps without one.
        steps: their number.
        anomalous: number of anomalous steps.
    """

    f1: float
    false_alarm_rate: float
    missed_alarm_rate: float
    steps: int
    anomalous: int


def detection_rates(labels: npt.NDArray[Any], alarms: npt.NDArray[Any]) -> DetectionRates:
    """Return the rates of ``alarms`` (n,) against ``labels`` (n,), both 0 or 1.

    A rate is NaN where it has nothing to count.
    """
    anomalous, alarmed = np.asarray(labels) > 0, np.asarray(alarms) > 0
    hits, false = int((anomalous & alarmed).sum()), int((~anomalous & alarmed).sum())
    missed, normal = int((anomalous & ~alarmed).sum()), int((~anomalous).sum())
    nan = float("nan")
    return DetectionRates(
        f1=2 * hits / (2 * hits + false + missed) if hits + false + missed else nan,
        false_alarm_rate=false / normal if normal else nan,
        missed_alarm_rate=missed / (hits + missed) if hits + missed else nan,
        steps=len(anomalous),
        anomalous=hits + missed,
    )

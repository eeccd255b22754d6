"""Time series: frames and their checks, scales, covariates; forecasting and anomaly detection."""

from asr.series.anomalies.alarms import DetectionRates, detection_rates
from asr.series.forecasting.baselines import BASELINES, fit_baseline
from asr.series.forecasting.metrics import (
    Accuracy,
    DirectionAccuracy,
    coverage,
    direction_accuracy,
    measure,
    naive_error,
)
from asr.series.frames import fill_gaps, long_frame, read_frame, split_series
from asr.series.lookback import autocorrelation, find_season, propose_lookback

__all__ = [
    "BASELINES",
    "Accuracy",
    "DetectionRates",
    "DirectionAccuracy",
    "autocorrelation",
    "coverage",
    "detection_rates",
    "direction_accuracy",
    "fill_gaps",
    "find_season",
    "fit_baseline",
    "long_frame",
    "measure",
    "naive_error",
    "propose_lookback",
    "read_frame",
    "split_series",
]

"""Time series: frames and their checks, scales, covariates; forecasting and anomaly detection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.lazy import lazily

if TYPE_CHECKING:
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

# Public name -> module; imported on first use, so that frames can be checked without torch.
_PUBLIC = {
    "Accuracy": "asr.series.forecasting.metrics",
    "BASELINES": "asr.series.forecasting.baselines",
    "DetectionRates": "asr.series.anomalies.alarms",
    "DirectionAccuracy": "asr.series.forecasting.metrics",
    "autocorrelation": "asr.series.lookback",
    "coverage": "asr.series.forecasting.metrics",
    "detection_rates": "asr.series.anomalies.alarms",
    "direction_accuracy": "asr.series.forecasting.metrics",
    "fill_gaps": "asr.series.frames",
    "find_season": "asr.series.lookback",
    "fit_baseline": "asr.series.forecasting.baselines",
    "long_frame": "asr.series.frames",
    "measure": "asr.series.forecasting.metrics",
    "naive_error": "asr.series.forecasting.metrics",
    "propose_lookback": "asr.series.lookback",
    "read_frame": "asr.series.frames",
    "split_series": "asr.series.frames",
}

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

__getattr__ = lazily(__name__, _PUBLIC)

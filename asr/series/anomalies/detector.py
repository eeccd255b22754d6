"""Anomalies in frames: fit on normal series, score, and score step by step. n steps, C channels."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import build_config
from asr.errors import DataError, ModelError, require
from asr.series.anomalies.training import (
    AnomalyConfig,
    FittedDetector,
    fit_detector,
    load_detector,
    save_detector,
    scaled_channels,
    series_errors,
)
from asr.series.frames import ID, TIME, Series, number_columns, split_series

if TYPE_CHECKING:
    import pandas as pd

    from asr.sequence import RecurrentState

__all__ = ["AnomalyDetector", "AnomalyStream"]

Floats = npt.NDArray[np.floating[Any]]


class AnomalyDetector:
    """A recurrent network that has learned what is normal, and a threshold on how far a step is
    from that.

    Args:
        window: steps read at once.
        kind: ``autoencoder`` (a window is squeezed into a code and spelled out again) or
            ``forecast`` (each step is forecast from those before; carries its state, so any step
            costs the same).
        columns: the channels; all columns of numbers by default.
        per_series: scales and thresholds of each series' own.
        quantile: the threshold is this quantile of the scores of the normal steps, times the
            margin.
        margin: the threshold is this quantile of the scores of the normal steps, times the margin.
        smooth: steps over which errors are averaged.
        score: sum, scaled or mahalanobis.
        max_epochs: of the training.
        batch_size: of the training.
        lr: of the training.
        random_state: of weights, order and noise.
        time_limit_s: end the training after so many seconds.
        settings: more of :class:`asr.series.anomalies.training.AnomalyConfig`, such as ``{"model":
            {"hidden_dim": 64}}``.

    Example:
        >>> detector = AnomalyDetector(window=32).fit(normal)  # doctest: +SKIP
        >>> detector.predict(new)[["ds", "score", "anomaly"]]  # doctest: +SKIP
    """

    def __init__(
        self,
        window: int = 32,
        kind: str = "autoencoder",
        *,
        columns: Sequence[str] = (),
        per_series: bool = False,
        quantile: float = 0.99,
        margin: float = 4 / 3,
        smooth: float = 1.0,
        score: str = "sum",
        max_epochs: int = 10,
        batch_size: int = 64,
        lr: float = 5e-3,
        random_state: int = 0,
        time_limit_s: float | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        layer = {
            "window": window,
            "batch_size": batch_size,
            "seed": random_state,
            "model": {"kind": kind},
            "data": {"columns": list(columns), "per_series": per_series},
            "optimizer": {"lr": lr},
            "alarms": {"quantile": quantile, "margin": margin, "smooth": smooth, "score": score},
            "trainer": {"max_epochs": max_epochs, "time_limit_s": time_limit_s or 0.0},
        }
        self.config = build_config(
            AnomalyConfig, layer, dict(settings or {}), where="AnomalyDetector"
        )
        self._fitted: FittedDetector | None = None

    def fit(self, df: Any) -> AnomalyDetector:
        """Learn from a frame of normal series (``ds``, perhaps ``unique_id``, a column a channel);
        return the detector.

        Raises:
            DataError: the frame has gaps, double or unsorted timestamps, constant columns, or too
            few steps.
        """
        columns = number_columns(df, self.config.data.columns)
        with tempfile.TemporaryDirectory(prefix="asr-anomaly-") as folder:
            self._fitted = fit_detector(
                self.config, split_series(df, columns, target=False), columns, Path(folder)
            )
        return self

    @property
    def fitted(self) -> FittedDetector:
        """Network, scales and alarms after :meth:`fit`.

        Raises:
            ModelError: nothing was fitted or loaded.
        """
        if self._fitted is None:
            raise ModelError(
                "This AnomalyDetector has not been fitted.",
                "Call fit(df) first, or AnomalyDetector.load(folder).",
            )
        return self._fitted

    def predict(self, df: Any) -> pd.DataFrame:
        """Return a row a step: ``unique_id``, ``ds``, ``score``, ``threshold`` and ``anomaly`` (0
        or 1).

        Raises:
            DataError: the frame cannot be used, or a channel is missing.
        """
        pd = require("pandas", "train")
        parts = []
        for one in split_series(df, self.fitted.columns, target=False):
            scores = self._scores(one)
            threshold = self.fitted.alarms[self.fitted.key(one.name)].threshold
            anomaly = (scores > threshold).astype(int)
            columns = {
                ID: one.name,
                TIME: one.ds,
                "score": scores,
                "threshold": threshold,
                "anomaly": anomaly,
            }
            parts.append(pd.DataFrame(columns))
        return pd.concat(parts, ignore_index=True)

    def _scores(self, one: Series) -> npt.NDArray[np.float64]:
        alarms = self.fitted.alarms[self.fitted.key(one.name)]
        return alarms.scores(
            alarms.smoothed(series_errors(self.fitted.task, scaled_channels(self.fitted, one)))
        )

    def stream(self, unique_id: str = "series") -> AnomalyStream:
        """Return a scorer of one series that takes its steps as they come.

        Raises:
            DataError: each series has scales of its own, and this one was not there in training.
        """
        return AnomalyStream(self.fitted, unique_id)

    def save(self, folder: str | Path) -> Path:
        """Write a model folder that :meth:`load` and ``asr predict`` read; return its path."""
        save_detector(self.fitted, Path(folder))
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> AnomalyDetector:
        """Return the detector in a model folder, or in a run folder of ``asr train``.

        Raises:
            ModelError: the folder holds no detector, or is damaged.
        """
        detector = cls()
        detector._fitted = load_detector(folder)
        detector.config = detector._fitted.config
        return detector


class AnomalyStream:
    """Scores of one series, step by step, equal to those of :meth:`AnomalyDetector.predict`.

    The detector ``forecast`` carries the state of its recurrent layers; ``autoencoder`` keeps the
    last window.
    """

    def __init__(self, fitted: FittedDetector, unique_id: str) -> None:
        key = fitted.key(unique_id)
        self.fitted, self.alarms = fitted, fitted.alarms[key]
        scalers = fitted.scalers[key]
        self.offset = np.array([scaler.offset for scaler in scalers])
        self.spread = np.array([scaler.spread for scaler in scalers])
        self.window: Floats | None = None
        self.state: RecurrentState | None = None
        self.expected = np.zeros(len(scalers), np.float32)
        self.carried: Floats | None = None

    @property
    def threshold(self) -> float:
        """Scores above it are anomalies."""
        return self.alarms.threshold

    @torch.inference_mode()
    def step(self, values: Mapping[str, float] | Sequence[float]) -> float:
        """Return the score of the next step.

        Args:
            values: by channel, or in the order of the channels in training.

        Raises:
            DataError: a channel is missing, or a value is missing or infinite.
        """
        x = ((self._numbers(values) - self.offset) / self.spread).astype(np.float32)
        error = (
            self._forecast_error(x)
            if self.fitted.task.config.model.kind == "forecast"
            else self._window_error(x)
        )
        smoothed = self.alarms.smoothed(error[None], self.carried)
        self.carried = smoothed[0]
        return float(self.alarms.scores(smoothed)[0])

    def _numbers(self, values: Mapping[str, float] | Sequence[float]) -> npt.NDArray[np.float64]:
        columns = self.fitted.columns
        if isinstance(values, Mapping):
            if missing := [name for name in columns if name not in values]:
                raise DataError(
                    f"The step lacks {', '.join(missing)}.", f"Give {', '.join(columns)}."
                )
            values = [values[name] for name in columns]
        numbers = np.asarray(values, np.float64)
        if numbers.shape != (len(columns),) or not np.isfinite(numbers).all():
            raise DataError(
                f"The step is {numbers.tolist()}, needed are {len(columns)} finite numbers.",
                f"Give {', '.join(columns)}.",
            )
        return numbers

    def _forecast_error(self, x: Floats) -> Floats:
        error = x - self.expected
        y, self.state = self.fitted.task(torch.from_numpy(x)[None, None], self.state)
        self.expected = y[0, 0].numpy()
        return error

    def _window_error(self, x: Floats) -> Floats:
        T = self.fitted.task.config.window
        window = (
            np.repeat(x[None], T, axis=0)
            if self.window is None
            else np.concatenate([self.window[1:], x[None]])
        )
        self.window = window
        return np.asarray(self.fitted.task.errors(torch.from_numpy(window)[None])[0].numpy())

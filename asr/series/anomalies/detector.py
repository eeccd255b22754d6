"""Anomalies in frames: fit on normal series, score frames, and score step by step.

Legend: n steps, C channels, T window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import as_dict, build_config
from asr.errors import DataError, ModelError, require
from asr.model_folder import Bundle
from asr.scoring.classification import area_under_curve
from asr.series.anomalies.alarms import DetectionRates, detection_rates
from asr.series.anomalies.config import AnomalyConfig
from asr.series.anomalies.model import FittedDetector
from asr.series.anomalies.sequences import SequenceAlarms, SequenceEvaluation
from asr.series.frames import ID, TIME, Series, as_pandas, number_columns, split_series
from asr.training.estimator import Estimator

if TYPE_CHECKING:
    import pandas as pd

    from asr.sequence import RecurrentState

__all__ = ["AnomalyDetector", "AnomalyStream"]

Floats = npt.NDArray[np.floating[Any]]


class AnomalyDetector(Estimator[FittedDetector]):
    """A recurrent network that has learned normal series, and a threshold on its errors.

    Args:
        window: steps read at once. By default, where there are ten series or more and none is long,
            an autoencoder reads each as a whole, and :meth:`predict_sequences` scores it as one;
            else 32.
        kind: ``autoencoder`` (a window is squeezed into a code and spelled out again) or
            ``forecast`` (each step is forecast from those before; carries its state, so any step
            costs the same).
        columns: the channels; all columns of numbers by default.
        id_col: column of frames that names the series.
        time_col: column of the steps.
        per_series: scales and thresholds of each series' own.
        quantile: of the scores of the normal steps; times ``margin`` it is the threshold.
        margin: factor on that quantile; 0: 4/3 for steps of series, 1 for sequences.
        smooth: steps over which errors are averaged.
        distance: from the channels' errors to one score: sum, scaled or mahalanobis.
        max_epochs: passes over the normal series, at most; the training ends when the error on held
            out ones has not fallen for eight.
        batch_size: windows in an optimizer step.
        learning_rate: its peak.
        validation_share: last share of each series that chooses the epoch, 0.05 to 0.5; or share of
            the sequences, which sets their threshold too.
        random_state: seed of weights, order and noise; None draws one.
        time_limit_s: end the training after so many seconds; None: no limit.
        run_dir: keeps the run folder (curves, checkpoints, model) there; None: a temporary one.
        config: further keys of :class:`asr.series.anomalies.config.AnomalyConfig`, such as
            ``{"model": {"hidden_dim": 64}}``; the arguments above go over it.

    Attributes:
        model_: :class:`asr.series.anomalies.model.FittedDetector`, after :meth:`fit`.
        config_: the training's :class:`asr.series.anomalies.config.AnomalyConfig`.

    Example:
        >>> detector = AnomalyDetector(window=32).fit(normal)  # doctest: +SKIP
        >>> detector.predict(new)[["ds", "score", "anomaly"]]  # doctest: +SKIP
    """

    def __init__(
        self,
        window: int | None = None,
        kind: str = "autoencoder",
        *,
        columns: Sequence[str] = (),
        id_col: str = ID,
        time_col: str = TIME,
        per_series: bool = False,
        quantile: float = 0.99,
        margin: float = 0.0,
        smooth: float = 1.0,
        distance: str = "sum",
        max_epochs: int = 60,
        batch_size: int = 64,
        learning_rate: float = 5e-3,
        validation_share: float = 0.2,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        time_limit_s: float | None = None,
        run_dir: str | Path | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.window, self.kind, self.columns, self.per_series = window, kind, columns, per_series
        self.id_col, self.time_col = id_col, time_col
        self.quantile, self.margin, self.smooth, self.distance = quantile, margin, smooth, distance
        self.max_epochs, self.batch_size, self.learning_rate = max_epochs, batch_size, learning_rate
        self.validation_share, self.random_state = validation_share, random_state
        self.time_limit_s, self.run_dir, self.config = time_limit_s, run_dir, config

    def fit(self, df: Any, y: None = None) -> AnomalyDetector:
        """Learn from a frame of normal series (``ds``, perhaps ``unique_id``, a column a channel).

        Args:
            df: pandas (or anything with ``to_pandas``).
            y: not used; scikit-learn's tools pass it.

        Raises:
            ConfigError: an argument is unknown or out of range.
            DataError: the frame has gaps, double or unsorted timestamps, constant columns, or too
                few steps.
        """
        from asr.series.anomalies.training import fit_detector

        self.config_ = self._config()
        frame = self.config_.data.names.inward(as_pandas(df))
        columns = number_columns(frame, self.config_.data.columns)
        series = split_series(frame, columns, target=False)
        with self._run_folder() as folder:
            self.model_ = fit_detector(self.config_, series, columns, folder, resume=False)
        self.config_ = self.model_.config
        return self

    def _config(self) -> AnomalyConfig:
        """Return the configuration that the arguments stand for."""
        arguments = {
            "window": self.window or 0,
            "batch_size": self.batch_size,
            "model": {"kind": self.kind},
            "data": {
                "columns": list(self.columns),
                "id_col": self.id_col,
                "time_col": self.time_col,
                "per_series": self.per_series,
                "val_share": self.validation_share,
            },
            "alarms": {
                "quantile": self.quantile,
                "margin": self.margin,
                "smooth": self.smooth,
                "score": self.distance,
            },
        }
        layers = (dict(self.config or {}), arguments)
        return self._configured(build_config(AnomalyConfig, *layers, where="AnomalyDetector"))

    def predict(self, df: Any) -> pd.DataFrame:
        """Return a row a step: ``unique_id``, ``ds``, ``score``, ``threshold``, ``anomaly`` (0, 1).

        A detector of sequences adds ``sequence_score``, ``sequence_threshold`` and
        ``sequence_anomaly``, the same at all steps of a sequence.

        Raises:
            NotFittedError: nothing was fitted or loaded.
            DataError: the frame cannot be used, or a channel is missing.
        """
        pd = require("pandas", "train")
        model, parts = self._fitted(), []
        names = model.config.data.names
        series = split_series(names.inward(as_pandas(df)), model.columns, target=False)
        errors = model.sequence_errors(series) if model.sequences is not None else None
        for at, one in enumerate(series):
            scores = model.scores(one) if errors is None else model.step_scores(errors[at])
            threshold = model.threshold(one.name)
            columns = {
                ID: one.name,
                TIME: one.ds,
                "score": scores,
                "threshold": threshold,
                "anomaly": (scores > threshold).astype(int),
            }
            if errors is not None:
                judged = self._sequence_alarms().judge(errors[at])
                columns |= {f"sequence_{name}": value for name, value in judged.items()}
            parts.append(pd.DataFrame(columns))
        return names.outward(pd.concat(parts, ignore_index=True))

    def predict_sequences(self, df: Any) -> pd.DataFrame:
        """Return a row a sequence: ``unique_id``, ``score``, ``threshold``, ``anomaly`` (0, 1).

        Raises:
            NotFittedError: nothing was fitted or loaded.
            ModelError: the detector was fitted on long series.
            DataError: the frame cannot be used, or a sequence is shorter than the window.
        """
        pd = require("pandas", "train")
        alarms, series = self._sequence_alarms(), self._sequences(df)
        pairs = zip(series, self.model_.sequence_errors(series), strict=True)
        rows = [{ID: one.name, **alarms.judge(errors)} for one, errors in pairs]
        return self.model_.config.data.names.outward(pd.DataFrame(rows))

    def _sequence_alarms(self) -> SequenceAlarms:
        alarms = self._fitted().sequences
        if alarms is None:
            raise ModelError(
                "This detector was fitted on long series, whose steps it scores.",
                "Fit an autoencoder on ten short sequences or more, each with a unique_id.",
            )
        return alarms

    def _sequences(self, df: Any) -> list[Series]:
        model = self._fitted()
        frame = model.config.data.names.inward(as_pandas(df))
        return split_series(frame, model.columns, target=False)

    def evaluate_sequences(self, df: Any, y: Any) -> SequenceEvaluation:
        """Return AUC beside that of principal components and the mean, and rates of the alarms.

        Args:
            df: normal and anomalous sequences.
            y: (n,) 1 for an anomalous sequence, 0 for a normal one, in the order of ``df``.

        Raises:
            NotFittedError: nothing was fitted or loaded.
            ModelError: the detector was fitted on long series.
            DataError: the frame cannot be used, or there is not one label a sequence.
        """
        alarms, series = self._sequence_alarms(), self._sequences(df)
        labels = np.asarray(y)
        if labels.shape != (len(series),):
            raise DataError(
                f"There are {len(series)} sequences and labels of the shape {labels.shape}.",
                "Give one label a sequence: 1 for an anomaly, else 0.",
            )
        components = alarms.components
        mean = components.centre.reshape(alarms.deviation.shape)
        ours, linear, constant = [], [], []
        for one, errors in zip(series, self.model_.sequence_errors(series), strict=True):
            windows = self.model_.windows(one)
            ours.append(alarms.sequence_score(errors))
            squares = np.square(components.errors(windows)).mean(axis=(1, 2))
            linear.append(float(squares.max()))
            constant.append(float(np.square(windows - mean).mean(axis=(1, 2)).max()))
        scores = {"detector": ours, "principal components": linear, "mean": constant}
        rates = detection_rates(labels, np.array(ours) > alarms.threshold)
        return SequenceEvaluation(
            auc={name: _auc(labels, s) for name, s in scores.items()},
            f1=rates.f1,
            false_alarm_rate=rates.false_alarm_rate,
            missed_alarm_rate=rates.missed_alarm_rate,
        )

    def score(self, df: Any, y: Any) -> float:
        """Return F1 of the anomalous steps: 0 to 1, as scikit-learn's ``f1_score``.

        Args:
            df: series with normal and anomalous steps.
            y: (n,) 1 for anomalous rows of ``df``, 0 for normal ones.
        """
        return self.evaluate(df, y).f1

    def evaluate(self, df: Any, y: Any) -> DetectionRates:
        """Return F1, false and missed alarms against labels.

        Args:
            df: series with normal and anomalous steps.
            y: (n,) 1 for anomalous rows of ``df``, 0 for normal ones.

        Raises:
            NotFittedError: nothing was fitted or loaded.
            DataError: the frame cannot be used, or there is not one label a row.
        """
        labels = np.asarray(y)
        if labels.shape != (len(df),):
            raise DataError(
                f"There are {len(df)} rows and labels of the shape {labels.shape}.",
                "Give one label a row: 1 for an anomaly, else 0.",
            )
        alarms = self.predict(df)["anomaly"].to_numpy()
        frame = self.model_.config.data.names.inward(as_pandas(df))
        return detection_rates(labels[_row_order(frame)], alarms)

    def stream(self, unique_id: str = "series") -> AnomalyStream:
        """Return a scorer of one series that takes its steps as they come.

        Raises:
            NotFittedError: nothing was fitted or loaded.
            ModelError: the detector was fitted on short sequences.
            DataError: each series has scales of its own, and this one was not there in training.
        """
        if self._fitted().sequences is not None:
            raise ModelError(
                "This detector judges short sequences as wholes.", "Call predict_sequences."
            )
        return AnomalyStream(self._fitted(), unique_id)

    def save(self, folder: str | Path) -> Path:
        """Write a model folder that :meth:`load` and ``asr predict`` read; return its path."""
        self._fitted().save(Path(folder))
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> AnomalyDetector:
        """Return the detector in a model folder, or in a run folder of ``asr train``.

        Raises:
            ModelError: the folder holds no detector, or is damaged.
        """
        model = FittedDetector.load(folder)
        config = model.config
        detector = cls(
            config.window,
            config.model.kind,
            columns=model.columns,
            id_col=config.data.id_col,
            time_col=config.data.time_col,
            per_series=config.data.per_series,
            quantile=config.alarms.quantile,
            margin=config.alarms.margin,
            smooth=config.alarms.smooth,
            distance=config.alarms.score,
            max_epochs=config.trainer.max_epochs,
            batch_size=config.batch_size,
            learning_rate=config.optimizer.lr,
            validation_share=config.data.val_share,
            random_state=config.seed,
            config={"model": as_dict(config.model)},
        )
        detector.model_, detector.config_ = model, config
        return detector


def _auc(labels: npt.NDArray[Any], scores: Sequence[float]) -> float:
    area = area_under_curve(labels > 0, np.array(scores))
    return float("nan") if area is None else area


def _row_order(frame: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the row numbers of a frame in the order of ``predict``: series by series."""
    if ID not in frame.columns:
        return np.arange(len(frame))
    groups = frame.reset_index(drop=True).groupby(ID, sort=False)
    return np.concatenate([rows.index.to_numpy() for _, rows in groups])


class AnomalyStream:
    """Scores of one series, step by step, equal to those of :meth:`AnomalyDetector.predict`.

    The detector ``forecast`` carries the state of its recurrent layers; ``autoencoder`` keeps the
    last window.

    Args:
        model: the trained detector.
        unique_id: name of the series.
    """

    def __init__(self, model: FittedDetector, unique_id: str) -> None:
        key = model.key(unique_id)
        self.model, self.alarms = model, model.alarms[key]
        scalers = model.scalers[key]
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
        forecasts = self.model.network.config.model.kind == "forecast"
        error = self._forecast_error(x) if forecasts else self._window_error(x)
        smoothed = self.alarms.smoothed(error[None], self.carried)
        self.carried = smoothed[0]
        return float(self.alarms.scores(smoothed)[0])

    def _numbers(self, values: Mapping[str, float] | Sequence[float]) -> npt.NDArray[np.float64]:
        columns = self.model.columns
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
        y, self.state = self.model.network(torch.from_numpy(x)[None, None], self.state)
        self.expected = y[0, 0].numpy()
        return error

    def _window_error(self, x: Floats) -> Floats:
        T = self.model.network.config.window
        # Before the first whole window, the first step stands in for what is missing.
        past = np.repeat(x[None], T, axis=0) if self.window is None else self.window
        self.window = np.concatenate([past[1:], x[None]])
        return np.asarray(self.model.network.errors(torch.from_numpy(self.window)[None])[0].numpy())

"""Forecasts from frames: fit, predict, and figures beside the baselines.

Legend: W windows, h horizon, Q quantiles.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.config import build_config
from asr.errors import ConfigError, DataError, ModelError, require
from asr.model_folder import open_bundle
from asr.series.forecasting.baselines import BASELINES, Baseline
from asr.series.forecasting.ensemble import NETWORK, Ensemble, fit_baselines, fit_ensemble
from asr.series.forecasting.evaluation import (
    Evaluation,
    joined,
    judge,
    network_at,
    own_units,
    scaled_values,
)
from asr.series.forecasting.training import (
    FittedForecast,
    ForecastConfig,
    fit_forecast,
    load_forecast,
    save_forecast,
)
from asr.series.frames import ID, TIME, Series, split_series
from asr.series.panels import cut

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Forecaster"]

Floats = npt.NDArray[np.float64]
USUAL_BASELINES = ("repeat_last", "seasonal_naive", "linear")


class Forecaster:
    """A recurrent network that forecasts ``h`` steps of series from their last ``lookback`` steps,
    all at once.

    Args:
        h: steps ahead.
        lookback: steps back; proposed from the autocorrelation by default.
        loss: mae, mse, huber or quantile; quantile where ``levels`` are given.
        levels: of the intervals in percent, such as (80, 95).
        past_columns: covariate columns known up to the present.
        future_columns: known ahead; predict needs them.
        calendar: cycles of the timestamp to read: minute, hour, weekday, day, yearday, month.
        joint: read all series together; by default each is read alone, with weights that all share.
        scaling: zscore, minmax or none, fitted on the training part.
        log: of the logarithm, for positive series.
        ensemble: baselines to average with the network, by weights fitted on the validation part:
            repeat_last, seasonal_naive, linear, auto_arima, auto_ets.
        freq: time step, where it cannot be told from the timestamps.
        max_epochs: of the training.
        batch_size: of the training.
        lr: of the training.
        random_state: of weights, order and dropout.
        time_limit_s: end the training after so many seconds.
        settings: more of :class:`asr.series.forecasting.training.ForecastConfig`, such as
            ``{"model": {"hidden_dim": 128}}``.

    Example:
        >>> forecaster = Forecaster(h=12, levels=(80,)).fit(frame)  # doctest: +SKIP
        >>> forecaster.predict(frame)[["ds", "yhat", "yhat_lo_80", "yhat_hi_80"]]  # doctest: +SKIP
    """

    def __init__(
        self,
        h: int,
        lookback: int | None = None,
        *,
        loss: str | None = None,
        levels: Sequence[float] = (),
        past_columns: Sequence[str] = (),
        future_columns: Sequence[str] = (),
        calendar: Sequence[str] = (),
        joint: bool = False,
        scaling: str = "zscore",
        log: bool = False,
        ensemble: Sequence[str] = (),
        freq: str | None = None,
        max_epochs: int = 50,
        batch_size: int = 64,
        lr: float = 2e-3,
        random_state: int = 0,
        time_limit_s: float | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        layer = {
            "h": h,
            "lookback": lookback or 0,
            "loss": loss or ("quantile" if levels else "mae"),
            "levels": [float(level) for level in levels],
            "seed": random_state,
            "batch_size": batch_size,
            "data": {
                "past_columns": list(past_columns),
                "future_columns": list(future_columns),
                "calendar": list(calendar),
                "joint": joint,
                "scaling": scaling,
                "log": log,
                "freq": freq or "",
            },
            "optimizer": {"lr": lr},
            "trainer": {
                "max_epochs": max_epochs,
                "patience": max(5, max_epochs // 5),
                "time_limit_s": time_limit_s or 0.0,
            },
        }
        self.config = build_config(ForecastConfig, layer, dict(settings or {}), where="Forecaster")
        for name in ensemble:
            if name not in BASELINES:
                raise ConfigError(
                    f"ensemble: {name!r} is unknown.", f"Choose from: {', '.join(BASELINES)}."
                )
        self.ensemble = tuple(ensemble)
        self._fitted: FittedForecast | None = None
        self._ensemble: Ensemble | None = None
        self._recent: list[Series] = []

    # ------------------------------------------------------------------------------------------
    # learning

    def fit(self, df: Any) -> Forecaster:
        """Learn from a frame with ``unique_id``, ``ds``, ``y`` and the covariates; return the
        forecaster itself.

        Raises:
            DataError: the frame has gaps, double or unsorted timestamps, constant columns, or too
            few steps.
        """
        self._fit_series(self._split(df))
        return self

    def _fit_series(self, series: Sequence[Series]) -> None:
        with tempfile.TemporaryDirectory(prefix="asr-forecast-") as folder:
            self._fitted = fit_forecast(self.config, series, Path(folder))
        self._ensemble = fit_ensemble(self._fitted, series, self.ensemble)
        self._recent = list(series)

    @property
    def fitted(self) -> FittedForecast:
        """Network, layout and configuration after :meth:`fit`.

        Raises:
            ModelError: nothing was fitted or loaded.
        """
        if self._fitted is None:
            raise ModelError(
                "This Forecaster has not been fitted.",
                "Call fit(df) first, or Forecaster.load(folder).",
            )
        return self._fitted

    def _split(self, df: Any) -> list[Series]:
        data = self.config.data
        return split_series(df, [*data.past_columns, *data.future_columns], data.freq or None)

    # ------------------------------------------------------------------------------------------
    # forecasting

    def predict(self, df: Any = None, future: Any = None) -> pd.DataFrame:
        """Return the next ``h`` steps of each series: ``unique_id``, ``ds``, ``yhat`` and the ends
        of the intervals.

        Args:
            df: the series up to the present, at least ``lookback`` steps of each; what was fitted
                by default.
            future: ``unique_id``, ``ds`` and the future columns of those steps.

        Raises:
            DataError: the frame cannot be used, is shorter than the lookback, or a future column is
            missing.
        """
        series = self._split(df) if df is not None else self._recent
        if not series:
            raise DataError("A loaded Forecaster holds no series.", "Give them: predict(df).")
        self._check_lengths(series)
        ahead = self._split_future(future)
        values = self._ahead(series, ahead)
        return self._frame(series, values)

    def _check_lengths(self, series: Sequence[Series]) -> None:
        lookback = self.fitted.config.lookback
        for one in series:
            if len(one) < lookback:
                raise DataError(
                    f"Series {one.name} has {len(one)} steps; the model looks back {lookback}.",
                    "Give more of its past.",
                )
            if one.grid.freq != self.fitted.layout.freq:
                raise DataError(
                    f"Series {one.name} has the time step {one.grid.freq}, the model was trained on "
                    f"{self.fitted.layout.freq}.",
                    "Resample the series.",
                )

    def _split_future(self, future: Any) -> dict[str, Series] | None:
        columns = self.config.data.future_columns
        if future is None or not columns:
            if future is not None:
                raise DataError(
                    "This model was trained without future columns.", "Leave future out."
                )
            return None
        freq = self.fitted.layout.freq
        return {one.name: one for one in split_series(future, columns, freq, target=False)}

    def _ahead(
        self, series: Sequence[Series], ahead: dict[str, Series] | None
    ) -> dict[str, Floats]:
        """Return (h, Q) of each series, in its own units."""
        fitted, h = self.fitted, self.config.h
        origins = [[len(one)] for one in series]
        panels = fitted.layout.panels(series, ahead, h)
        scaled = network_at(fitted, series, panels, origins)
        return {
            one.name: own_units(fitted, one, self._mixed(one, scaled[one.name][0]))
            for one in series
        }

    def _mixed(self, history: Series, scaled: Floats) -> Floats:
        return (
            scaled
            if self._ensemble is None
            else self._ensemble.mix(scaled, scaled_values(self.fitted, history))
        )

    def _frame(self, series: Sequence[Series], values: Mapping[str, Floats]) -> pd.DataFrame:
        pd = require("pandas", "train")
        parts = []
        for one in series:
            ds = one.grid.ahead(one.ds[-1], self.config.h)
            parts.append(pd.DataFrame({ID: one.name, TIME: ds, **self._columns(values[one.name])}))
        return pd.concat(parts, ignore_index=True)

    def _columns(self, values: Floats) -> dict[str, Floats]:
        """Columns of (h, Q): the point forecast and the ends of the intervals."""
        columns = {"yhat": values[:, values.shape[1] // 2]}
        quantiles = self.config.quantiles
        for level in sorted(self.config.levels):
            low, high = round((50 - level / 2) / 100, 6), round((50 + level / 2) / 100, 6)
            columns[f"yhat_lo_{level:g}"] = values[:, quantiles.index(low)]
            columns[f"yhat_hi_{level:g}"] = values[:, quantiles.index(high)]
        return columns

    # ------------------------------------------------------------------------------------------
    # judging

    def evaluate(
        self,
        df: Any,
        windows: int = 10,
        step: int | None = None,
        baselines: Sequence[str] = USUAL_BASELINES,
    ) -> Evaluation:
        """Forecast from ``windows`` origins at the end of each series and compare with what came,
        and with baselines.

        Args:
            df: history and test part; the origins must lie after everything that was learned from.
            windows: origins.
            step: steps between them (h by default).
            baselines: see :mod:`asr.series.forecasting.baselines`; they learn from what the network
                learned from, and forecast from the same history.

        Raises:
            DataError: the origins reach back into what was learned from.
        """
        series = self._split(df)
        self._check_lengths(series)
        origins = [self._origins(one, windows, step or self.config.h) for one in series]
        learned = [cut(one, self._learned(one)) for one in series]
        for one, at, past in zip(series, origins, learned, strict=True):
            if at[0] < len(past):
                raise DataError(
                    f"The first of {windows} origins of series {one.name} is {one.ds[at[0]]}, but the model "
                    f"learned from everything up to {past.ds[-1]}.",
                    "Ask for fewer windows, fit on less, or call cross_validate(df), which fits on what comes before.",
                )
        return judge(
            self.fitted,
            series,
            origins,
            self._baselines(baselines, learned),
            self._mixed,
            self._columns,
        )

    def _baselines(self, names: Sequence[str], learned: Sequence[Series]) -> dict[str, Baseline]:
        return fit_baselines(self.fitted, names, learned)

    def _origins(self, one: Series, windows: int, step: int) -> list[int]:
        h, lookback = self.config.h, self.fitted.config.lookback
        first = len(one) - h - (windows - 1) * step
        if windows < 1 or step < 1 or first < lookback:
            most = max(0, (len(one) - h - lookback) // max(1, step) + 1)
            raise DataError(
                f"Series {one.name} has {len(one)} steps, too few for {windows} windows {step} apart.",
                f"It allows up to {most}.",
            )
        return list(range(first, len(one) - h + 1, step))

    def _learned(self, one: Series) -> int:
        until = self.fitted.learned_until.get(one.name)
        steps = [str(at) for at in one.ds]
        return steps.index(until) + 1 if until in steps else 0

    def cross_validate(
        self,
        df: Any,
        windows: int = 3,
        step: int | None = None,
        baselines: Sequence[str] = USUAL_BASELINES,
        refit: bool = False,
    ) -> Evaluation:
        """Fit on what comes before the last ``windows`` origins, then judge as :meth:`evaluate`; it
        stays fitted so.

        Args:
            refit: fit anew before every origin, on all that comes before it.
        """
        series, step = self._split(df), step or self.config.h
        for one in series:
            if len(one) <= windows * step + self.config.h:
                raise DataError(
                    f"Series {one.name} has {len(one)} steps, too few to fit before {windows} windows {step} apart.",
                    "Ask for fewer windows.",
                )
        last = [len(one) - self.config.h for one in series]
        if not refit:
            before = [
                cut(one, at - (windows - 1) * step) for one, at in zip(series, last, strict=True)
            ]
            self._fit_series(before)
            return self.evaluate(df, windows, step, baselines)
        parts = []
        for number in reversed(range(windows)):
            stops = [at - number * step for at in last]
            learned = [cut(one, stop) for one, stop in zip(series, stops, strict=True)]
            self._fit_series(learned)
            upto = [cut(one, stop + self.config.h) for one, stop in zip(series, stops, strict=True)]
            found = self._baselines(baselines, learned)
            parts.append(
                judge(
                    self.fitted, upto, [[stop] for stop in stops], found, self._mixed, self._columns
                )
            )
        return joined(parts)

    # ------------------------------------------------------------------------------------------
    # keeping

    def save(self, folder: str | Path) -> Path:
        """Write a model folder that :meth:`load`, ``asr predict`` and ``asr report`` read; return
        its path.
        """
        extra = {} if self._ensemble is None else {"ensemble": self._ensemble.as_dict()}
        save_forecast(self.fitted, Path(folder), extra)
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path) -> Forecaster:
        """Return the forecaster in a model folder, or in a run folder of ``asr train``.

        Raises:
            ModelError: the folder holds no forecaster, or is damaged.
        """
        bundle = open_bundle(folder, task="forecast")
        fitted = load_forecast(bundle)
        forecaster = cls(h=fitted.config.h)
        forecaster.config, forecaster._fitted = fitted.config, fitted
        if content := bundle.config.get("ensemble"):
            forecaster._ensemble = Ensemble.from_dict(fitted, content)
            forecaster.ensemble = tuple(
                name for name in forecaster._ensemble.weights if name != NETWORK
            )
        return forecaster

"""Forecasts from frames: fit, predict, and figures beside the baselines.

Legend: W windows, h horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr.config import as_dict, build_config, check_range
from asr.errors import ConfigError, DataError, require
from asr.model_folder import Bundle
from asr.series.forecasting.baselines import USUAL_ENSEMBLE
from asr.series.forecasting.config import ForecastConfig
from asr.series.forecasting.ensemble import NETWORK, fit_baselines
from asr.series.forecasting.evaluation import OURS, Evaluation, joined, judge
from asr.series.forecasting.fitted import FittedForecaster
from asr.series.forecasting.model import ForecastModel
from asr.series.frames import ID, TARGET, TIME, Series, as_pandas, split_series
from asr.series.panels import cut
from asr.series.statics import with_static
from asr.training.estimator import Estimator

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FittedForecaster", "Forecaster"]

USUAL_BASELINES = ("repeat_last", "seasonal_naive", "linear")


class Forecaster(Estimator[FittedForecaster]):
    """A recurrent network that forecasts ``h`` steps of series from the last ``lookback`` steps.

    All ``h`` steps are forecast at once.

    Args:
        h: steps ahead.
        lookback: steps back; proposed from the autocorrelation by default.
        loss: mae, mse, huber or quantile; None: quantile where ``levels`` are given, else mae.
        levels: of the intervals in percent, such as (80, 95).
        calibration: of the intervals, on data that no weight was learned from: adaptive (the latest
            errors count, and the level asked for is corrected by hits and misses), rolling (the
            latest errors), split (once, in training) or none; see
            :mod:`asr.series.forecasting.conformal`.
        past_columns: covariate columns known up to the present.
        future_columns: known ahead; predict needs them.
        static_columns: columns that do not change within a series, of numbers or texts; looked at
            by :meth:`fit` only.
        calendar: cycles of the timestamp to read: minute, hour, weekday, day, yearday, month; and
            holidays of a country or a part of it, such as ``holidays:DE`` or ``holidays:US-CA``.
        joint: read all series together; by default each is read alone, with weights that all share.
        scaling: zscore, minmax or none, fitted on the training part.
        log: scale the logarithm, for positive series.
        ensemble: baselines to average with the network, by weights fitted on the validation part,
            so that the better one counts: repeat_last, seasonal_naive, linear, auto_arima,
            auto_ets; none: the network alone.
        freq: time step, where it cannot be told from the timestamps.
        id_col: column of frames that names the series.
        time_col: column of the steps.
        target_col: column of the values.
        max_epochs: passes over the training part, at most.
        batch_size: windows in an optimizer step.
        learning_rate: its peak.
        validation_share: last share of each series that chooses the epoch, at least ``h`` steps.
        random_state: seed of weights, order and dropout; None draws one.
        time_limit_s: end the training after so many seconds; None: no limit.
        run_dir: keeps the run folder (curves, checkpoints, model) there; None: a temporary one.
        config: further keys of :class:`asr.series.forecasting.config.ForecastConfig`, such as
            ``{"model": {"hidden_dim": 128}}``; the arguments above go over it.

    Attributes:
        model_: :class:`FittedForecaster`, after :meth:`fit`.
        config_: the training's :class:`asr.series.forecasting.config.ForecastConfig`.

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
        calibration: str = "adaptive",
        past_columns: Sequence[str] = (),
        future_columns: Sequence[str] = (),
        static_columns: Sequence[str] = (),
        calendar: Sequence[str] = (),
        joint: bool = False,
        scaling: str = "zscore",
        log: bool = False,
        ensemble: Sequence[str] = USUAL_ENSEMBLE,
        freq: str | None = None,
        id_col: str = ID,
        time_col: str = TIME,
        target_col: str = TARGET,
        max_epochs: int = 50,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        validation_share: float = 0.2,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
        time_limit_s: float | None = None,
        run_dir: str | Path | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.h, self.lookback, self.loss, self.levels = h, lookback, loss, levels
        self.calibration = calibration
        self.past_columns, self.future_columns = past_columns, future_columns
        self.static_columns = static_columns
        self.calendar, self.joint, self.scaling, self.log = calendar, joint, scaling, log
        self.ensemble, self.freq = ensemble, freq
        self.id_col, self.time_col, self.target_col = id_col, time_col, target_col
        self.max_epochs, self.batch_size, self.learning_rate = max_epochs, batch_size, learning_rate
        self.validation_share, self.random_state = validation_share, random_state
        self.time_limit_s, self.run_dir, self.config = time_limit_s, run_dir, config

    # ----------------------------------------------------------------------------------------------
    # learning

    def fit(self, df: Any, y: None = None) -> Forecaster:
        """Learn from a frame with ``unique_id``, ``ds``, ``y`` and the covariates.

        Args:
            df: pandas (or anything with ``to_pandas``), one row a series and step.
            y: not used; scikit-learn's tools pass it.

        Raises:
            ConfigError: an argument is unknown or out of range.
            DataError: the frame has gaps, double or unsorted timestamps, constant columns, or too
                few steps.
        """
        config = self._config()
        return self._fit_series(config, self._learned(df, config))

    def _config(self) -> ForecastConfig:
        """Return the configuration that the arguments stand for."""
        arguments = {
            "h": self.h,
            "lookback": self.lookback or 0,
            "loss": self.loss or ("quantile" if self.levels else "mae"),
            "levels": [float(level) for level in self.levels],
            "calibration": self.calibration,
            "ensemble": list(self.ensemble),
            "batch_size": self.batch_size,
            "data": {
                "past_columns": list(self.past_columns),
                "future_columns": list(self.future_columns),
                "static_columns": list(self.static_columns),
                "calendar": list(self.calendar),
                "joint": self.joint,
                "scaling": self.scaling,
                "log": self.log,
                "freq": self.freq or "",
                "id_col": self.id_col,
                "time_col": self.time_col,
                "target_col": self.target_col,
                "val_share": self.validation_share,
            },
        }
        epochs = self.max_epochs or ForecastConfig().trainer.max_epochs
        patience = {"trainer": {"patience": max(5, epochs // 5)}}
        layers = (patience, dict(self.config or {}), arguments)
        return self._configured(build_config(ForecastConfig, *layers, where="Forecaster"))

    def _fit_series(self, config: ForecastConfig, series: Sequence[Series]) -> Forecaster:
        from asr.series.forecasting.training import fit_forecast

        with self._run_folder() as folder:
            fitted = fit_forecast(config, series, folder, resume=False)
        self.model_ = replace(fitted, recent=list(series))
        self.config_ = fitted.config
        return self

    @staticmethod
    def _split(df: Any, config: ForecastConfig) -> list[Series]:
        data = config.data
        frame = data.names.inward(as_pandas(df))
        return split_series(frame, [*data.past_columns, *data.future_columns], data.freq or None)

    def _learned(self, df: Any, config: ForecastConfig) -> list[Series]:
        """Return the series to learn from, with what is static."""
        frame = config.data.names.inward(as_pandas(df))
        return with_static(self._split(df, config), frame, config.data.static_columns)

    # ----------------------------------------------------------------------------------------------
    # forecasting

    def predict(self, df: Any = None, future: Any = None, *, h: int | None = None) -> pd.DataFrame:
        """Return the next steps: ``unique_id``, ``ds``, ``yhat`` and the ends of intervals.

        Args:
            df: the series up to the present, at least ``lookback`` steps of each; what was fitted
                by default. Steps after the training data show how the intervals did so far.
            future: ``unique_id``, ``ds`` and the future columns of the ``h`` steps of the fit.
            h: steps ahead, at most those of the fit, which are the default.

        Raises:
            NotFittedError: nothing was fitted or loaded.
            ConfigError: ``h`` is longer than the forecaster was fitted for.
            DataError: the frame cannot be used, is shorter than the lookback, or a future column is
                missing.
        """
        pd = require("pandas", "train")
        learned, series = self._fitted(), self._given(df)
        model = learned.model
        h = model.config.h if h is None else h
        check_range("h", h, 1, model.config.h)
        ahead = _split_future(model, future)
        forecasts = learned.forecast(series, [[len(one)] for one in series], ahead)
        parts = []
        for one in series:
            columns = {name: column[:h] for name, column in forecasts[one.name][0].items()}
            ds = one.grid.ahead(one.ds[-1], h)
            parts.append(pd.DataFrame({ID: one.name, TIME: ds, **columns}))
        return model.config.data.names.outward(pd.concat(parts, ignore_index=True))

    def simulate(self, df: Any = None, paths: int = 100, future: Any = None) -> pd.DataFrame:
        """Return possible courses of the next ``h`` steps: ``unique_id``, ``path``, ``ds``, ``y``.

        Sums and maxima over the horizon have a distribution over paths, which the ends of the
        intervals at each step do not give.

        Args:
            df: see :meth:`predict`.
            paths: of each series, drawn with the seed of the configuration.
            future: see :meth:`predict`.

        Raises:
            NotFittedError: nothing was fitted or loaded.
            ConfigError: the forecaster was fitted without a calibration.
            DataError: see :meth:`predict`.
        """
        pd = require("pandas", "train")
        learned, series = self._fitted(), self._given(df)
        if learned.calibration is None:
            raise ConfigError(
                "This forecaster has no calibration to draw paths from.",
                "Fit with calibration=adaptive.",
            )
        rng = np.random.default_rng(learned.config.seed)
        ahead = _split_future(learned.model, future)
        drawn = learned.paths(series, paths, rng, ahead)
        parts = [
            pd.DataFrame(
                {
                    ID: one.name,
                    "path": np.repeat(np.arange(paths), learned.config.h),
                    TIME: np.tile(one.grid.ahead(one.ds[-1], learned.config.h), paths),
                    TARGET: drawn[one.name].ravel(),
                }
            )
            for one in series
        ]
        return learned.config.data.names.outward(pd.concat(parts, ignore_index=True))

    def _given(self, df: Any) -> list[Series]:
        """Return the series of a frame, or what was fitted, checked for a forecast."""
        learned = self._fitted()
        series = self._split(df, learned.config) if df is not None else learned.recent
        if not series:
            raise DataError("A loaded Forecaster holds no series.", "Give them: predict(df).")
        _check_lengths(learned.model, series)
        return series

    # ----------------------------------------------------------------------------------------------
    # judging

    def score(
        self, df: Any, y: None = None, *, windows: int = 10, step: int | None = None
    ) -> float:
        """Return R2 of the point forecasts, as scikit-learn's regressors do; see :meth:`evaluate`.

        Args:
            df: history and test part.
            y: not used; scikit-learn's tools pass it.
            windows: origins at the end of each series.
            step: steps between them (h by default).
        """
        return self.evaluate(df, windows, step, baselines=()).figures[OURS].r2

    def evaluate(
        self,
        df: Any,
        windows: int = 10,
        step: int | None = None,
        baselines: Sequence[str] = USUAL_BASELINES,
    ) -> Evaluation:
        """Forecast from ``windows`` origins at the end of each series; compare with the truth.

        Args:
            df: history and test part; the origins must lie after everything that was learned from.
            windows: origins.
            step: steps between them (h by default).
            baselines: see :mod:`asr.series.forecasting.baselines`; they learn from what the network
                learned from, and forecast from the same history.

        Raises:
            NotFittedError: nothing was fitted or loaded.
            DataError: the origins reach back into what was learned from.
        """
        learned = self._fitted()
        model = learned.model
        series = self._split(df, model.config)
        _check_lengths(model, series)
        origins = [_origins(model, one, windows, step or model.config.h) for one in series]
        past = [cut(one, model.learned_steps(one)) for one in series]
        for one, at, known in zip(series, origins, past, strict=True):
            if at[0] < len(known):
                raise DataError(
                    f"The first of {windows} origins of series {one.name} is {one.ds[at[0]]}, but "
                    f"the model learned from everything up to {known.ds[-1]}.",
                    "Ask for fewer windows, fit on less, or call cross_validate(df), which fits on "
                    "what comes before.",
                )
        others = fit_baselines(model, baselines, past)
        return _named(model, judge(learned, series, origins, others))

    def cross_validate(
        self,
        df: Any,
        windows: int = 3,
        step: int | None = None,
        baselines: Sequence[str] = USUAL_BASELINES,
        refit: bool = False,
    ) -> Evaluation:
        """Fit on what comes before the last ``windows`` origins, then :meth:`evaluate` there.

        The forecaster stays fitted so.

        Args:
            df: one row a series and step.
            windows: origins.
            step: steps between them (h by default).
            baselines: see :meth:`evaluate`.
            refit: fit anew before every origin, on all that comes before it.
        """
        config = self._config()
        series, step = self._learned(df, config), step or config.h
        for one in series:
            if len(one) <= windows * step + config.h:
                raise DataError(
                    f"Series {one.name} has {len(one)} steps, too few to fit before {windows} "
                    f"windows {step} apart.",
                    "Ask for fewer windows.",
                )
        if not refit:
            self._fit_series(config, _before(series, config.h, (windows - 1) * step))
            return self.evaluate(df, windows, step, baselines)
        parts = []
        for number in reversed(range(windows)):
            past = _before(series, config.h, number * step)
            self._fit_series(config, past)
            model = self.model_.model
            others = fit_baselines(model, baselines, past)
            known = [cut(one, len(p) + config.h) for one, p in zip(series, past, strict=True)]
            parts.append(judge(self.model_, known, [[len(p)] for p in past], others))
        return _named(model, joined(parts))

    # ----------------------------------------------------------------------------------------------
    # keeping

    def save(self, folder: str | Path) -> Path:
        """Write a model folder that :meth:`load`, ``asr predict`` and ``asr report`` read.

        Returns its path.
        """
        self._fitted().save(Path(folder))
        return Path(folder)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> Forecaster:
        """Return the forecaster in a model folder, or in a run folder of ``asr train``.

        Raises:
            ModelError: the folder holds no forecaster, or is damaged.
        """
        fitted = FittedForecaster.load(folder)
        config, data, ensemble = fitted.config, fitted.config.data, fitted.ensemble
        forecaster = cls(
            config.h,
            config.lookback,
            loss=config.loss,
            levels=config.levels,
            calibration=config.calibration,
            past_columns=data.past_columns,
            future_columns=data.future_columns,
            static_columns=data.static_columns,
            calendar=data.calendar,
            joint=data.joint,
            scaling=data.scaling,
            log=data.log,
            ensemble=[name for name in ensemble.weights if name != NETWORK] if ensemble else (),
            freq=data.freq or None,
            id_col=data.id_col,
            time_col=data.time_col,
            target_col=data.target_col,
            max_epochs=config.trainer.max_epochs,
            batch_size=config.batch_size,
            learning_rate=config.optimizer.lr,
            validation_share=data.val_share,
            random_state=config.seed,
            config={"model": as_dict(config.model)},
        )
        forecaster.model_, forecaster.config_ = fitted, config
        return forecaster


def _check_lengths(model: ForecastModel, series: Sequence[Series]) -> None:
    """Raise DataError where a series is shorter than the lookback, or has another time step."""
    lookback = model.config.lookback
    for one in series:
        if len(one) < lookback:
            raise DataError(
                f"Series {one.name} has {len(one)} steps; the model looks back {lookback}.",
                "Give more of its past.",
            )
        if one.grid.freq != model.layout.freq:
            raise DataError(
                f"Series {one.name} has the time step {one.grid.freq}, the model was trained on "
                f"{model.layout.freq}.",
                "Resample the series.",
            )


def _named(model: ForecastModel, evaluation: Evaluation) -> Evaluation:
    """Return an evaluation whose frame has the user's names of columns."""
    names = model.config.data.names
    return replace(evaluation, forecasts=names.outward(evaluation.forecasts))


def _split_future(model: ForecastModel, future: Any) -> dict[str, Series] | None:
    """Return the rows known ahead by series, or None where there are none."""
    columns = model.config.data.future_columns
    if future is None:
        return None
    if not columns:
        raise DataError("This model was trained without future columns.", "Leave future out.")
    frame = model.config.data.names.inward(as_pandas(future))
    rows = split_series(frame, columns, model.layout.freq, target=False)
    return {one.name: one for one in rows}


def _origins(model: ForecastModel, one: Series, windows: int, step: int) -> list[int]:
    """Return the last ``windows`` origins of a series, ``step`` apart."""
    h, lookback = model.config.h, model.config.lookback
    first = len(one) - h - (windows - 1) * step
    if windows < 1 or step < 1 or first < lookback:
        most = max(0, (len(one) - h - lookback) // max(1, step) + 1)
        raise DataError(
            f"Series {one.name} has {len(one)} steps, too few for {windows} windows {step} apart.",
            f"It allows up to {most}.",
        )
    return list(range(first, len(one) - h + 1, step))


def _before(series: Sequence[Series], h: int, steps: int) -> list[Series]:
    """Return what comes before an origin that lies ``h + steps`` before each series' end."""
    return [cut(one, len(one) - h - steps) for one in series]

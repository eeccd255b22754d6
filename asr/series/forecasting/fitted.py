"""A fitted forecaster: network, ensemble and calibration; forecasts with intervals that hold.

Legend: W windows, h horizon, Q quantiles, L levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.model_folder import Bundle, open_model
from asr.series.forecasting.config import ForecastConfig
from asr.series.forecasting.conformal import Calibration, KnownWindows, margins_over
from asr.series.forecasting.ensemble import Ensemble, fit_ensemble
from asr.series.forecasting.model import ForecastModel
from asr.series.frames import Series

__all__ = ["FittedForecaster", "complete"]

Floats = npt.NDArray[np.float64]
FILE = "calibration.safetensors"
MOST_WINDOWS = 2000  # of a calibration
MOST_NUMBERS = 1_000_000  # in it: a few megabytes
MOST_PAST = 100  # windows of a series that are forecast again to see how the intervals did
MOST_KNOWN = 20_000  # of them, over all series


@dataclass(frozen=True)
class FittedForecaster:
    """What a forecaster has learned.

    Attributes:
        model: network, columns and scales.
        ensemble: mixes it with baselines; None: the network alone.
        calibration: of the intervals; None: the network's own quantiles.
        recent: the series that it was fitted on; none of a loaded one.
    """

    model: ForecastModel
    ensemble: Ensemble | None = None
    calibration: Calibration | None = None
    recent: list[Series] = field(default_factory=list)

    @property
    def config(self) -> ForecastConfig:
        """How it was trained."""
        return self.model.config

    def scaled(
        self,
        series: Sequence[Series],
        origins: Sequence[Sequence[int]],
        ahead: Mapping[str, Series] | None = None,
        *,
        calibrated: bool = True,
    ) -> dict[str, Floats]:
        """Return forecasts (W, h, Q) on the model's scale; see :meth:`ForecastModel.predict`.

        Args:
            series: history.
            origins: of each series, the steps first predicted.
            ahead: by series, rows with the columns known ahead.
            calibrated: whether the intervals are calibrated afterwards.
        """
        forecasts = self.model.predict(series, origins, ahead)
        if self.ensemble is None:
            return forecasts
        mixed = {}
        for one, starts in zip(series, origins, strict=True):
            values = self.model.scaled(one)
            pairs = zip(forecasts[one.name], starts, strict=True)
            mixed[one.name] = np.stack(
                [self.ensemble.mix(f, values[:at], calibrated) for f, at in pairs]
            )
        return mixed

    def errors(self, one: Series, starts: Sequence[int], scaled: Floats) -> Floats:
        """Return truth less forecast (W, h, Q) in spreads, of windows whose truth is there."""
        values, h = self.model.scaled(one), self.config.h
        truth = np.stack([values[at : at + h] for at in starts])
        return (truth[..., None] - scaled) / self._spreads(values, starts)

    def _spreads(self, values: Floats, starts: Sequence[int]) -> Floats:
        return np.array([self.model.spread(values, at) for at in starts])[:, None, None]

    def forecast(
        self,
        series: Sequence[Series],
        origins: Sequence[Sequence[int]],
        ahead: Mapping[str, Series] | None = None,
    ) -> dict[str, list[dict[str, Floats]]]:
        """Return the forecasts of each series from each of its origins, in its own units.

        Each is a mapping of columns (h,): ``yhat`` and the ends of the intervals.

        Args:
            series: history; beyond an origin nothing of it is read but columns known ahead.
            origins: of each series, the steps first predicted; its length for what comes next.
            ahead: by series, rows with the columns known ahead of ``h`` steps after its end.

        Raises:
            DataError: a series was not there in training, or its columns do not fit.
        """
        scaled = self.scaled(series, origins, ahead, calibrated=self.calibration is not None)
        needed = self._margins(series, origins)
        forecasts = {}
        for one, starts in zip(series, origins, strict=True):
            values = self.model.scaled(one)
            scaler = self.model.layout.scalers[one.name]
            rows = []
            for at, quantiles in zip(starts, scaled[one.name], strict=True):
                margin = needed.get(at - len(one))
                if margin is not None:
                    margin = margin * self.model.spread(values, at)
                columns = self._columns(quantiles, margin)
                rows.append({name: scaler.invert(column) for name, column in columns.items()})
            forecasts[one.name] = rows
        return forecasts

    def paths(
        self,
        series: Sequence[Series],
        count: int,
        rng: np.random.Generator,
        ahead: Mapping[str, Series] | None = None,
    ) -> dict[str, Floats]:
        """Return ``count`` ways (count, h) in which each series may go on, in its own units.

        Each is the forecast and the errors of one window of the calibration, at all its steps
        together, so that the steps of a path belong together.
        """
        assert self.calibration is not None
        starts = [[len(one)] for one in series]
        scaled, errors = self.scaled(series, starts, ahead), self.calibration.errors
        known = self._known(series, 0, 0)
        pool = np.concatenate([errors, known.errors.reshape(-1, *errors.shape[1:])])[-len(errors) :]
        paths = {}
        for one in series:
            values = self.model.scaled(one)
            drawn = pool[rng.integers(len(pool), size=count)][..., pool.shape[-1] // 2]
            middle = scaled[one.name][0, :, scaled[one.name].shape[-1] // 2]
            coming = middle + drawn * self.model.spread(values, len(one))
            paths[one.name] = self.model.layout.scalers[one.name].invert(coming)
        return paths

    def _columns(self, quantiles: Floats, margin: Floats | None) -> dict[str, Floats]:
        """Return ``yhat`` and the ends of the intervals, each level's around that of the lower.

        Args:
            quantiles: (h, Q) of the network.
            margin: (L, h) that the intervals are widened by; None: not at all.
        """
        levels, Q = sorted(self.config.levels), quantiles.shape[1]
        columns = {"yhat": quantiles[:, Q // 2]}
        low = high = columns["yhat"]
        for number, level in enumerate(levels):
            outer = len(levels) - 1 - number if Q > 1 else 0
            wider = 0.0 if margin is None else margin[number]
            low = np.minimum(low, quantiles[:, outer] - wider)
            high = np.maximum(high, quantiles[:, Q - 1 - outer] + wider)
            columns |= {f"yhat_lo_{level:g}": low, f"yhat_hi_{level:g}": high}
        return columns

    def _margins(
        self, series: Sequence[Series], origins: Sequence[Sequence[int]]
    ) -> dict[int, Floats]:
        """Return the margins (L, h) by origin, counted from the end of the series."""
        config = self.config
        if self.calibration is None or not config.levels:
            return {}
        wanted = {
            at - len(one) for one, starts in zip(series, origins, strict=True) for at in starts
        }
        known = KnownWindows()
        if config.calibration != "split":
            known = self._known(series, min(wanted), max(wanted))
        levels = [level / 100 for level in sorted(config.levels)]
        return margins_over(self.calibration, known, wanted, levels, config.calibration)

    def _known(self, series: Sequence[Series], earliest: int, latest: int) -> KnownWindows:
        """Return the errors after the training data that origins from ... to may look back on."""
        h, lookback, starts = self.config.h, self.config.lookback, []
        few = latest - earliest + (MOST_PAST // 10 if _is_slow(self.ensemble) else MOST_PAST)
        for one in series:
            first = max(self.model.learned_steps(one), lookback)
            last = len(one) + latest - h
            starts.append(range(max(first, last - few + 1), last + 1))
        chosen = [(one, at) for one, at in zip(series, starts, strict=True) if len(at)]
        if not self.model.layout.joint:  # of very many series, some tell how the intervals did
            chosen = chosen[:: 1 + sum(len(at) for _, at in chosen) // MOST_KNOWN]
        if not chosen or (self.model.layout.joint and len(chosen) < len(series)):
            return KnownWindows()
        scaled = self.scaled([one for one, _ in chosen], [at for _, at in chosen])
        errors = np.concatenate([self.errors(one, at, scaled[one.name]) for one, at in chosen])
        lags = np.concatenate([np.array(at) - len(one) for one, at in chosen])
        order = np.argsort(lags, kind="stable")
        return KnownWindows(errors[order], lags[order])

    # ----------------------------------------------------------------------------------------------
    # keeping

    def save(self, folder: Path) -> None:
        """Write the model folder."""
        from safetensors.numpy import save_file

        extra = {} if self.ensemble is None else {"ensemble": self.ensemble.as_dict()}
        errors = None if self.calibration is None else self.calibration.errors

        def also(target: Path) -> None:
            if errors is not None:
                save_file({"errors": errors.astype(np.float32)}, target / FILE)

        self.model.save(folder, extra, also)

    @classmethod
    def load(cls, folder: str | Path | Bundle) -> FittedForecaster:
        """Return the forecaster in a model folder.

        Raises:
            ModelError: the folder is no forecaster, or is damaged.
        """
        from safetensors.numpy import load_file

        bundle = open_model(folder, task="forecast")
        model = ForecastModel.load(bundle)
        content, calibration = bundle.config.get("ensemble"), None
        if FILE in bundle.files:
            errors = load_file(bundle.file(FILE))["errors"]
            calibration = Calibration(errors.astype(np.float64))
        return cls(model, Ensemble.from_dict(model, content) if content else None, calibration)


def _is_slow(ensemble: Ensemble | None) -> bool:
    """Return whether members are fitted anew to each history."""
    used = {} if ensemble is None else ensemble.weights
    return any(name.startswith("auto_") and weight > 0 for name, weight in used.items())


def complete(model: ForecastModel, series: Sequence[Series]) -> FittedForecaster:
    """Return a trained network with its ensemble and the calibration of its intervals.

    Both come from the validation part, of which no weight of the network was learned.

    Args:
        model: the network.
        series: what it was trained on.
    """
    config = model.config
    fitted = FittedForecaster(model, fit_ensemble(model, series, config.ensemble))
    if config.calibration == "none":
        return fitted
    origins = [
        range(len(one) - config.validation_steps(one), len(one) - config.h + 1) for one in series
    ]
    width = config.h * fitted.model.network.config.num_outputs
    most = min(MOST_WINDOWS, max(1, MOST_NUMBERS // width))
    if not model.layout.joint:
        every = -(-len(series) // most)
        series, origins = series[::every], origins[::every]
    stride = max(1, -(-sum(map(len, origins)) // most))
    if _is_slow(fitted.ensemble):
        stride = max(stride, config.h // 2)
    chosen = [starts[::-stride][::-1] for starts in origins]  # the latest one always
    scaled = fitted.scaled(series, chosen)
    parts = [
        (at - len(one), errors)
        for one, starts in zip(series, chosen, strict=True)
        for at, errors in zip(starts, fitted.errors(one, starts, scaled[one.name]), strict=True)
    ]
    parts.sort(key=lambda part: part[0])
    errors = np.stack([errors for _, errors in parts]).astype(np.float32)  # as they are stored
    return FittedForecaster(model, fitted.ensemble, Calibration(errors.astype(np.float64)))

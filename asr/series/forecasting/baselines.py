"""Baselines for every forecast: last value, seasonal naive, linear, AutoARIMA and AutoETS."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.errors import ConfigError, require

__all__ = ["BASELINES", "USUAL_ENSEMBLE", "Baseline", "Linear", "fit_baseline", "mixed_linear"]

Floats = npt.NDArray[np.float64]
Baseline = Callable[[Floats], Floats]
"""History (n,) -> forecast (h,)."""

BASELINES = ("repeat_last", "seasonal_naive", "linear", "auto_arima", "auto_ets")
USUAL_ENSEMBLE = ("seasonal_naive", "linear")  # cheap, and often better than a network
RIDGE = 1e-2  # penalty as a share of the mean squared input
WINDOWS_AT_ONCE = 4096  # all windows of a long series may not fit into memory


def fit_baseline(
    name: str, training: Sequence[Floats], h: int, season: int, lookback: int
) -> Baseline:
    """Return a forecaster by its name.

    Args:
        name: one of :data:`BASELINES`.
        training: training parts (n,) of series on one scale; the linear model learns from all of
            them together, AutoARIMA and AutoETS are fitted anew to each history that they are asked
            about.
        h: horizon.
        season: period in steps.
        lookback: of the linear model.

    Raises:
        ConfigError: the name is unknown.
        MissingDependencyError: statsforecast is needed and not installed.
    """
    if name == "repeat_last":
        return lambda history: np.full(h, history[-1])
    if name == "seasonal_naive":
        return lambda history: _seasonal_naive(history, h, season)
    if name == "linear":
        return _linear(training, h, lookback)
    if name in ("auto_arima", "auto_ets"):
        models = require("statsforecast.models", "series")
        kind = {"auto_arima": models.AutoARIMA, "auto_ets": models.AutoETS}[name]
        return lambda history: np.asarray(
            kind(season_length=season).forecast(history, h)["mean"], np.float64
        )
    raise ConfigError(f"The baseline {name!r} is unknown.", f"Choose from: {', '.join(BASELINES)}.")


def _seasonal_naive(history: Floats, h: int, season: int) -> Floats:
    return np.resize(history[-season:], h)  # the last season, repeated


@dataclass(frozen=True)
class Linear:
    """The next h values as a linear map of the last ``lookback``, all relative to the last one.

    NLinear (Zeng et al. 2023, section 4), fitted by ridge regression in closed form.

    Attributes:
        weights: (lookback + 1, h), the last row being the intercept; (1, h) of zeros repeats the
            last value.
    """

    weights: Floats

    def __call__(self, history: Floats) -> Floats:
        """History (n,) -> forecast (h,)."""
        lookback = len(self.weights) - 1
        recent = history[len(history) - lookback :]
        return np.asarray(_centred(recent[None], history[-1:])[0] @ self.weights + history[-1])


def mixed_linear(parts: Sequence[Linear], weights: Floats) -> Linear:
    """Return the weighted sum of linear maps, which is one itself; weights (M,) add up to 1."""
    size = max(len(part.weights) for part in parts)
    padded = [np.pad(part.weights, ((size - len(part.weights), 0), (0, 0))) for part in parts]
    return Linear(np.tensordot(weights, np.stack(padded), 1))


def _linear(training: Sequence[Floats], h: int, lookback: int) -> Linear:
    """Return the ridge regression of h values on the lookback before them, over all windows.

    The normal equations ``(X'X + penalty) W = X'Y`` are summed up window by window.
    """
    size = lookback + 1
    gram, moment = np.zeros((size, size)), np.zeros((size, h))
    for values in training:
        if len(values) < lookback + h:
            continue
        rows = np.lib.stride_tricks.sliding_window_view(values, lookback + h)
        for start in range(0, len(rows), WINDOWS_AT_ONCE):
            part = rows[start : start + WINDOWS_AT_ONCE]
            last = part[:, lookback - 1]
            x, y = _centred(part[:, :lookback], last), part[:, lookback:] - last[:, None]
            gram += x.T @ x
            moment += x.T @ y
    if not gram.any():
        return Linear(np.zeros((1, h)))
    penalty = np.full(size, RIDGE * np.trace(gram[:-1, :-1]) / lookback + 1e-12)
    penalty[-1] = 0
    return Linear(np.asarray(np.linalg.solve(gram + np.diag(penalty), moment), np.float64))


def _centred(x: Floats, last: Floats) -> Floats:
    """Return inputs relative to their last value, and a column of ones for the intercept."""
    return np.concatenate([x - last[:, None], np.ones((len(x), 1))], axis=1)

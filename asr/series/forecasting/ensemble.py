"""A network and baselines averaged, by weights that the validation part decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.series.forecasting.baselines import Baseline, Linear, fit_baseline
from asr.series.forecasting.evaluation import network_at, scaled_values
from asr.series.forecasting.training import FittedForecast, val_size
from asr.series.frames import Series
from asr.series.panels import cut

__all__ = ["NETWORK", "Ensemble", "fit_baselines", "fit_ensemble"]

Floats = npt.NDArray[np.float64]
NETWORK = "network"


@dataclass(frozen=True)
class Ensemble:
    """Weights by member, the network's among them; they are not negative and add up to 1."""

    weights: dict[str, float]
    members: dict[str, Baseline]

    def mix(self, scaled: Floats, history: Floats) -> Floats:
        """Shift a network's forecast (h, Q) to the weighted mean; the widths of its intervals stay."""
        middle = scaled[:, scaled.shape[1] // 2]
        mixed = self.weights[NETWORK] * middle
        for name, member in self.members.items():
            if self.weights[name] > 0:
                mixed = mixed + self.weights[name] * member(history)
        return scaled + (mixed - middle)[:, None]

    def as_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` takes."""
        linear = self.members.get("linear")
        return {
            "weights": self.weights,
            "linear": linear.weights.tolist() if isinstance(linear, Linear) else None,
        }

    @classmethod
    def from_dict(cls, fitted: FittedForecast, content: Mapping[str, Any]) -> Ensemble:
        """Return the ensemble that :meth:`as_dict` wrote."""
        names = [name for name in content["weights"] if name != NETWORK]
        members = fit_baselines(fitted, names, [])
        if content["linear"] is not None:
            members["linear"] = Linear(np.array(content["linear"]))
        return cls(dict(content["weights"]), members)


def fit_baselines(
    fitted: FittedForecast, names: Sequence[str], learned: Sequence[Series]
) -> dict[str, Baseline]:
    """Return baselines by name that have learned from ``learned``, on the model's scale."""
    config, season = fitted.config, fitted.layout.season
    scaled = [scaled_values(fitted, one) for one in learned]
    return {name: fit_baseline(name, scaled, config.h, season, config.lookback) for name in names}


def fit_ensemble(
    fitted: FittedForecast, series: Sequence[Series], names: Sequence[str]
) -> Ensemble | None:
    """Return the ensemble with the least squared error on the validation part; None where no names
    are given.

    The baselines learn from what comes before that part, so that their weights are honest.
    """
    if not names:
        return None
    config = fitted.config
    training = [cut(one, len(one) - val_size(one, config)) for one in series]
    members = fit_baselines(fitted, names, training)
    stride = max(1, config.h // 2)
    origins = [
        range(len(past), len(one) - config.h + 1, stride)
        for past, one in zip(training, series, strict=True)
    ]
    network = network_at(
        fitted, series, fitted.layout.panels(series), [list(starts) for starts in origins]
    )
    truth, columns = [], []
    for one, starts in zip(series, origins, strict=True):
        values = scaled_values(fitted, one)
        for at, forecast in zip(starts, network[one.name], strict=True):
            truth.append(values[at : at + config.h])
            columns.append(
                [
                    forecast[:, forecast.shape[1] // 2],
                    *(member(values[:at]) for member in members.values()),
                ]
            )
    found = _weights(np.concatenate(truth), np.concatenate(columns, axis=1))
    return Ensemble(dict(zip([NETWORK, *names], found.tolist(), strict=True)), members)


def _weights(truth: Floats, forecasts: Floats) -> Floats:
    """Weights (M,) of forecasts (M, n), not negative, with the sum 1 and the least squared error."""
    from scipy.optimize import nnls

    heavy = (
        1e3 * np.sqrt(len(truth)) * max(1e-6, float(np.abs(forecasts).max()))
    )  # holds the sum at 1
    system = np.concatenate([forecasts.T, np.full((1, len(forecasts)), heavy)])
    weights = nnls(system, np.append(truth, heavy))[0]
    return np.asarray(weights / weights.sum())

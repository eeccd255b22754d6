"""Ensemble of a network and baselines, with weights fitted on the validation part.

Legend: h horizon, Q quantiles, M members.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.series.forecasting.baselines import Baseline, Linear, fit_baseline, mixed_linear
from asr.series.forecasting.model import ForecastModel
from asr.series.frames import Series
from asr.series.panels import cut

__all__ = ["NETWORK", "Ensemble", "fit_baselines", "fit_ensemble"]

Floats = npt.NDArray[np.float64]
NETWORK = "network"
MOST_WINDOWS = 20_000  # that weights are fitted on, and one of each series at least
SHORTER = (2, 4)  # parts of the lookback that linear models read too; a long one overfits


@dataclass(frozen=True)
class Ensemble:
    """Members and their weights.

    Attributes:
        weights: by member, the network's among them; none is negative, and their sum is 1.
        members: baselines by name, on the model's scale.
    """

    weights: dict[str, float]
    members: dict[str, Baseline]

    def mix(self, scaled: Floats, history: Floats, calibrated: bool = False) -> Floats:
        """Return a forecast (h, Q) shifted to the weighted mean.

        Args:
            scaled: of the network.
            history: (n,) scaled values up to the present, for the baselines.
            calibrated: whether intervals get their width from a calibration; the network's share of
                it is then its weight. Else they keep the width that the network gives them.
        """
        middle = scaled[:, scaled.shape[1] // 2]
        mixed = self.weights[NETWORK] * middle
        for name, member in self.members.items():
            if self.weights[name] > 0:
                mixed = mixed + self.weights[name] * member(history)
        share = self.weights[NETWORK] if calibrated else 1.0
        return mixed[:, None] + share * (scaled - middle[:, None])

    def as_dict(self) -> dict[str, Any]:
        """Return what :meth:`from_dict` takes."""
        linear = self.members.get("linear")
        return {
            "weights": self.weights,
            "linear": linear.weights.tolist() if isinstance(linear, Linear) else None,
        }

    @classmethod
    def from_dict(cls, model: ForecastModel, content: Mapping[str, Any]) -> Ensemble:
        """Return the ensemble that :meth:`as_dict` wrote."""
        names = [name for name in content["weights"] if name != NETWORK]
        members = fit_baselines(model, names, [])
        if content["linear"] is not None:
            members["linear"] = Linear(np.array(content["linear"]))
        return cls(dict(content["weights"]), members)


def fit_baselines(
    model: ForecastModel, names: Sequence[str], learned: Sequence[Series]
) -> dict[str, Baseline]:
    """Return baselines by name that have learned from ``learned``, on the model's scale."""
    config, season = model.config, model.layout.season
    scaled = [model.scaled(one) for one in learned]
    return {name: fit_baseline(name, scaled, config.h, season, config.lookback) for name in names}


def fit_ensemble(
    model: ForecastModel, series: Sequence[Series], names: Sequence[str]
) -> Ensemble | None:
    """Return the ensemble with the least squared error on the validation part.

    The baselines learn from what comes before that part, so that their weights are honest. The
    linear one is a mixture of such that read the whole lookback, half and a quarter of it.

    Args:
        model: the network.
        series: what it was trained on.
        names: of the baselines; none gives no ensemble (None).
    """
    if not names:
        return None
    h, lookback = model.config.h, model.config.lookback
    training = [cut(one, len(one) - model.config.validation_steps(one)) for one in series]
    members = fit_baselines(model, names, training)
    further: list[Baseline] = []  # linear ones
    if "linear" in members:
        scaled = [model.scaled(one) for one in training]
        spans = [lookback // share for share in SHORTER if lookback >= share]
        further = [fit_baseline("linear", scaled, h, model.layout.season, n) for n in spans]
    steps = sum(len(one) - len(past) for past, one in zip(training, series, strict=True))
    stride = max(1, h // 2, steps // MOST_WINDOWS)
    origins = [
        range(len(past), len(one) - h + 1, stride)
        for past, one in zip(training, series, strict=True)
    ]
    network = model.predict(series, origins)
    truth, columns = [], []
    for one, starts in zip(series, origins, strict=True):
        values = model.scaled(one)
        for at, forecast in zip(starts, network[one.name], strict=True):
            truth.append(values[at : at + h])
            middle = forecast[:, forecast.shape[1] // 2]
            others = (member(values[:at]) for member in (*members.values(), *further))
            columns.append([middle, *others])
    weights = _weights(np.concatenate(truth), np.concatenate(columns, axis=1))
    found = dict(zip([NETWORK, *names], weights[: 1 + len(names)].tolist(), strict=True))
    shares = np.append(found.get("linear", 0.0), weights[1 + len(names) :])
    if further and shares.sum() > 0:
        parts = [part for part in (members["linear"], *further) if isinstance(part, Linear)]
        members["linear"] = mixed_linear(parts, shares / shares.sum())
        found["linear"] = float(shares.sum())
    return Ensemble(found, members)


def _weights(truth: Floats, forecasts: Floats) -> Floats:
    """Return weights (M,) of forecasts (M, n): least squared error, none negative, sum 1."""
    from scipy.optimize import nnls

    # Non-negative least squares with one more, heavy equation: the weights add up to 1.
    heavy = 1e3 * np.sqrt(len(truth)) * max(1e-6, float(np.abs(forecasts).max()))
    system = np.concatenate([forecasts.T, np.full((1, len(forecasts)), heavy)])
    weights = nnls(system, np.append(truth, heavy))[0]
    return np.asarray(weights / weights.sum())

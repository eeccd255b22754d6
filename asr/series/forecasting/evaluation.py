"""Rolling-origin evaluation (Tashman 2000).

Legend: W windows, h horizon, C targets, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from asr.errors import require
from asr.series.forecasting.baselines import Baseline
from asr.series.forecasting.metrics import Accuracy, coverage, measure
from asr.series.forecasting.training import FittedForecast
from asr.series.frames import ID, TARGET, TIME, Series
from asr.series.panels import cut
from asr.series.windows import Panel, WindowLoader

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Evaluation", "joined", "judge", "network_at", "own_units", "scaled_values"]

Floats = npt.NDArray[np.float64]
OURS = "forecaster"
Origins = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Evaluation:
    """Forecasts from several origins beside what came, and their figures.

    Attributes:
        figures: by forecaster (``forecaster``, then the baselines), in the units of the series.
        by_step: (h,) mean absolute error at each step ahead.
        coverage: share of the truth inside each level's interval.
        forecasts: frame with ``unique_id``, ``cutoff`` (last step known), ``ds``, ``y``, ``yhat``,
            the ends of the intervals, ``naive`` (what MASE divides by) and a column a baseline.
    """

    figures: dict[str, Accuracy]
    by_step: dict[str, list[float]]
    coverage: dict[float, float]
    forecasts: pd.DataFrame

    def __str__(self) -> str:
        rows = [f"{'':<16}{'MAE':>12}{'MSE':>14}{'R2':>8}{'MASE':>8}"]
        for name, a in self.figures.items():
            rows.append(f"{name:<16}{a.mae:>12.4g}{a.mse:>14.4g}{a.r2:>8.3f}{a.mase:>8.3f}")
        rows += [
            f"interval {level:g} %: {share:.1%} of the truth inside"
            for level, share in self.coverage.items()
        ]
        return "\n".join(rows)

    def plot(self) -> Figure:
        """Draw the mean absolute error at each step ahead, a line a forecaster."""
        from asr.plots import curves

        lines = {
            name: (list(range(1, len(errors) + 1)), errors) for name, errors in self.by_step.items()
        }
        return curves(lines, "step ahead", "mean absolute error")


def scaled_values(fitted: FittedForecast, one: Series) -> Floats:
    """Return the values of a series (n,) on the model's scale."""
    return (
        fitted.layout.scalers[one.name].apply(one.values, f"Series {one.name}").astype(np.float64)
    )


def own_units(fitted: FittedForecast, one: Series, scaled: Floats) -> Floats:
    """Return forecasts (h, Q) in the units of the series, quantiles rising.

    Each quantile is an output of its own; sorting undoes crossings (Chernozhukov, Fernandez-Val &
    Galichon 2010).
    """
    return np.sort(fitted.layout.scalers[one.name].invert(scaled), axis=-1)


@torch.inference_mode()
def network_at(
    fitted: FittedForecast, series: Sequence[Series], panels: Sequence[Panel], origins: Origins
) -> dict[str, Floats]:
    """Return the network's scaled forecasts (W, h, Q) of each series from its origins (steps first
    predicted).
    """
    config = fitted.config
    found: dict[str, Floats] = {}
    for number, panel in enumerate(panels):
        loader = WindowLoader([panel], config.lookback, config.h, 512, [(0, 0)])
        loader.windows = np.array([[0, at] for at in origins[number]], np.int64)
        batches = (loader.load(0, position) for position in range(loader.num_batches(0)))
        values = np.concatenate([fitted.task(batch).numpy() for batch in batches]).astype(
            np.float64
        )
        names = fitted.layout.names if fitted.layout.joint else [series[number].name]
        found |= {name: values[:, :, column] for column, name in enumerate(names)}
    return found


def judge(
    fitted: FittedForecast,
    series: Sequence[Series],
    origins: Origins,
    baselines: Mapping[str, Baseline],
    mix: Callable[[Series, Floats], Floats],
    columns: Callable[[Floats], dict[str, Floats]],
) -> Evaluation:
    """Return forecasts and figures of every series from each of its origins.

    Args:
        mix: (history, scaled forecast (h, Q)) -> forecast of the ensemble.
        columns: (h, Q) -> columns by name.
    """
    network = network_at(fitted, series, fitted.layout.panels(series), origins)
    rows = [
        _row(fitted, one, at, mix(cut(one, at), scaled), baselines, columns)
        for one, starts in zip(series, origins, strict=True)
        for at, scaled in zip(starts, network[one.name], strict=True)
    ]
    return _evaluation(rows, list(baselines))


def _row(
    fitted: FittedForecast,
    one: Series,
    at: int,
    scaled: Floats,
    baselines: Mapping[str, Baseline],
    columns: Callable[[Floats], dict[str, Floats]],
) -> pd.DataFrame:
    pd = require("pandas", "train")
    history, scaler = cut(one, at), fitted.layout.scalers[one.name]
    past = scaled_values(fitted, history)
    others = {name: scaler.invert(baseline(past)) for name, baseline in baselines.items()}
    ahead = slice(at, at + len(scaled))
    known = {ID: one.name, "cutoff": one.ds[at - 1], TIME: one.ds[ahead], TARGET: one.values[ahead]}
    naive = fitted.layout.naive[one.name]
    return pd.DataFrame(
        {**known, **columns(own_units(fitted, one, scaled)), **others, "naive": naive}
    )


def _evaluation(rows: Sequence[pd.DataFrame], baselines: Sequence[str]) -> Evaluation:
    pd = require("pandas", "train")
    frame = pd.concat(rows, ignore_index=True)
    shape = (len(rows), -1)
    truth, naive = (frame[name].to_numpy().reshape(shape) for name in (TARGET, "naive"))
    forecasts = {OURS: frame["yhat"], **{name: frame[name] for name in baselines}}
    arrays = {name: column.to_numpy().reshape(shape) for name, column in forecasts.items()}
    levels = sorted(
        float(name.removeprefix("yhat_lo_"))
        for name in frame.columns
        if name.startswith("yhat_lo_")
    )
    inside = {
        level: coverage(
            frame[TARGET].to_numpy(),
            frame[f"yhat_lo_{level:g}"].to_numpy(),
            frame[f"yhat_hi_{level:g}"],
        )
        for level in levels
    }
    return Evaluation(
        {name: measure(truth, array, naive) for name, array in arrays.items()},
        {name: np.abs(truth - array).mean(axis=0).tolist() for name, array in arrays.items()},
        inside,
        frame,
    )


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """Return several evaluations of the same forecasters as one."""
    baselines = [name for name in parts[0].figures if name != OURS]
    keys = [ID, "cutoff"]
    rows = [rows for part in parts for _, rows in part.forecasts.groupby(keys, sort=False)]
    return _evaluation(rows, baselines)

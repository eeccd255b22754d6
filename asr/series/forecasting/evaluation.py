"""Rolling-origin evaluation (Tashman 2000).

Legend: W windows, h horizon, C targets, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from asr.errors import require
from asr.series.forecasting.baselines import Baseline
from asr.series.forecasting.fitted import FittedForecaster
from asr.series.forecasting.metrics import Accuracy, coverage, measure
from asr.series.frames import ID, TARGET, TIME, Series
from asr.series.panels import cut

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["OURS", "Evaluation", "joined", "judge"]

Floats = npt.NDArray[np.float64]
OURS = "forecaster"
Origins = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Evaluation:
    """Forecasts from several origins beside the truth, and their figures.

    Attributes:
        figures: by forecaster (``forecaster``, then the baselines), in the units of the series.
        by_step: (h,) mean absolute error at each step ahead.
        coverage: share of the truth inside each level's interval.
        forecasts: frame with ``unique_id``, ``ds``, ``cutoff`` (last step known), ``y``, ``yhat``,
            the ends of the intervals and a column a baseline, as the tools of Nixtla take it.
        naive: of each series and origin, the error that MASE divides by.
    """

    figures: dict[str, Accuracy]
    by_step: dict[str, list[float]]
    coverage: dict[float, float]
    forecasts: pd.DataFrame
    naive: list[float]

    @property
    def best(self) -> str:
        """Name of the forecaster with the smallest mean absolute error."""
        return min(self.figures, key=lambda name: self.figures[name].mae)

    def __str__(self) -> str:
        rows = [f"{'':<16}{'MAE':>12}{'MSE':>14}{'R2':>8}{'MASE':>8}"]
        for name, a in self.figures.items():
            rows.append(f"{name:<16}{a.mae:>12.4g}{a.mse:>14.4g}{a.r2:>8.3f}{a.mase:>8.3f}")
        rows += [
            f"interval {level:g} %: {share:.1%} of the truth inside"
            for level, share in self.coverage.items()
        ]
        if self.best != OURS:
            worse = self.figures[OURS].mae / self.figures[self.best].mae - 1
            rows.append(
                f"{self.best} is better: our mean absolute error is {worse:.0%} above. "
                "Use it, name it in ensemble=, or train longer."
            )
        return "\n".join(rows)

    def plot(self) -> Figure:
        """Draw the mean absolute error at each step ahead, a line a forecaster."""
        from asr.plots import curves

        lines = {
            name: (list(range(1, len(errors) + 1)), errors) for name, errors in self.by_step.items()
        }
        return curves(lines, "step ahead", "mean absolute error")


def judge(
    fitted: FittedForecaster,
    series: Sequence[Series],
    origins: Origins,
    baselines: Mapping[str, Baseline],
) -> Evaluation:
    """Return forecasts and figures of every series from each of its origins.

    Args:
        fitted: the forecaster.
        series: history and what came.
        origins: of each series, the steps first predicted.
        baselines: to compare with, by name.
    """
    forecasts = fitted.forecast(series, origins)
    rows = [
        _row(fitted, one, at, columns, baselines)
        for one, starts in zip(series, origins, strict=True)
        for at, columns in zip(starts, forecasts[one.name], strict=True)
    ]
    naive = [
        fitted.model.layout.naive[one.name]
        for one, starts in zip(series, origins, strict=True)
        for _ in starts
    ]
    return _evaluation(rows, list(baselines), naive)


def _row(
    fitted: FittedForecaster,
    one: Series,
    at: int,
    columns: Mapping[str, Floats],
    baselines: Mapping[str, Baseline],
) -> pd.DataFrame:
    """Return the frame of one series and origin: truth, forecast and baselines."""
    pd = require("pandas", "train")
    past, scaler = fitted.model.scaled(cut(one, at)), fitted.model.layout.scalers[one.name]
    ahead = slice(at, at + len(columns["yhat"]))
    return pd.DataFrame(
        {
            ID: one.name,
            TIME: one.ds[ahead],
            "cutoff": one.ds[at - 1],
            TARGET: one.values[ahead],
            **columns,
            **{name: scaler.invert(baseline(past)) for name, baseline in baselines.items()},
        }
    )


def _evaluation(
    rows: Sequence[pd.DataFrame], baselines: Sequence[str], naive: Sequence[float]
) -> Evaluation:
    """Return the figures of frames of one series and origin each.

    Args:
        rows: the frames.
        baselines: their columns.
        naive: of each frame, the error that MASE divides by.
    """
    pd = require("pandas", "train")
    frame = pd.concat(rows, ignore_index=True)
    shape = (len(rows), -1)  # windows, steps ahead
    truth = frame[TARGET].to_numpy().reshape(shape)
    columns = {OURS: "yhat", **{name: name for name in baselines}}
    arrays = {name: frame[column].to_numpy().reshape(shape) for name, column in columns.items()}
    low = "yhat_lo_"
    levels = sorted(float(name.removeprefix(low)) for name in frame if str(name).startswith(low))
    inside = {
        level: coverage(
            frame[TARGET].to_numpy(),
            frame[f"yhat_lo_{level:g}"].to_numpy(),
            frame[f"yhat_hi_{level:g}"].to_numpy(),
        )
        for level in levels
    }
    return Evaluation(
        figures={
            name: measure(truth, array, np.array(naive)[:, None]) for name, array in arrays.items()
        },
        by_step={
            name: np.abs(truth - array).mean(axis=0).tolist() for name, array in arrays.items()
        },
        coverage=inside,
        forecasts=frame,
        naive=list(naive),
    )


def joined(parts: Sequence[Evaluation]) -> Evaluation:
    """Return several evaluations of the same forecasters as one."""
    baselines = [name for name in parts[0].figures if name != OURS]
    keys = [ID, "cutoff"]
    rows = [rows for part in parts for _, rows in part.forecasts.groupby(keys, sort=False)]
    return _evaluation(rows, baselines, [error for part in parts for error in part.naive])

"""Share of the truth inside the intervals of a forecaster, on generated and on real series.

python benchmarks/series/intervals.py [--series 40] [--methods rolling split none] [--log]
python benchmarks/series/intervals.py --table AirPassengers.csv --time Month --targets Passengers
    --h 12 --windows 25 --step 1

Generated: five kinds, one model for the series of a kind; the first 200 steps are learned from, the
next 120 are forecast twelve at a time, without fitting again. A table: the last origins are judged.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from asr.series.forecasting.evaluation import Evaluation
from asr.series.forecasting.forecaster import Forecaster
from asr.series.frames import long_frame

LEARNED, JUDGED, H, SEASON = 200, 120, 12, 12
LEVELS = (80, 95)
Values = npt.NDArray[np.float64]
STEPS = np.arange(LEARNED + JUDGED)


def trend_and_season(rng: np.random.Generator) -> Values:
    """A straight trend, a season and noise, all of one size throughout."""
    season = rng.uniform(2, 6) * np.sin(2 * np.pi * (STEPS / SEASON + rng.random()))
    return 50 + rng.uniform(0, 0.1) * STEPS + season + rng.normal(size=len(STEPS))


def growth(rng: np.random.Generator) -> Values:
    """Growth in percent, with a season and noise that grow along."""
    season = rng.uniform(0.1, 0.3) * np.sin(2 * np.pi * (STEPS / SEASON + rng.random()))
    noise = 0.04 * rng.normal(size=len(STEPS))
    return np.asarray(100 * np.exp(rng.uniform(0.003, 0.008) * STEPS + season + noise))


def random_walk(rng: np.random.Generator) -> Values:
    """Sums of independent steps: the error grows with the horizon."""
    return 100 + np.cumsum(rng.normal(size=len(STEPS)))


def changing_variance(rng: np.random.Generator) -> Values:
    """An autoregression whose noise is quiet and loud by turns: GARCH(1, 1)."""
    values, value, variance, shock = [], 0.0, 1.0, 0.0
    for _ in STEPS:
        variance = 0.05 + 0.15 * shock**2 + 0.8 * variance
        shock = np.sqrt(variance) * rng.normal()
        value = 0.7 * value + shock
        values.append(value)
    return np.array(values)


def counts(rng: np.random.Generator) -> Values:
    """Poisson counts around a seasonal mean: skewed, and never below zero."""
    season = np.sin(2 * np.pi * (STEPS / SEASON + rng.random()))
    return rng.poisson(np.exp(rng.uniform(0.5, 2.0) + 0.5 * season)).astype(float)


KINDS: dict[str, Callable[[np.random.Generator], Values]] = {
    kind.__name__: kind
    for kind in (trend_and_season, growth, random_walk, changing_variance, counts)
}


def generated(kind: str, count: int, seed: int = 0) -> pd.DataFrame:
    """Return ``count`` series of a kind as a frame."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    parts = [
        pd.DataFrame({"unique_id": f"{kind} {number}", "ds": STEPS, "y": KINDS[kind](rng)})
        for number in range(count)
    ]
    return pd.concat(parts, ignore_index=True)


def evaluations(
    frame: pd.DataFrame, methods: Sequence[str], windows: int, step: int, **options: Any
) -> Iterator[tuple[str, Evaluation]]:
    """Yield the evaluation of one fitted forecaster with each calibration."""
    forecaster = Forecaster(**options)
    last = frame.groupby("unique_id", sort=False).cumcount(ascending=False)
    forecaster.fit(frame[last >= options["h"] + (windows - 1) * step])
    fitted = forecaster.model_
    for method in methods:
        config = replace(fitted.config, calibration=method)
        calibration = None if method == "none" else fitted.calibration
        model = replace(fitted.model, config=config)
        forecaster.model_ = replace(fitted, model=model, calibration=calibration)
        yield method, forecaster.evaluate(frame, windows, step)


def row(name: str, evaluation: Evaluation) -> str:
    """Return a row of the table: coverage, width in parts of the truth's deviation, and errors."""
    frame = evaluation.forecasts
    cells = [f"{100 * evaluation.coverage[level]:.1f}" for level in LEVELS]
    widths = [frame[f"yhat_hi_{level}"] - frame[f"yhat_lo_{level}"] for level in LEVELS]
    cells += [f"{width.mean() / frame.y.std():.2f}" for width in widths]
    cells += [f"{evaluation.figures[model].mae:.3g}" for model in ("forecaster", evaluation.best)]
    return f"| {name} | {' | '.join(cells)} ({evaluation.best}) |"


def main() -> None:
    """Print a row for each kind or table, and method."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--series", type=int, default=40, help="of each kind")
    parser.add_argument("--methods", nargs="+", default=["rolling", "adaptive", "split", "none"])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS))
    parser.add_argument("--max-epochs", type=int, default=10)
    parser.add_argument("--log", action="store_true")
    parser.add_argument("--table")
    parser.add_argument("--time", default="ds")
    parser.add_argument("--targets", nargs="+", default=["y"])
    parser.add_argument("--lookback", type=int)
    parser.add_argument("--h", type=int, default=H)
    parser.add_argument("--windows", type=int, default=JUDGED // H)
    parser.add_argument("--step", type=int, default=H)
    given = parser.parse_args()
    print("| series, calibration | 80 % | 95 % | width 80 | width 95 | MAE | best MAE |")
    print("|---|---|---|---|---|---|---|", flush=True)
    if given.table:
        table = pd.read_csv(given.table, parse_dates=[given.time])
        frames = {given.table: long_frame(table, given.time, given.targets)}
    else:
        frames = {kind: generated(kind, given.series) for kind in given.kinds}
    options = {name: getattr(given, name) for name in ("h", "lookback", "log", "max_epochs")}
    options |= {"levels": LEVELS, "random_state": 0}
    for name, frame in frames.items():
        for method, evaluation in evaluations(
            frame, given.methods, given.windows, given.step, **options
        ):
            print(row(f"{name}, {method}", evaluation), flush=True)


if __name__ == "__main__":
    main()

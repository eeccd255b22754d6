"""Accuracy, processor time and memory of our forecaster beside neuralforecast's LSTM and NHITS.

python benchmarks/series/side_by_side.py --peer VENV/bin/python --tables FOLDER
    [--sets airpassengers sp500 etth1 many] [--systems asr lstm nhits]

VENV has neuralforecast (pip install torch==2.13.0 neuralforecast); FOLDER has AirPassengers.csv,
sp500-2000.csv and ETTh1.csv. ``many`` are 10,000 generated series of 200 points. Each system runs
in a process of its own with one thread, gets the same lookback and forecasts from the same origins
without fitting again; the rest are its defaults (neuralforecast's scaler is ``standard``).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

SYSTEMS = ("asr", "lstm", "nhits")
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class DataSet:
    """Series and how they are forecast.

    Attributes:
        frame: ``unique_id``, ``ds``, ``y``.
        freq: as pandas writes it, or a whole number.
        h: steps ahead.
        lookback: steps back.
        windows: origins at the end of each series, ``h`` apart.
    """

    frame: pd.DataFrame
    freq: str | int
    h: int
    lookback: int
    windows: int


def airpassengers(folder: Path) -> DataSet:
    """Monthly passengers, the last three years."""
    values = pd.read_csv(folder / "AirPassengers.csv")["value"].astype(float)
    ds = pd.date_range("1949-01-01", periods=len(values), freq="MS")
    return DataSet(pd.DataFrame({"unique_id": "air", "ds": ds, "y": values}), "MS", 12, 24, 3)


def sp500(folder: Path) -> DataSet:
    """Daily logarithms of the index, numbered by trading day, the last 20 months."""
    values = np.log(pd.read_csv(folder / "sp500-2000.csv")["close"].to_numpy())
    frame = pd.DataFrame({"unique_id": "sp500", "ds": np.arange(len(values)), "y": values})
    return DataSet(frame, 1, 20, 60, 20)


def etth1(folder: Path) -> DataSet:
    """Seven columns of a transformer, hourly, the last four of twenty months."""
    table = pd.read_csv(folder / "ETTh1.csv", parse_dates=["date"])[:14400]
    frame = table.melt("date", var_name="unique_id", value_name="y").rename(columns={"date": "ds"})
    return DataSet(frame, "h", 96, 336, 30)


def many(folder: Path, count: int = 10_000, length: int = 200) -> DataSet:
    """Generated days: level, trend and weekly season of each series' own, and noise."""
    del folder
    rng = np.random.default_rng(0)
    steps = np.arange(length)
    level, trend = rng.uniform(10, 100, (count, 1)), rng.normal(0, 0.05, (count, 1))
    week = rng.normal(0, 5, (count, 7))[:, steps % 7]
    noise = np.cumsum(0.3 * rng.normal(size=(count, length)), axis=1)
    values = level + trend * steps + week + noise + rng.normal(size=(count, length))
    ds = pd.date_range("2024-01-01", periods=length, freq="D")
    names = np.repeat([f"s{number:05d}" for number in range(count)], length)
    frame = pd.DataFrame({"unique_id": names, "ds": np.tile(ds, count), "y": values.ravel()})
    return DataSet(frame, "D", 14, 28, 1)


SETS: dict[str, Callable[[Path], DataSet]] = {
    made.__name__: made for made in (airpassengers, sp500, etth1, many)
}


def ours(data: DataSet) -> tuple[pd.DataFrame, str]:
    """Return the forecasts of asr and the column that holds them."""
    from asr.series.forecasting.forecaster import Forecaster

    forecaster = Forecaster(data.h, data.lookback, random_state=0)
    found = forecaster.cross_validate(data.frame, windows=data.windows, baselines=())
    return found.forecasts, "yhat"


def peers(name: str, data: DataSet) -> tuple[pd.DataFrame, str]:
    """Return the forecasts of neuralforecast and the column that holds them."""
    from neuralforecast import NeuralForecast
    from neuralforecast.models import LSTM, NHITS

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    options: dict[str, Any] = {"h": data.h, "input_size": data.lookback, "random_seed": 0}
    options |= {"scaler_type": "standard", "enable_progress_bar": False, "logger": False}
    options |= {"enable_model_summary": False, "enable_checkpointing": False}
    model = {"lstm": LSTM, "nhits": NHITS}[name](**options)
    forecaster = NeuralForecast(models=[model], freq=data.freq)
    found = forecaster.cross_validation(
        data.frame, n_windows=data.windows, step_size=data.h, refit=False
    )
    return found.reset_index(), type(model).__name__


def figures(data: DataSet, forecasts: pd.DataFrame, column: str) -> dict[str, float]:
    """Return the mean absolute error in deviations of each series before the test part."""
    before = data.frame.groupby("unique_id").y.apply(
        lambda values: values.to_numpy()[: -data.windows * data.h].std()
    )
    errors = (forecasts.y - forecasts[column]).abs() / forecasts.unique_id.map(before)
    return {"mae": float(errors.mean()), "forecasts": len(errors)}


def work(name: str, system: str, folder: Path) -> None:
    """Print the figures of one system on one set as JSON."""
    warnings.simplefilter("ignore")
    import torch

    torch.set_num_threads(1)
    data = SETS[name](folder)
    at_start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started, clock = time.process_time(), time.perf_counter()
    forecasts, column = ours(data) if system == "asr" else peers(system, data)
    content = figures(data, forecasts, column)
    content |= {"cpu_s": time.process_time() - started, "s": time.perf_counter() - clock}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    content |= {"peak_mb": peak / 1024, "data_mb": at_start / 1024}
    print("FIGURES " + json.dumps(content), flush=True)


def main() -> None:
    """Print a row for each set and system."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peer", type=Path, help="python of an environment with neuralforecast")
    parser.add_argument("--tables", type=Path, default=Path())
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--work", nargs=2, metavar=("SET", "SYSTEM"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(*given.work, given.tables)
        return
    print("| set | system | MAE in deviations | processor time, s | peak memory, MB |")
    print("|---|---|---|---|---|", flush=True)
    for name in given.sets:
        for system in given.systems:
            python = sys.executable if system == "asr" else str(given.peer)
            command = [python, __file__, "--tables", str(given.tables), "--work", name, system]
            done = subprocess.run(
                command, env=os.environ | THREADS, capture_output=True, text=True, check=False
            )
            lines = [line for line in done.stdout.splitlines() if line.startswith("FIGURES ")]
            if not lines:
                raise SystemExit(f"error: {system} on {name} failed:\n{done.stderr[-2000:]}")
            found = json.loads(lines[0].removeprefix("FIGURES "))
            cells = (f"{found['mae']:.3f}", f"{found['cpu_s']:.0f}", f"{found['peak_mb']:.0f}")
            print(f"| {name} | {system} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

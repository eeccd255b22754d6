"""ETTh1 at the usual horizons: one LSTM network each, beside repeat-last and ridge regression.

python recipes/etth1/run.py ETTh1.csv [--horizons 96 192 336 720] [--output-dir runs/etth1]
[key=value ...]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from asr.catalogue import train
from asr.cli.guard import run_script
from asr.config import load_config
from asr.run_folder import read_metrics
from asr.series import fit_baseline, measure
from asr.series.forecasting.config import ForecastConfig
from asr.series.forecasting.training import read_series
from asr.series.frames import Series
from asr.series.panels import cut, fit_layout

CONFIG = Path(__file__).with_name("config.yaml")
RIDGE_LOOKBACK = 336


def baseline_row(name: str, series: Sequence[Series], config: ForecastConfig) -> str:
    """Return the row of a baseline, on the same scale and over the same windows as the network."""
    test, val, h = config.data.test_size, config.data.val_size, config.h
    training = [cut(one, len(one) - test - val) for one in series]
    scalers = fit_layout(training, scaling=config.data.scaling, log=False, joint=False).scalers
    scaled = [scalers[one.name].apply(one.values, one.name).astype(np.float64) for one in series]
    known = [values[: len(past)] for values, past in zip(scaled, training, strict=True)]
    forecast = fit_baseline(name, known, h, 24, RIDGE_LOOKBACK)
    truths, forecasts = [], []
    for values in scaled:
        for at in range(len(values) - test, len(values) - h + 1):
            truths.append(values[at : at + h])
            forecasts.append(forecast(values[:at]))
    accuracy = measure(np.stack(truths), np.stack(forecasts))
    return f"| {h} | {name} | {accuracy.mse:.3f} | {accuracy.mae:.3f} |"


def main() -> None:
    """Train the horizons one after the other; skip those that an earlier call completed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path, help="ETTh1.csv of the ETDataset")
    parser.add_argument("--horizons", type=int, nargs="+", default=[96, 192, 336, 720])
    parser.add_argument("--output-dir", type=Path, default=Path("runs/etth1"))
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=8")
    arguments = parser.parse_intermixed_args()
    print("| h | | MSE | MAE |\n|---|---|---|---|")
    for h in arguments.horizons:
        run = arguments.output_dir / f"h{h}"
        settings = [
            f"data.path={arguments.table}",
            f"h={h}",
            f"output_dir={run}",
            *arguments.overrides,
        ]
        train(CONFIG, settings)
        figures = read_metrics(run)
        print(
            f"| {h} | LSTM | {figures['test/mse'].value:.3f} | {figures['test/mae'].value:.3f} |",
            flush=True,
        )
        config = load_config(ForecastConfig, CONFIG, settings)
        for name in ("repeat_last", "seasonal_naive", "linear"):
            print(baseline_row(name, read_series(config.data), config), flush=True)


if __name__ == "__main__":
    run_script(main)

"""AirPassengers: one-year forecasts of the last three years with an LSTM, baselines, an ensemble.

python recipes/airpassengers/run.py AirPassengers.csv [--seeds 0 1 2]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from asr.cli.guard import run_script
from asr.files import atomic_path
from asr.plots import to_png
from asr.series.forecasting.forecaster import Forecaster

BASELINES = ("repeat_last", "seasonal_naive", "linear", "auto_arima", "auto_ets")


def main() -> None:
    """Fit on 1949-1957, forecast 1958, 1959 and 1960, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "table", type=Path, help="CSV with a column value, 144 months from January 1949"
    )
    parser.add_argument(
        "--output-dir", type=Path, default=Path("runs/airpassengers"), help="gets error-by-step.png"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    values = pd.read_csv(arguments.table)["value"].astype(float)
    ds = pd.date_range("1949-01-01", periods=len(values), freq="MS")
    frame = pd.DataFrame({"unique_id": "air", "ds": ds, "y": values})
    errors = []
    for seed in arguments.seeds:
        plain = Forecaster(12, 24, log=True, ensemble=(), random_state=seed, max_epochs=30)
        found = plain.cross_validate(
            frame, windows=3, baselines=BASELINES if seed == arguments.seeds[0] else ()
        )
        errors.append(found.figures["forecaster"].mae)
        if seed == arguments.seeds[0]:
            with atomic_path(arguments.output_dir / "error-by-step.png") as temporary:
                temporary.write_bytes(to_png(found.plot()))
        print(f"seed {seed}, the LSTM alone\n{found}\n", flush=True)
    print(
        f"MAE of the LSTM alone over the seeds: {np.mean(errors):.2f} ({min(errors):.2f} - "
        f"{max(errors):.2f})\n"
    )
    seed = arguments.seeds[0]
    mixed = Forecaster(
        12,
        24,
        log=True,
        random_state=seed,
        max_epochs=30,
        levels=(80,),
        ensemble=("linear", "auto_ets"),
    )
    print(
        f"seed {seed}, quantile loss, averaged with linear and "
        f"AutoETS\n{mixed.cross_validate(frame, 3, baselines=())}\n"
    )
    for seed in arguments.seeds:
        usual = Forecaster(12, 24, random_state=seed, levels=(80, 95))
        found = usual.cross_validate(frame, windows=25, step=1, baselines=(), refit=True)
        print(f"seed {seed}, defaults, fitted anew before each of 25 months\n{found}\n", flush=True)


if __name__ == "__main__":
    run_script(main)

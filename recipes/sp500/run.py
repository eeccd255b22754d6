"""S&P 500: is tomorrow up or down? Direction accuracy with its interval, and no look-ahead.

The series are daily log returns of the adjusted close. Every forecast for day t is made from days
before t; scales and weights come from days before the test part. Neighbouring forecasts do not
overlap, since each is one day ahead.

python recipes/sp500/run.py sp500-2000.csv [--seed 1] [--test-days 1000]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from asr.cli.guard import run_script
from asr.series import direction_accuracy
from asr.series.forecasting.forecaster import Forecaster


def main() -> None:
    """Fit on all but the last days, forecast each of those from the days before it, and print the
    table.
    """
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path, help="CSV with the columns date and adjclose")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--test-days", type=int, default=1000)
    arguments = parser.parse_args()
    close = pd.read_csv(arguments.table)["adjclose"].to_numpy(float)
    returns = 100 * np.diff(np.log(close))
    frame = pd.DataFrame({"unique_id": "sp500", "ds": np.arange(len(returns)), "y": returns})
    forecaster = Forecaster(
        1,
        60,
        loss="mse",
        ensemble=(),
        random_state=arguments.seed,
        max_epochs=5,
        config={"model": {"instance_norm": "none", "segment": 5, "hidden_dim": 32}},
    )
    found = forecaster.cross_validate(
        frame, windows=arguments.test_days, step=1, baselines=("repeat_last", "linear")
    )
    print(found, "\n\n| | right % | 95 % interval | days |\n|---|---|---|---|")
    rows = found.forecasts
    for name, column in (
        ("LSTM", "yhat"),
        ("repeat the last return", "repeat_last"),
        ("linear", "linear"),
    ):
        d = direction_accuracy(rows.y.to_numpy(), rows[column].to_numpy())
        print(
            f"| {name} | {100 * d.value:.1f} | {100 * d.low:.1f} - {100 * d.high:.1f} | {d.count} |"
        )
    print(f"| always up | {100 * d.always_up:.1f} | | {d.count} |")


if __name__ == "__main__":
    run_script(main)

"""SKAB (Skoltech Anomaly Benchmark): outlier detection by its protocol with an LSTM autoencoder.

The first 400 rows of each of the 34 files are the normal part; scales, network and thresholds come
from them, and no label is looked at. The rows after them are judged together: F1, false and missed
alarm rate.

python recipes/skab/run.py SKAB_DATA_FOLDER [--kind autoencoder] [--seed 1] [--output-dir runs/skab]
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd

from asr.cli.guard import run_script
from asr.files import atomic_write_text
from asr.run_folder import Metric, update_metrics
from asr.series import detection_rates
from asr.series.anomalies.detector import AnomalyDetector

NORMAL_ROWS = 400
DRIFTING = ("Temperature", "Thermocouple")  # they wander while nothing is wrong


def read(folder: Path) -> pd.DataFrame:
    """Return all files as one frame; rows are numbered, since some seconds are missing in the
    timestamps.
    """
    parts = []
    for path in sorted(folder.glob("*/*.csv")):
        if path.parent.name != "anomaly-free":
            rows = pd.read_csv(path, sep=";").drop(columns="datetime")
            parts.append(
                rows.assign(unique_id=f"{path.parent.name}/{path.stem}", ds=range(len(rows)))
            )
    if not parts:
        raise SystemExit(
            f"error: {folder} holds no */*.csv. Give the folder data/ of the SKAB repository."
        )
    return pd.concat(parts, ignore_index=True)


def principal_components(
    rows: pd.DataFrame, components: int = 4, mean_over: int = 10
) -> np.ndarray:
    """Return alarms (n,) of a linear baseline: what principal components leave over of the means of
    the last steps.
    """
    alarms = []
    for _, part in rows.groupby("unique_id", sort=False):
        values = part.drop(columns=["unique_id", "ds"])
        normal = values[:NORMAL_ROWS]
        x = (
            ((values - normal.mean()) / normal.std())
            .rolling(mean_over, min_periods=1)
            .mean()
            .to_numpy()
        )
        x = x - x[:NORMAL_ROWS].mean(axis=0)
        axes = np.linalg.svd(x[:NORMAL_ROWS], full_matrices=False)[2][:components]
        scores = np.abs(x - x @ axes.T @ axes).sum(axis=1)
        alarms.append(scores > 4 / 3 * np.quantile(scores[mean_over:NORMAL_ROWS], 0.99))
    return np.concatenate(alarms)


def row(name: str, part: pd.DataFrame, alarms: np.ndarray) -> str:
    """Return a row of the table."""
    rates = detection_rates(part.label.to_numpy(), alarms)
    return (
        f"| {name} | {rates.f1:.3f} | {100 * rates.false_alarm_rate:.2f} | "
        f"{100 * rates.missed_alarm_rate:.2f} |"
    )


def main() -> None:
    """Train on the normal parts, judge the rest, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="data/ of the SKAB repository")
    parser.add_argument("--kind", default="autoencoder", choices=["autoencoder", "forecast"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-epochs", type=int, default=3)
    parser.add_argument("--output-dir", type=Path, default=Path("runs/skab"))
    arguments = parser.parse_args()
    rows = read(arguments.folder)
    labels = rows.pop("anomaly").to_numpy()
    rows = rows.drop(columns="changepoint")
    detector = AnomalyDetector(
        window=10,
        kind=arguments.kind,
        columns=[name for name in rows if name not in ("unique_id", "ds", *DRIFTING)],
        per_series=True,
        distance="mahalanobis",
        batch_size=128,
        max_epochs=arguments.max_epochs,
        random_state=arguments.seed,
    )
    detector.fit(rows[rows.ds < NORMAL_ROWS])
    detector.save(arguments.output_dir / "model")
    found = detector.predict(rows).assign(
        label=labels,
        linear=principal_components(rows),
        linear_alike=principal_components(rows.drop(columns=list(DRIFTING))),
    )
    judged = found[found.ds >= NORMAL_ROWS]
    print("| files | F1 | false alarms % | missed alarms % |\n|---|---|---|---|")
    for name in ("", "valve1", "valve2", "other"):
        part = judged[judged.unique_id.str.startswith(name)]
        rates = detection_rates(part.label.to_numpy(), part.anomaly.to_numpy())
        print(row(name or "all", part, part.anomaly.to_numpy()))
        values = {"f1": rates.f1, "far": rates.false_alarm_rate, "mar": rates.missed_alarm_rate}
        split = name or "test"
        update_metrics(
            arguments.output_dir,
            {f"{split}/{key}": Metric(value, split) for key, value in values.items()},
        )
    print(row("all: principal components", judged, judged.linear.to_numpy()))
    alike = judged.linear_alike.to_numpy()
    print(row("all: principal components without the temperatures", judged, alike))
    print(row("all: alarm at every step", judged, np.ones(len(judged))))
    write_pictures(found, rows, arguments.output_dir)


def write_pictures(found: pd.DataFrame, rows: pd.DataFrame, run: Path) -> None:
    """Write what ``asr report`` draws."""
    lines = []
    for name, part in list(found.groupby("unique_id", sort=False))[:6]:
        values = rows[rows.unique_id == name]["Volume Flow RateRMS"]
        record = {
            "id": name,
            "values": values.tolist(),
            "anomaly_scores": part.score.tolist(),
            "threshold": float(part.threshold.iloc[0]),
            "anomalies": part.label.astype(int).tolist(),
        }
        lines.append(json.dumps(record) + "\n")
    atomic_write_text(run / "test" / "predictions.jsonl", "".join(lines))


if __name__ == "__main__":
    run_script(main)

"""Odd sequences among normal ones: the detector with its defaults, principal components, the mean.

python benchmarks/series/sequences.py [--cycles 400] [--seed 0]
python benchmarks/series/sequences.py --beats beats_ds1_120hz.npz [--records 106 223]

Generated: strokes of a machine that vary in speed and strength; odd ones rise twice, lose a sensor
for a while, or are late. Heartbeats (MIT-BIH, DS1): of each record the first half of the normal
beats is learned from; the other half is scored against supraventricular and ventricular ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from asr.series.anomalies.detector import AnomalyDetector

Floats = npt.NDArray[np.float64]
T = 80


def stroke(rng: np.random.Generator, fault: str = "") -> Floats:
    """Return pressure and flow of one stroke (T, 2)."""
    at = (np.linspace(0, 1, T) - 0.4) * rng.uniform(0.85, 1.15) + 0.4
    late = 0.08 if fault == "late" else rng.normal(0, 0.015)
    rise = 0.5 * (1 + np.tanh((at - 0.3 - late) / 0.04))
    pressure = rng.uniform(0.9, 1.1) * rise * np.exp(-3 * np.maximum(0, at - 0.35 - late))
    if fault == "twice":
        pressure += 0.25 * np.exp(-np.square((at - 0.75) / 0.04))
    flow = 10 * np.gradient(pressure)
    if fault == "lost":
        start = int(rng.integers(20, 50))
        flow[start : start + 12] = flow[start]
    return np.stack([pressure, flow], axis=1) + 0.03 * rng.normal(size=(T, 2))


def frame(sequences: Floats) -> pd.DataFrame:
    """Return sequences (n, T, C) as a frame."""
    n, steps, channels = sequences.shape
    table: dict[str, Any] = {
        "unique_id": np.repeat(np.arange(n), steps),
        "ds": np.tile(np.arange(steps), n),
    }
    flat = sequences.reshape(-1, channels)
    return pd.DataFrame(table | {f"channel {c}": flat[:, c] for c in range(channels)})


def machine(count: int, seed: int) -> tuple[Floats, Floats, Floats]:
    """Return normal strokes to learn from, normal ones to score, and odd ones."""
    rng = np.random.default_rng(seed)
    faults = ["twice", "lost", "late"] * (count // 8)
    learned, normal = (np.stack([stroke(rng) for _ in range(count)]) for _ in range(2))
    return learned, normal, np.stack([stroke(rng, fault) for fault in faults])


def heartbeats(
    path: Path, records: list[int]
) -> Iterator[tuple[str, tuple[Floats, Floats, Floats]]]:
    """Yield each record's normal beats to learn from, normal ones to score, and odd ones."""
    content = np.load(path)
    for record in records or np.unique(content["record"]).tolist():
        of = content["record"] == record
        beats, kinds = content["x"][of].astype(float)[..., None], content["y"][of]
        normal, odd = beats[kinds == 0], beats[np.isin(kinds, [1, 2])]
        half = len(normal) // 2
        if len(odd) >= 5 and half >= 50:
            yield str(record), (normal[:half], normal[half:], odd)


def main() -> None:
    """Print a row for each set, and the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cycles", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--beats", type=Path)
    parser.add_argument("--records", type=int, nargs="*", default=[])
    given = parser.parse_args()
    sets = (
        heartbeats(given.beats, given.records)
        if given.beats
        else iter([("machine", machine(given.cycles, given.seed))])
    )
    columns = ["detector", "principal components", "mean"]
    print(f"| set | learned | odd | {' | '.join(columns)} | F1 | false % | missed % |")
    print("|---|" + "---|" * 8, flush=True)
    areas = []
    for name, (learned, normal, odd) in sets:
        detector = AnomalyDetector(random_state=given.seed).fit(frame(learned))
        labels = np.repeat([0, 1], [len(normal), len(odd)])
        found = detector.evaluate_sequences(frame(np.concatenate([normal, odd])), labels)
        areas.append([found.auc[column] for column in columns])
        cells = [f"{auc:.4f}" for auc in areas[-1]]
        rates = f"{found.f1:.3f} | {100 * found.false_alarm_rate:.1f}"
        print(
            f"| {name} | {len(learned)} | {len(odd)} | {' | '.join(cells)} | {rates} | "
            f"{100 * found.missed_alarm_rate:.1f} |",
            flush=True,
        )
    print(f"mean AUC: {', '.join(f'{area:.4f}' for area in np.mean(areas, axis=0))}")


if __name__ == "__main__":
    main()

"""Cost of one step that carries its state, and the difference of its scores from the batch's.

python benchmarks/series/stream.py [--hidden-dim 128] [--steps 2000]
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd

from asr.series.anomalies.detector import AnomalyDetector


def main() -> None:
    """Train both kinds for a moment, then time their streams."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hidden-dim", type=int, default=128)
    parser.add_argument("--steps", type=int, default=2000)
    arguments = parser.parse_args()
    wave = np.sin(np.arange(arguments.steps)[:, None] / [5, 7, 11])
    frame = pd.DataFrame(
        wave + 0.1 * np.random.default_rng(0).normal(size=wave.shape), columns=["a", "b", "c"]
    )
    frame["ds"] = np.arange(len(frame))
    print(
        "| detector | ms a step, median (95 %) | largest difference to the batch |\n|---|---|---|"
    )
    for kind in ("forecast", "autoencoder"):
        config = {"model": {"hidden_dim": arguments.hidden_dim}, "trainer": {"threads": 1}}
        detector = AnomalyDetector(32, kind, max_epochs=1, batch_size=16, config=config).fit(
            frame[:400]
        )
        stream, seconds, scores = detector.stream(), [], []
        for row in frame[["a", "b", "c"]].to_numpy():
            start = time.perf_counter()
            scores.append(stream.step(row))
            seconds.append(time.perf_counter() - start)
        low, high = 1000 * np.quantile(seconds, [0.5, 0.95])
        worst = np.abs(np.array(scores) - detector.predict(frame).score).max()
        print(
            f"| {kind}, {arguments.hidden_dim} units | {low:.3f} ({high:.3f}) | {worst:.1e} |",
            flush=True,
        )


if __name__ == "__main__":
    main()

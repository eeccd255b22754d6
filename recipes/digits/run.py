"""scikit-learn's handwritten digits, read row by row: from one LSTM layer to attention.

python recipes/digits/run.py [--output-dir runs/digits] [--seeds 1 2 3] [--max-epochs 20]

An image of 8 x 8 is a sequence of 8 steps (rows, from the top) of 8 values. Each classifier
adds one thing: one layer (one LSTM, its last state), bidirectional (both directions), attention (a
weighted mean of all steps instead of the last ones). Nothing is downloaded: the images come with
scikit-learn.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from asr import SequenceClassifier
from asr.cli.guard import run_script
from asr.errors import require
from asr.plots import confusion_matrix, curves, to_png
from asr.run_folder import Metric, update_metrics

RUNGS: dict[str, dict[str, Any]] = {
    "one layer": {"bidirectional": False, "pooling": "last"},
    "bidirectional": {"bidirectional": True, "pooling": "last"},
    "with attention": {"bidirectional": True, "pooling": "attention"},
}
HIDDEN = 32
TEST_SHARE = 0.2


def load_digits() -> tuple[Any, Any, Any, Any]:
    """Return images (n, 8, 8) and labels of the training and the test part, the same ones every
    time.
    """
    digits = require("sklearn.datasets", "train").load_digits()
    order = np.random.default_rng(0).permutation(len(digits.target))
    cut = int(TEST_SHARE * len(order))
    test, train = order[:cut], order[cut:]
    return digits.images[train], digits.target[train], digits.images[test], digits.target[test]


def dev_curve(run_dir: Path) -> list[float]:
    """Return the dev accuracy after each epoch."""
    rows = map(
        json.loads, (run_dir / "log" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    )
    return [row["dev/accuracy"] for row in rows if "dev/accuracy" in row]


def main() -> None:
    """Train the classifiers and print the accuracy of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output-dir", type=Path, default=Path("runs/digits"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--max-epochs", type=int, default=20)
    arguments = parser.parse_args()
    out: Path = arguments.output_dir
    X, y, X_test, y_test = load_digits()
    lines: dict[str, tuple[list[float], list[float]]] = {}
    print(f"{len(y)} images to learn from, {len(y_test)} to test on\n")
    print("| rung | test accuracy by seed | mean |\n|---|---|---|")
    for rung, settings in RUNGS.items():
        accuracies, histories = [], []
        for seed in arguments.seeds:
            folder = out / f"{rung.replace(' ', '-')}-{seed}"
            model = SequenceClassifier(
                **settings,
                hidden_dim=HIDDEN,
                conv_layers=0,
                max_epochs=arguments.max_epochs,
                learning_rate=0.005,
                random_state=np.random.default_rng(seed),  # as in RESULTS.md
                run_dir=folder,
            ).fit(X, y)
            score = model.evaluate(X_test, y_test)
            accuracies.append(score.accuracy)
            histories.append(dev_curve(folder))
            update_metrics(
                folder, {f"test/{k}": Metric(v, "test") for k, v in score.figures().items()}
            )
        lines[rung] = (
            list(range(1, arguments.max_epochs + 1)),
            np.mean(histories, axis=0).tolist(),
        )
        print(
            f"| {rung} | {', '.join(f'{a:.4f}' for a in accuracies)} | {np.mean(accuracies):.4f} |",
            flush=True,
        )
    (out / "accuracy.png").write_bytes(to_png(curves(lines, "epoch", "dev accuracy")))
    names = [str(c) for c in model.classes_]
    (out / "confusion.png").write_bytes(to_png(confusion_matrix(names, score.confusion)))


if __name__ == "__main__":
    run_script(main)

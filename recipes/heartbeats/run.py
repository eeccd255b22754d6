"""Heartbeats to AAMI classes (N S V F Q), cross-validated by patient.

python recipes/heartbeats/run.py beats_ds1_120hz.npz [--output-dir runs/heartbeats] [--folds 5]
[key=value ...]

The .npz file holds `x` (n, 120) beats at 120 Hz, 0.4 s before the R peak and 0.6 s after it, `y`
(n,) 0-4, `record` (n,) and `r_sample_360hz` (n,), from the MIT-BIH arrhythmia database (PhysioNet,
ODC-By 1.0), split of de Chazal et al. 2004.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.cli.guard import run_script
from asr.config import load_config, save_config
from asr.errors import DataError
from asr.files import atomic_path, atomic_write_text
from asr.plots import confusion_matrix, to_png
from asr.run_folder import Metric, update_metrics
from asr.scoring.classification import ClassificationScore, score_classes
from asr.signals.config import ClassifyConfig
from asr.signals.data import LabelledData, make_labelled
from asr.signals.training import fit_classifier

CONFIG = Path(__file__).with_name("config.yaml")
NAMES = ("N", "S", "V", "F", "Q")
MAIN = ("N", "S", "V")  # F and Q are too few for a mean, and are reported beside it
HZ = 360.0

Floats = npt.NDArray[np.float64]


def rr_features(peaks: npt.NDArray[np.int64]) -> Floats:
    """Return (n, 6) intervals around each beat of a record, as in de Chazal et al. 2004, section
    III-C.

    Before and after the beat in seconds; each, and their ratio, against its surroundings as
    logarithms: the mean of the ten intervals around and the record's mean. A record's first and
    last interval are its median.
    """
    intervals = np.diff(peaks) / HZ
    usual = float(np.median(intervals))
    before, after = np.r_[usual, intervals], np.r_[intervals, usual]
    padded = np.pad(before, (5, 5), mode="edge")
    local = np.lib.stride_tricks.sliding_window_view(padded, 11).mean(1)
    ratios = (before / local, after / local, before / after, before / before.mean())
    return np.stack([before, after, *(np.log(np.clip(ratio, 0.1, 10)) for ratio in ratios)], 1)


def beat_signals(x: Floats) -> Floats:
    """Return (n, 120, 2): a record's beats in units of their spread, and how each differs from its
    median beat.
    """
    x = x - np.median(x, axis=1, keepdims=True)
    x = x / x.std()
    return np.stack([x, x - np.median(x, axis=0)], -1)


def read_beats(path: Path) -> LabelledData:
    """Return the beats with RR intervals as static features and records as groups."""
    try:
        with np.load(path, allow_pickle=False) as file:
            x, y, record, peaks = (file[name] for name in ("x", "y", "record", "r_sample_360hz"))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"{path} is not a file of beats: {error}.", "See the head of this script."
        ) from error
    signals, static = np.zeros((*x.shape, 2)), np.zeros((len(x), 6))
    for name in np.unique(record):
        items = np.flatnonzero(record == name)
        items = items[np.argsort(peaks[items])]
        signals[items] = beat_signals(x[items].astype(np.float64))
        static[items] = rr_features(peaks[items].astype(np.int64))
    return make_labelled(signals, y, static, record, classes=tuple(range(len(NAMES))))


def make_folds(data: LabelledData, count: int) -> list[npt.NDArray[np.int64]]:
    """Return the beats of each fold: whole records, dealt out in the order of their rarest beats
    (S, then V).
    """
    assert data.groups is not None
    records = np.unique(data.groups)
    rare = [
        tuple(-int((data.labels[data.groups == r] == c).sum()) for c in (1, 2)) for r in records
    ]
    order = sorted(range(len(records)), key=lambda n: (rare[n], n))
    return [
        np.flatnonzero(np.isin(data.groups, records[order[fold::count]])) for fold in range(count)
    ]


def cross_validate(data: LabelledData, config: ClassifyConfig, folds: int, out: Path) -> Floats:
    """Return the probabilities (n, 5) of every beat from the model that was trained without its
    record.
    """
    scores = np.zeros((len(data.labels), len(NAMES)))
    for number, held_out in enumerate(make_folds(data, folds)):
        rest = np.setdiff1d(np.arange(len(data.labels)), held_out)
        done = out / f"fold{number}" / "scores.npy"
        if not done.is_file():
            model = fit_classifier(config, data.subset(rest), None, done.parent)
            test = data.subset(held_out)
            with atomic_path(done) as temporary:
                np.save(temporary, model.predict_proba(test.sequences, test.static))
        scores[held_out] = np.load(done)
    return scores


def report(data: LabelledData, scores: Floats, out: Path) -> ClassificationScore:
    """Write figures, predictions and the confusion matrix; return the figures."""
    assert data.groups is not None
    score = score_classes(data.labels, scores, NAMES)
    figures = {"macro_f1_NSV": score.macro_f1_over(MAIN), **score.figures()}
    update_metrics(out, {f"cv/{name}": Metric(value, "cv") for name, value in figures.items()})
    rows = [
        {"id": f"{record}-{number}", "label": NAMES[label], "prediction": NAMES[row.argmax()]}
        for number, (record, label, row) in enumerate(
            zip(data.groups.tolist(), data.labels.tolist(), scores, strict=True)
        )
    ]
    atomic_write_text(
        out / "cv" / "predictions.jsonl", "".join(json.dumps(row) + "\n" for row in rows)
    )
    (out / "confusion.png").write_bytes(to_png(confusion_matrix(NAMES, score.confusion)))
    return score


def main() -> None:
    """Run the folds; skip those that an earlier call completed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("beats", type=Path)
    parser.add_argument("--output-dir", type=Path, default=Path("runs/heartbeats"))
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("overrides", nargs="*", help="configuration, such as trainer.max_epochs=20")
    arguments = parser.parse_intermixed_args()
    config = load_config(ClassifyConfig, CONFIG, arguments.overrides)
    config = replace(config, output_dir=str(arguments.output_dir))
    save_config(config, arguments.output_dir / "config.yaml")
    data = read_beats(arguments.beats)
    score = report(
        data,
        cross_validate(data, config, arguments.folds, arguments.output_dir),
        arguments.output_dir,
    )
    print(score)
    print(f"macro-F1 over N, S, V: {score.macro_f1_over(MAIN):.4f}")


if __name__ == "__main__":
    run_script(main)

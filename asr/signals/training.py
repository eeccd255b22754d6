"""Training of a classifier of signals, judged on sequences set aside after every epoch.

Legend: N sequences, T steps, D channels, S static features, C classes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.config import check_files
from asr.run_folder import record_split
from asr.scoring.classification import ClassificationScore, best_classes, score_classes
from asr.signals.batches import LabelledLoader, draws_per_epoch
from asr.signals.config import ClassifyConfig
from asr.signals.data import LabelledData, read_labelled_npz, split_off
from asr.signals.model import FittedClassifier
from asr.signals.network import ClassifierTask, ClassifierTaskConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = ["build_experiment", "evaluate_split", "fit_classifier", "train_classifier"]

Statistics = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # mean and deviation
MOST_JUDGED = 2000  # sequences that the loss is judged on where none are set aside


def train_classifier(config: ClassifyConfig, resume: bool = True) -> Path:
    """Train on the file that ``config`` names, evaluate the test files; return the model folder.

    Raises:
        ConfigError: no train file is named.
        DataError: a file is missing or malformed, or has labels unknown to train.
    """
    check_files(config.data, ["train"], "FILE.npz with x and y")
    data, run_dir = read_labelled_npz(config.data.train), Path(config.output_dir)
    dev: LabelledData | None
    if config.data.dev:
        train, dev = data, read_labelled_npz(config.data.dev, data.classes)
    else:
        train, dev = split_off(data, config.data.dev_share, config.seed)
    tests = {name: read_labelled_npz(path, data.classes) for name, path in config.data.test.items()}
    model = fit_classifier(config, train, dev, run_dir, resume=resume)
    for name, test in tests.items():
        evaluate_split(model, test, run_dir, name)
    return run_dir / "model"


def fit_classifier(
    config: ClassifyConfig,
    train: LabelledData,
    dev: LabelledData | None,
    run_dir: Path,
    *,
    resume: bool = True,
) -> FittedClassifier:
    """Train on sequences in memory and return the classifier with the weights that were best."""
    fit(
        build_experiment(config, train, dev),
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    best = FittedClassifier.load(run_dir / "model")
    return FittedClassifier(best.network, train.classes, config)


def build_experiment(
    config: ClassifyConfig, train: LabelledData, dev: LabelledData | None
) -> Experiment:
    """Make network and batches; normalisation and class weights come from ``train`` alone."""
    torch.manual_seed(config.seed)
    channels, static_dim = train.sequences[0].shape[1], train.static.shape[1]
    network = ClassifierTask(
        ClassifierTaskConfig(config.model, config.augment, config.label_smoothing),
        channels,
        len(train.classes),
        static_dim,
    )
    network.set_statistics(**_statistics(train, config.class_balance))
    judged = _sample(train, config.seed) if dev is None else dev
    monitor = "objective" if dev is not None and config.monitor != "loss" else "loss"

    def model_of(trained: Task) -> FittedClassifier:
        assert isinstance(trained, ClassifierTask)
        return FittedClassifier(trained, train.classes, config)

    return Experiment(
        task=network,
        train=_loader(config, train),
        evaluate=lambda trained: _figures(model_of(trained), judged, config.monitor),
        monitor=monitor,
        save_model=lambda trained, folder: model_of(trained).save(folder),
        speed=len,
        speed_unit="sequences/s",
    )


def _loader(config: ClassifyConfig, train: LabelledData) -> LabelledLoader:
    data, draws = config.data, None
    if data.balance or data.epoch_size:
        draws = draws_per_epoch(train.labels, data.balance, data.epoch_size)
    return LabelledLoader(
        train.sequences,
        train.labels,
        train.static,
        data.max_batch_size,
        seed=config.seed,
        draws=draws,
    )


def _statistics(data: LabelledData, class_balance: float) -> dict[str, npt.NDArray[np.float64]]:
    """Return means and deviations (D,), (S,), and class weights (C,) that are 1 on average."""
    mean, std = _mean_and_std(np.concatenate(data.sequences))
    static_mean, static_std = _mean_and_std(data.static)
    counts = np.bincount(data.labels, minlength=len(data.classes))
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** -class_balance, 0.0)
    weights *= len(data.labels) / (weights * counts).sum()  # 1 on average over the sequences
    return {
        "mean": mean,
        "std": std,
        "static_mean": static_mean,
        "static_std": static_std,
        "class_weights": weights,
    }


def _mean_and_std(values: npt.NDArray[np.float32]) -> Statistics:
    """Return mean and deviation of each column (n, D); constant ones keep scale 1."""
    columns = values.astype(np.float64)
    std = columns.std(0)
    rounding = 1e-8 * np.maximum(1.0, np.abs(columns).max(0))
    return columns.mean(0), np.where(std > rounding, std, 1.0)


def _sample(data: LabelledData, seed: int) -> LabelledData:
    """Return 2000 of the sequences, or all of fewer."""
    if len(data.labels) <= MOST_JUDGED:
        return data
    rng = np.random.default_rng((seed, 3))
    return data.subset(rng.choice(len(data.labels), MOST_JUDGED, replace=False))


def _figures(model: FittedClassifier, data: LabelledData, monitor: str) -> dict[str, float]:
    """Return dev figures; ``objective`` is lower for better weights by the chosen figure."""
    probabilities = model.predict_proba(data.sequences, data.static)
    score = score_classes(data.labels, probabilities, [str(c) for c in data.classes])
    weights = model.network.class_weights.cpu().numpy()[data.labels]
    likelihood = probabilities[np.arange(len(probabilities)), data.labels]
    losses = -np.log(np.maximum(likelihood, 1e-12))
    loss = float((weights * losses).sum() / max(1e-12, weights.sum()))
    chosen = score.accuracy if monitor == "accuracy" else score.macro_f1
    return {
        "objective": 1 - chosen + 1e-3 * min(loss, 1e3),  # the loss decides between equals
        "macro_f1": score.macro_f1,
        "accuracy": score.accuracy,
        "loss": loss,
    }


def evaluate_split(
    model: FittedClassifier, data: LabelledData, run_dir: Path, name: str
) -> ClassificationScore:
    """Write ``NAME/predictions.jsonl`` and add the figures of a split to ``metrics.json``."""
    names = [str(c) for c in data.classes]
    probabilities = model.predict_proba(data.sequences, data.static)
    score = score_classes(data.labels, probabilities, names)
    best = best_classes(probabilities, names)
    rows = [
        {
            "id": str(number),
            "label": names[label],
            "prediction": prediction,
            "probability": probability,
        }
        for number, (label, (prediction, probability)) in enumerate(
            zip(data.labels.tolist(), best, strict=True)
        )
    ]
    record_split(run_dir, name, score.figures(), rows)
    return score

"""Classification of signals: labelled sequences -> a trained model folder, judged on sequences set
aside.

Legend: N sequences, T steps, D channels, S static features, C classes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import as_dict, build_config, check_choice, check_range, config_yaml, yaml_text
from asr.errors import ConfigError, ModelError
from asr.files import atomic_write_text
from asr.model_folder import open_bundle, save_weights, write_bundle
from asr.run_folder import Metric, update_metrics
from asr.scoring.classification import ClassificationScore, score_classes
from asr.sequence.classifier import ClassifierConfig
from asr.signals.batches import LabelledLoader, draws_per_epoch
from asr.signals.data import LabelledData, Labels, read_labelled_npz, split_off
from asr.signals.network import AugmentConfig, ClassifierTask, ClassifierTaskConfig
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task, load_weights

__all__ = [
    "ClassifyConfig",
    "ClassifyDataConfig",
    "fit_classifier",
    "load_classifier",
    "predict_scores",
    "save_classifier",
    "train_classifier",
]

MONITORS = ("macro_f1", "accuracy", "loss")


@dataclass(frozen=True)
class ClassifyDataConfig:
    """Files of labelled sequences (see :func:`asr.signals.data.read_labelled_npz`) and how they are
    drawn.

    Attributes:
        train: .npz file.
        dev: another one; else dev_share of train is set aside, by groups where it has them.
        test: more files by name, evaluated after training.
        max_batch_size: sequences in a batch.
        balance: 0 draws classes as often as they are, 1 all equally often.
        epoch_size: sequences in an epoch (0: all).
    """

    train: str = ""
    dev: str = ""
    dev_share: float = 0.1
    test: dict[str, str] = field(default_factory=dict)
    max_batch_size: int = 64
    balance: float = 0.0
    epoch_size: int = 0

    def __post_init__(self) -> None:
        check_range("data.dev_share", self.dev_share, 0, 0.9)
        check_range("data.max_batch_size", self.max_batch_size, 1)
        check_range("data.balance", self.balance, 0, 1)
        check_range("data.epoch_size", self.epoch_size, 0)


@dataclass(frozen=True)
class ClassifyConfig:
    """A whole training of a classifier; one section a concern.

    Attributes:
        monitor: figure of the dev part that decides which weights are kept: macro_f1, accuracy or
            loss. Where nothing is set aside it is the loss on (2000 of) the sequences trained on.
        class_balance: a class weighs its number of sequences to the power of minus this in the loss
            (0: all the same).
        label_smoothing: see :class:`asr.signals.network.ClassifierTaskConfig`.
    """

    task: str = "classify"
    seed: int = 1
    output_dir: str = ""
    monitor: str = "macro_f1"
    class_balance: float = 0.5
    label_smoothing: float = 0.0
    data: ClassifyDataConfig = field(default_factory=ClassifyDataConfig)
    model: ClassifierConfig = field(default_factory=ClassifierConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=2e-3, second_momentum=0.99)
    )
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=30, precision="fp32")
    )

    def __post_init__(self) -> None:
        check_choice("monitor", self.monitor, MONITORS)
        check_range("class_balance", self.class_balance, 0, 1)


def train_classifier(config: ClassifyConfig, resume: bool = True) -> Path:
    """Train on the file that ``config`` names, evaluate the test files, and return the model
    folder.

    Raises:
        ConfigError: no train file is named. DataError: a file is missing or malformed, or has
        labels unknown to train.
    """
    if not config.data.train:
        raise ConfigError("data.train names no file.", "Give data.train=FILE.npz with x and y.")
    data, run_dir = read_labelled_npz(config.data.train), Path(config.output_dir)
    dev: LabelledData | None
    if config.data.dev:
        train, dev = data, read_labelled_npz(config.data.dev, data.classes)
    else:
        train, dev = split_off(data, config.data.dev_share, config.seed)
    tests = {name: read_labelled_npz(path, data.classes) for name, path in config.data.test.items()}
    task = fit_classifier(config, train, dev, run_dir, resume)
    for name, test in tests.items():
        evaluate_split(task, test, run_dir, name)
    return run_dir / "model"


def fit_classifier(
    config: ClassifyConfig,
    train: LabelledData,
    dev: LabelledData | None,
    run_dir: Path,
    resume: bool = True,
) -> ClassifierTask:
    """Train on sequences in memory and return the network with the weights that were best."""
    experiment = build_experiment(config, train, dev)
    fit(
        experiment,
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    return load_classifier(run_dir / "model")[0]


def build_experiment(
    config: ClassifyConfig, train: LabelledData, dev: LabelledData | None
) -> Experiment:
    """Make network and batches; normalisation and class weights come from the training part alone."""
    torch.manual_seed(config.seed)
    task_config = ClassifierTaskConfig(config.model, config.augment, config.label_smoothing)
    task = ClassifierTask(
        task_config, train.sequences[0].shape[1], len(train.classes), train.static.shape[1]
    )
    task.set_statistics(**_statistics(train, config.class_balance))
    draws = None
    if config.data.balance or config.data.epoch_size:
        draws = draws_per_epoch(train.labels, config.data.balance, config.data.epoch_size)
    size = config.data.max_batch_size
    loader = LabelledLoader(
        train.sequences, train.labels, train.static, size, seed=config.seed, draws=draws
    )
    judged = _sample(train, config.seed) if dev is None else dev
    monitor = "objective" if dev is not None and config.monitor != "loss" else "loss"

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, ClassifierTask)
        return _figures(trained, judged, config.monitor)

    def save_model(trained: Task, folder: Path) -> None:
        assert isinstance(trained, ClassifierTask)
        save_classifier(trained, train.classes, folder, config)

    return Experiment(task, loader, evaluate, monitor, save_model, len, "sequences/s")


def _statistics(data: LabelledData, class_balance: float) -> dict[str, npt.NDArray[np.float64]]:
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


def _mean_and_std(
    values: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    values = values.astype(np.float64)
    std = values.std(0)
    return values.mean(0), np.where(
        std > 1e-8 * np.maximum(1.0, np.abs(values).max(0)), std, 1.0
    )  # 1: constant


def _sample(data: LabelledData, seed: int, count: int = 2000) -> LabelledData:
    if len(data.labels) <= count:
        return data
    return data.subset(
        np.random.default_rng((seed, 3)).choice(len(data.labels), count, replace=False)
    )


def _figures(task: ClassifierTask, data: LabelledData, monitor: str) -> dict[str, float]:
    scores = predict_scores(task, data.sequences, data.static)
    score = score_classes(data.labels, scores, [str(c) for c in data.classes])
    chosen = score.accuracy if monitor == "accuracy" else score.macro_f1
    weights = task.class_weights.cpu().numpy()[data.labels]
    log_likelihood = np.log(np.maximum(scores[np.arange(len(scores)), data.labels], 1e-12))
    loss = -float((weights * log_likelihood).sum() / max(1e-12, weights.sum()))
    objective = 1 - chosen + 1e-3 * min(loss, 1e3)  # the loss decides between equals
    return {
        "objective": objective,
        "macro_f1": score.macro_f1,
        "accuracy": score.accuracy,
        "loss": loss,
    }


@torch.inference_mode()
def predict_scores(
    task: ClassifierTask,
    sequences: Sequence[npt.NDArray[np.float32]],
    static: npt.NDArray[np.float32],
) -> npt.NDArray[np.float64]:
    """Return the probabilities (N, C) of sequences (T, D) with static features (N, S)."""
    task.eval()
    device = next(task.parameters()).device
    loader = LabelledLoader(
        sequences, np.zeros(len(sequences), np.int64), static, 256, shuffle=False
    )
    scores = np.zeros((len(sequences), len(task.class_weights)))
    for position, items in enumerate(loader.item_numbers(0)):
        batch = loader.load(0, position).to(device)
        scores[items] = task(batch.x, batch.x_lens, batch.static).double().softmax(-1).cpu().numpy()
    return scores


def evaluate_split(
    task: ClassifierTask, data: LabelledData, run_dir: Path, name: str
) -> ClassificationScore:
    """Write ``NAME/predictions.jsonl`` and add the figures of a split to ``metrics.json``."""
    names = [str(c) for c in data.classes]
    scores = predict_scores(task, data.sequences, data.static)
    score = score_classes(data.labels, scores, names)
    rows = []
    for number, (label, row) in enumerate(zip(data.labels.tolist(), scores, strict=True)):
        best = int(row.argmax())
        entry = {
            "id": str(number),
            "label": names[label],
            "prediction": names[best],
            "probability": float(row[best]),
        }
        rows.append(json.dumps(entry, ensure_ascii=False) + "\n")
    atomic_write_text(run_dir / name / "predictions.jsonl", "".join(rows))
    update_metrics(
        run_dir, {f"{name}/{key}": Metric(value, name) for key, value in score.figures().items()}
    )
    return score


def save_classifier(
    task: ClassifierTask, classes: Labels, folder: Path, config: ClassifyConfig | None = None
) -> None:
    """Write the model folder: what :func:`load_classifier` reads."""
    content: dict[str, Any] = {
        "task": "classify",
        "classes": list(classes),
        "input_dim": len(task.mean),
        "static_dim": len(task.static_mean),
        "network": as_dict(task.config),
    }

    def write(target: Path) -> None:
        atomic_write_text(target / "config.yaml", yaml_text(content))
        if config is not None:
            atomic_write_text(target / "training.yaml", config_yaml(config))
        save_weights(target, task.state_dict())

    write_bundle(folder, write)


def load_classifier(folder: str | Path) -> tuple[ClassifierTask, Labels]:
    """Return the network of a model folder, ready to predict, and its classes.

    Raises:
        ModelError: the folder is missing or damaged, or holds a model of another task.
    """
    bundle = open_bundle(folder, task="classify")
    try:
        network = build_config(
            ClassifierTaskConfig, bundle.config["network"], where=str(bundle.path / "config.yaml")
        )
        classes: Labels = tuple(bundle.config["classes"])
        task = ClassifierTask(
            network, int(bundle.config["input_dim"]), len(classes), int(bundle.config["static_dim"])
        ).eval()
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"{bundle.path / 'config.yaml'} lacks {error}.", "Copy the whole folder again."
        ) from error
    weights = bundle.weights()
    load_weights(task, weights, bundle.path)
    return task, classes

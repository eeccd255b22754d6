"""Anomaly detection: normal series -> a trained model folder with scales and thresholds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from asr.config import as_dict, build_config, check_range, config_yaml, read_yaml, yaml_text
from asr.errors import ConfigError, DataError
from asr.files import atomic_write_text
from asr.model_folder import Bundle, open_bundle, save_weights, write_bundle
from asr.run_folder import Metric, update_metrics
from asr.series.anomalies.alarms import AlarmConfig, Alarms, fit_alarms
from asr.series.anomalies.network import AnomalyModelConfig, AnomalyTask, AnomalyTaskConfig
from asr.series.frames import Series, number_columns, read_table, split_series
from asr.series.panels import cut
from asr.series.scaling import Scaler
from asr.series.windows import Panel, WindowLoader
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task, load_weights

__all__ = [
    "AnomalyConfig",
    "AnomalyDataConfig",
    "FittedDetector",
    "fit_detector",
    "load_detector",
    "save_detector",
    "scaled_channels",
    "series_errors",
    "train_detector",
]

Floats = npt.NDArray[np.float32]
SHARED = ""  # the scale that all series share
FEWEST_BATCHES = 32


@dataclass(frozen=True)
class AnomalyDataConfig:
    """Normal series and what is made of them.

    Attributes:
        path: CSV file with ``ds``, perhaps ``unique_id``, and a column a channel.
        columns: the channels (empty: all columns of numbers).
        rows: learn from the first so many of each series (0: all).
        per_series: scales and thresholds of each series' own, for machines that differ; then no new
            one can be judged.
        val_share: last share of each series that chooses the epoch.
    """

    path: str = ""
    columns: list[str] = field(default_factory=list)
    rows: int = 0
    per_series: bool = False
    val_share: float = 0.2

    def __post_init__(self) -> None:
        check_range("data.rows", self.rows, 0)
        check_range("data.val_share", self.val_share, 0.05, 0.5)


@dataclass(frozen=True)
class AnomalyConfig:
    """A whole training of a detector.

    Attributes:
        window: steps read at once; a forecaster is trained on windows of it and then reads without
            end.
        batch_size: windows in a step.
        windows_per_epoch: drawn for each epoch (0: each once, and repeated where that makes fewer
            than 32 batches).
        alarms: from errors to alarms.
    """

    task: str = "anomaly"
    seed: int = 1
    output_dir: str = ""
    window: int = 32
    batch_size: int = 64
    windows_per_epoch: int = 0
    data: AnomalyDataConfig = field(default_factory=AnomalyDataConfig)
    model: AnomalyModelConfig = field(default_factory=AnomalyModelConfig)
    alarms: AlarmConfig = field(default_factory=AlarmConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=5e-3, weight_decay=0.0)
    )
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=10, precision="fp32")
    )

    def __post_init__(self) -> None:
        check_range("window", self.window, 2)
        check_range("batch_size", self.batch_size, 1)
        check_range("windows_per_epoch", self.windows_per_epoch, 0)


@dataclass(frozen=True)
class FittedDetector:
    """A trained network with scales and alarms; the key of those that all series share is the empty
    string.
    """

    task: AnomalyTask
    config: AnomalyConfig
    columns: list[str]
    scalers: dict[str, list[Scaler]]
    alarms: dict[str, Alarms]

    def key(self, name: str) -> str:
        """Return the key of a series' scales and alarms.

        Raises:
            DataError: each series has its own, and this one was not there in training.
        """
        key = name if self.config.data.per_series else SHARED
        if key not in self.scalers:
            raise DataError(
                f"Series {name} was not there in training, and each series has a scale of its own.",
                "Train on its normal part too, or set per_series to false.",
            )
        return key


def train_detector(config: AnomalyConfig, resume: bool = True) -> Path:
    """Train from a CSV file of normal series, and return the model folder.

    Raises:
        ConfigError: no file is named. DataError: the series cannot be used.
    """
    if not config.data.path:
        raise ConfigError("data.path names no CSV file.", "Set data.path=FILE.")
    run_dir = Path(config.output_dir)
    frame = read_table(config.data.path)
    columns = number_columns(frame, config.data.columns)
    series = split_series(frame, columns, target=False)
    fitted = fit_detector(config, series, columns, run_dir, resume)
    figures = {
        f"normal/{name or 'all'} alarms": alarms.rate for name, alarms in fitted.alarms.items()
    }
    update_metrics(run_dir, {name: Metric(value, "train") for name, value in figures.items()})
    return run_dir / "model"


def fit_detector(
    config: AnomalyConfig,
    series: Sequence[Series],
    columns: Sequence[str],
    run_dir: Path,
    resume: bool = True,
) -> FittedDetector:
    """Train on normal series, then set the threshold from the errors on the same normal series.

    Raises:
        DataError: a series is shorter than two windows, or a channel is constant.
    """
    known = [cut(one, config.data.rows) if config.data.rows else one for one in series]
    for one in known:
        if len(one.ds) < 2 * config.window + 2:
            raise DataError(
                f"Series {one.name} has {len(one.ds)} steps; a window of {config.window} needs "
                f"{2 * config.window + 2}.",
                "Give a shorter window or a longer series.",
            )
    scalers = _fit_scalers(known, columns, config.data.per_series)
    torch.manual_seed(config.seed)
    task = AnomalyTask(AnomalyTaskConfig(len(columns), config.window, config.model))
    fitted = FittedDetector(task, config, list(columns), scalers, {})
    experiment = _experiment(fitted, known)
    fit(
        experiment,
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    trained = load_detector(run_dir / "model")
    alarms = _fit_alarms(trained, known)
    trained = FittedDetector(trained.task, config, trained.columns, scalers, alarms)
    save_detector(trained, run_dir / "model")
    return trained


def _fit_scalers(
    known: Sequence[Series], columns: Sequence[str], per_series: bool
) -> dict[str, list[Scaler]]:
    def fit_all(parts: Sequence[Series], where: str) -> list[Scaler]:
        return [
            Scaler.fit(
                np.concatenate([one.covariates[name] for one in parts]),
                "zscore",
                f"Column {name}{where}",
            )
            for name in columns
        ]

    if per_series:
        return {one.name: fit_all([one], f" of series {one.name}") for one in known}
    return {SHARED: fit_all(known, "")}


def scaled_channels(fitted: FittedDetector, one: Series) -> Floats:
    """Return the channels of a series (n, C) on the model's scale."""
    scalers = fitted.scalers[fitted.key(one.name)]
    pairs = zip(scalers, fitted.columns, strict=True)
    return np.stack([scaler.apply(one.covariates[name], name) for scaler, name in pairs], axis=1)


def _experiment(fitted: FittedDetector, known: Sequence[Series]) -> Experiment:
    config = fitted.config
    values = [scaled_channels(fitted, one) for one in known]
    panels = [
        Panel(one.name, 0, x, np.zeros((len(x), 0), np.float32), np.zeros((len(x), 0), np.float32))
        for one, x in zip(known, values, strict=True)
    ]
    stops = [max(config.window + 1, int(len(x) * (1 - config.data.val_share))) for x in values]
    train = WindowLoader(
        panels, config.window, 0, config.batch_size, [(0, stop) for stop in stops], seed=config.seed
    )
    train.windows_per_epoch = config.windows_per_epoch or max(
        len(train), FEWEST_BATCHES * config.batch_size
    )
    ranges = [(stop, len(x)) for stop, x in zip(stops, values, strict=True)]
    dev = WindowLoader(panels, config.window, 0, 512, ranges)

    def evaluate(trained: Task) -> dict[str, float]:
        losses = [trained.loss(dev.load(0, position)) for position in range(dev.num_batches(0))]
        return {"mse": float(sum(x.total for x in losses) / sum(x.count for x in losses))}

    def save_model(trained: Task, folder: Path) -> None:
        save_detector(fitted, folder)

    return Experiment(
        fitted.task,
        train,
        evaluate,
        "mse",
        save_model,
        lambda batch: len(batch.ids),
        "windows a second",
    )


@torch.inference_mode()
def series_errors(task: AnomalyTask, x: Floats) -> Floats:
    """Return the errors of every step of a scaled series (n, C): (n, C) of a forecaster, (n, 2 C)
    of an autoencoder.

    A forecaster's are those of its forecast from all steps before. An autoencoder's belong to the
    window that ends at the step; before the first whole window the first step stands in for what is
    missing.
    """
    task.eval()
    if task.config.model.kind == "forecast":
        return np.asarray(task.errors(torch.from_numpy(x)[None])[0].numpy())
    T = task.config.window
    padded = np.concatenate([np.repeat(x[:1], T - 1, axis=0), x])
    windows = np.lib.stride_tricks.sliding_window_view(padded, T, axis=0).transpose(0, 2, 1)
    parts = [
        task.errors(torch.from_numpy(windows[start : start + 512].copy())).numpy()
        for start in range(0, len(x), 512)
    ]
    return np.concatenate(parts)


def _fit_alarms(fitted: FittedDetector, known: Sequence[Series]) -> dict[str, Alarms]:
    """The first window of each series is left out: the networks have seen too little there."""
    skip = fitted.config.window
    by_key: dict[str, list[Floats]] = {}
    for one in known:
        errors = series_errors(fitted.task, scaled_channels(fitted, one))
        by_key.setdefault(fitted.key(one.name), []).append(errors)
    return {key: fit_alarms(parts, fitted.config.alarms, skip) for key, parts in by_key.items()}


def save_detector(fitted: FittedDetector, folder: Path) -> None:
    """Write the model folder that :func:`load_detector` reads."""

    def write(target: Path) -> None:
        content = {"task": "anomaly", "network": as_dict(fitted.task.config)}
        atomic_write_text(target / "config.yaml", yaml_text(content))
        atomic_write_text(target / "training.yaml", config_yaml(fitted.config))
        scales = {
            "columns": fitted.columns,
            "scalers": {
                name: [asdict(scaler) for scaler in scalers]
                for name, scalers in fitted.scalers.items()
            },
            "alarms": {name: alarms.as_dict() for name, alarms in fitted.alarms.items()},
        }
        atomic_write_text(target / "scales.json", json.dumps(scales, indent=1) + "\n")
        save_weights(target, fitted.task.state_dict())

    write_bundle(folder, write)


def load_detector(folder: str | Path | Bundle) -> FittedDetector:
    """Return the detector in a model folder.

    Raises:
        ModelError: the folder is no detector, or is damaged.
    """
    bundle = folder if isinstance(folder, Bundle) else open_bundle(folder, task="anomaly")
    task = AnomalyTask(
        build_config(AnomalyTaskConfig, bundle.config["network"], where=str(bundle.path))
    )
    weights = bundle.weights()
    load_weights(task, weights, bundle.path)
    scales = json.loads(bundle.file("scales.json").read_text(encoding="utf-8"))
    config = build_config(
        AnomalyConfig, read_yaml(bundle.file("training.yaml")), where=str(bundle.path)
    )
    scalers = {
        name: [Scaler(**fields) for fields in parts] for name, parts in scales["scalers"].items()
    }
    alarms = {name: Alarms.from_dict(content) for name, content in scales["alarms"].items()}
    return FittedDetector(task.eval(), config, scales["columns"], scalers, alarms)

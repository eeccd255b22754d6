"""Training of a detector on normal series, which set its scales and thresholds too.

Legend: n steps, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from asr.errors import ConfigError, DataError
from asr.run_folder import Metric, update_metrics
from asr.series.anomalies.alarms import Alarms, fit_alarms
from asr.series.anomalies.config import AnomalyConfig
from asr.series.anomalies.model import SHARED, FittedDetector, Floats
from asr.series.anomalies.network import AnomalyTask, AnomalyTaskConfig
from asr.series.frames import Series, number_columns, split_series, with_times
from asr.series.panels import cut
from asr.series.scaling import Scaler
from asr.series.tables import read_table
from asr.series.windows import Panel, WindowLoader, list_windows
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = ["fit_detector", "train_detector"]

FEWEST_BATCHES = 32  # in an epoch: short series would else spend their time between epochs


def train_detector(config: AnomalyConfig, resume: bool = True) -> Path:
    """Train from a CSV file of normal series, and return the model folder.

    Raises:
        ConfigError: no file is named.
        DataError: the series cannot be used.
    """
    if not config.data.path:
        raise ConfigError("data.path names no CSV file.", "Set data.path=FILE.")
    run_dir = Path(config.output_dir)
    data = config.data
    frame = with_times(read_table(data.path), data.path, data.date_format)
    columns = number_columns(frame, config.data.columns)
    series = split_series(frame, columns, target=False)
    model = fit_detector(config, series, columns, run_dir, resume=resume)
    figures = {
        f"normal/{name or 'all'} alarms": alarms.rate for name, alarms in model.alarms.items()
    }
    update_metrics(run_dir, {name: Metric(value, "train") for name, value in figures.items()})
    return run_dir / "model"


def fit_detector(
    config: AnomalyConfig,
    series: Sequence[Series],
    columns: Sequence[str],
    run_dir: Path,
    *,
    resume: bool = True,
) -> FittedDetector:
    """Train on normal series, then set the threshold from the errors on the same normal series.

    Raises:
        DataError: a series is shorter than two windows, or a channel is constant.
    """
    known = [cut(one, config.data.rows) if config.data.rows else one for one in series]
    needed = 2 * config.window + 2
    for one in known:
        if len(one.ds) < needed:
            raise DataError(
                f"Series {one.name} has {len(one.ds)} steps; a window of {config.window} needs "
                f"{needed}.",
                "Give a shorter window or a longer series.",
            )
    scalers = _fit_scalers(known, columns, config.data.per_series)
    torch.manual_seed(config.seed)
    network = AnomalyTask(AnomalyTaskConfig(len(columns), config.window, config.model))
    untrained = FittedDetector(network, config, list(columns), scalers, {})
    fit(
        _experiment(untrained, known),
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    best = FittedDetector.load(run_dir / "model")
    model = replace(best, config=config, alarms=_fit_alarms(best, known))
    model.save(run_dir / "model")
    return model


def _fit_scalers(
    known: Sequence[Series], columns: Sequence[str], per_series: bool
) -> dict[str, list[Scaler]]:
    def fit_all(parts: Sequence[Series], where: str) -> list[Scaler]:
        scalers = []
        for name in columns:
            values = np.concatenate([one.covariates[name] for one in parts])
            scalers.append(Scaler.fit(values, "zscore", f"Column {name}{where}"))
        return scalers

    if per_series:
        return {one.name: fit_all([one], f" of series {one.name}") for one in known}
    return {SHARED: fit_all(known, "")}


def _experiment(model: FittedDetector, known: Sequence[Series]) -> Experiment:
    config = model.config
    panels = [_panel(one.name, model.scaled(one)) for one in known]
    share = 1 - config.data.val_share
    stops = [max(config.window + 1, int(len(panel) * share)) for panel in panels]
    learned = list_windows([(0, stop) for stop in stops], config.window, h=0)
    loader = WindowLoader(
        panels,
        learned,
        config.window,
        0,
        batch_size=config.batch_size,
        seed=config.seed,
        windows_per_epoch=config.windows_per_epoch
        or max(len(learned), FEWEST_BATCHES * config.batch_size),
    )
    ends = [(stop, len(panel)) for stop, panel in zip(stops, panels, strict=True)]
    judged = list_windows(ends, config.window, h=0)
    dev = WindowLoader(panels, judged, config.window, 0, batch_size=512)

    def evaluate(trained: Task) -> dict[str, float]:
        losses = [trained.loss(dev.load(0, position)) for position in range(dev.num_batches(0))]
        return {"mse": float(sum(x.total for x in losses) / sum(x.count for x in losses))}

    return Experiment(
        task=model.network,
        train=loader,
        evaluate=evaluate,
        monitor="mse",
        save_model=lambda trained, folder: model.save(folder),
        speed=lambda batch: len(batch.ids),
        speed_unit="windows a second",
    )


def _panel(name: str, x: Floats) -> Panel:
    """Return channels (n, C) as a panel without covariates."""
    nothing = np.zeros((len(x), 0), np.float32)
    return Panel(name, series=0, target=x, past=nothing, future=nothing)


def _fit_alarms(model: FittedDetector, known: Sequence[Series]) -> dict[str, Alarms]:
    """Return the alarms of each key.

    The first window of each series is left out: the network has seen too little there.
    """
    errors: dict[str, list[Floats]] = {}
    for one in known:
        errors.setdefault(model.key(one.name), []).append(model.errors(one))
    config = model.config
    return {key: fit_alarms(parts, config.alarms, config.window) for key, parts in errors.items()}

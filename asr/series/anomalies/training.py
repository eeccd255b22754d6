"""Training of a detector on normal series, which set its scales and thresholds too.

Legend: n steps, C channels.
"""

from __future__ import annotations

import warnings
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
from asr.series.anomalies.sequences import (
    PrincipalComponents,
    SequenceAlarms,
    fit_sequence_alarms,
)
from asr.series.frames import Series, number_columns, split_series, with_times
from asr.series.panels import cut
from asr.series.scaling import Scaler
from asr.series.tables import read_table
from asr.series.windows import Panel, WindowLoader, list_windows
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = ["fit_detector", "train_detector"]

USUAL_WINDOW = 32
FEWEST_SEQUENCES = 10  # that are judged as wholes
LONGEST_SEQUENCE = 1000  # steps read at once where no window is given
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
    frame = with_times(read_table(data.path, names=data.names), data.path, data.date_format)
    columns = number_columns(frame, config.data.columns)
    series = split_series(frame, columns, target=False)
    model = fit_detector(config, series, columns, run_dir, resume=resume)
    figures = {
        f"normal/{name or 'all'} alarms": alarms.rate for name, alarms in model.alarms.items()
    }
    if model.sequences is not None:
        figures["normal/all alarms"] = model.sequences.rate
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
    """Train on normal series, then set the threshold on normal series too.

    Many short sequences are judged as wholes; the threshold then comes from those that were held
    out. That of steps of long series comes from all of them.

    Raises:
        DataError: a series is shorter than two windows, or a channel is constant.
    """
    known = [cut(one, config.data.rows) if config.data.rows else one for one in series]
    config, sequences = _with_window(config, known)
    shape = AnomalyTaskConfig(len(columns), config.window, config.model, sequences)
    scalers = _fit_scalers(known, columns, config.data.per_series)
    torch.manual_seed(config.seed)
    untrained = FittedDetector(AnomalyTask(shape), config, list(columns), scalers, {})
    held_out = _held_out(len(known), config) if sequences else []
    components = None
    if sequences:
        learned = [one for at, one in enumerate(known) if at not in held_out]
        windows = np.concatenate([untrained.windows(one) for one in learned])
        components = PrincipalComponents.fit(windows, shape.code_dim)
        start = (torch.from_numpy(part) for part in (components.centre, components.axes))
        untrained.network.start_linear(*start)
    start_weights = {name: w.clone() for name, w in untrained.network.state_dict().items()}
    fit(
        _experiment(untrained, known, held_out),
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    best = FittedDetector.load(run_dir / "model")
    if components is None:
        model = replace(best, config=config, alarms=_fit_alarms(best, known))
    else:
        judged = [known[at] for at in held_out]
        _keep_better(best, start_weights, judged)
        model = replace(best, config=config, sequences=_fit_sequences(best, judged, components))
    model.save(run_dir / "model")
    return model


def _with_window(config: AnomalyConfig, known: Sequence[Series]) -> tuple[AnomalyConfig, bool]:
    """Return the configuration with its window, and whether the series are short sequences."""
    lengths = [len(one.ds) for one in known]
    many = len(known) >= FEWEST_SEQUENCES
    whole = config.model.kind == "autoencoder" and many and not config.data.per_series
    if not config.window and whole and max(lengths) <= LONGEST_SEQUENCE:
        return replace(config, window=min(lengths)), True
    config = replace(config, window=config.window or USUAL_WINDOW)
    T, shortest = config.window, min(lengths)
    if shortest >= 2 * T + 2:
        return config, False
    one = known[lengths.index(shortest)]
    if whole and shortest >= T:
        return config, True
    raise DataError(
        f"Series {one.name} has {shortest} steps; a window of {T} needs {2 * T + 2}, or {T} where "
        f"an autoencoder gets {FEWEST_SEQUENCES} sequences or more.",
        "Give a shorter window or a longer series.",
    )


def _held_out(count: int, config: AnomalyConfig) -> list[int]:
    """Return the numbers of the sequences that choose the epoch and set the threshold."""
    order = np.random.default_rng(config.seed).permutation(count)
    return sorted(order[: max(2, round(config.data.val_share * count))].tolist())


def _keep_better(
    model: FittedDetector, start: dict[str, torch.Tensor], judged: Sequence[Series]
) -> None:
    """Put the weights at the start back where those of the best epoch are no better."""
    windows = np.concatenate([model.windows(one) for one in judged])
    trained = {name: w.clone() for name, w in model.network.state_dict().items()}
    errors = []
    for weights in (start, trained):
        model.network.load_state_dict(weights)
        errors.append(float(np.square(model.window_errors(windows)).mean()))
    if errors[0] < errors[1]:
        model.network.load_state_dict(start)


def _fit_sequences(
    model: FittedDetector, judged: Sequence[Series], components: PrincipalComponents
) -> SequenceAlarms:
    windows = [model.windows(one) for one in judged]
    errors = model.sequence_errors(judged)
    alarms = fit_sequence_alarms(
        components,
        windows,
        errors,
        quantile=model.config.alarms.quantile,
        margin=model.config.alarms.margin or 1.0,
    )
    if alarms.warning:
        warnings.warn(alarms.warning, stacklevel=5)
    return alarms


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


def _experiment(
    model: FittedDetector, known: Sequence[Series], held_out: Sequence[int]
) -> Experiment:
    """Return the experiment; ``held_out`` sequences choose the epoch, or the ends of all series."""
    config = model.config
    panels = [_panel(one.name, model.scaled(one)) for one in known]
    share = 1 - config.data.val_share
    stops = [max(config.window + 1, int(len(panel) * share)) for panel in panels]
    if held_out:
        stops = [0 if at in held_out else len(panel) for at, panel in enumerate(panels)]
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
    if held_out:  # nothing of a sequence that is learned
        ends = [(stop + 1 if stop else 0, n) for stop, n in ends]
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

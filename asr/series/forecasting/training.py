"""Training of a forecaster, judged on the last part of each series after every epoch.

Legend: W windows, h horizon, C targets, Q quantiles.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from asr.errors import ConfigError, DataError
from asr.run_folder import record_split
from asr.series.forecasting.config import ForecastConfig, SeriesDataConfig
from asr.series.forecasting.fitted import FittedForecaster, complete
from asr.series.forecasting.metrics import measure, naive_error
from asr.series.forecasting.model import ForecastModel, predict_windows
from asr.series.forecasting.network import ForecastTask, ForecastTaskConfig, pinball
from asr.series.frames import Series, read_frame, split_series
from asr.series.lookback import find_season, propose_lookback
from asr.series.panels import Layout, cut, fit_layout
from asr.series.scaling import grows_with_level
from asr.series.statics import with_static
from asr.series.windows import WindowLoader, Windows, list_windows
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task

__all__ = ["fit_forecast", "read_series", "train_forecast"]

Floats = npt.NDArray[np.float64]
FEWEST_BATCHES = 32  # in an epoch: short series would else spend their time between epochs
MOST_BATCHES = 512  # in an epoch: of thousands of series, each one draws other windows
SHOWN_WINDOWS = 12  # of the test part, in the report


def train_forecast(config: ForecastConfig, resume: bool = True) -> Path:
    """Train from a CSV file; return the model folder, with the best weights on the validation part.

    Where ``data.test_size`` is set, ``metrics.json`` gets ``test/mse``, ``test/mae`` and
    ``test/r2`` in scaled units over every window of the test part, and ``test/predictions.jsonl`` a
    few of them for the report.

    Raises:
        ConfigError: no file or output folder is named.
        DataError: the series cannot be used.
    """
    if not config.data.path:
        raise ConfigError("data.path names no CSV file.", "Set data.path=FILE.")
    run_dir = Path(config.output_dir)
    series = read_series(config.data)
    fitted = fit_forecast(config, series, run_dir, resume)
    if config.data.test_size:
        _write_test(fitted, series, run_dir)
    return run_dir / "model"


def read_series(data: SeriesDataConfig) -> list[Series]:
    """Return the checked series of a configuration's file."""
    columns = [*data.past_columns, *data.future_columns]
    kept = [*columns, *data.static_columns]
    frame = read_frame(data.path, data.time, data.targets, kept, data.date_format, names=data.names)
    series = split_series(frame, columns, data.freq or None)
    series = with_static(series, frame, data.static_columns)
    return [cut(one, data.rows) if data.rows else one for one in series]


def fit_forecast(
    config: ForecastConfig, series: Sequence[Series], run_dir: Path, resume: bool = True
) -> FittedForecaster:
    """Train on all but the last ``data.test_size`` steps of ``series``.

    Raises:
        DataError: a series is too short or constant.
        TrainingError: see :func:`asr.training.loop.fit`.
    """
    known = [cut(one, len(one) - config.data.test_size) for one in series]
    config = _with_lookback(config, known)
    val_sizes = [config.validation_steps(one) for one in known]
    training = [cut(one, len(one) - size) for one, size in zip(known, val_sizes, strict=True)]
    layout = _fit_layout(config, training)  # scales come from the training part alone
    if not config.data.log:
        _propose_log(training, layout.season)
    experiment = _experiment(config, layout, known, val_sizes)
    fit(
        experiment,
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    fitted = complete(ForecastModel.load(run_dir / "model"), known)
    fitted.save(run_dir / "model")
    return fitted


def _propose_log(training: Sequence[Series], season: int) -> None:
    """Say so where logarithms would make the swings of most series even."""
    growing = sum(grows_with_level(one.values, season) for one in training)
    if 2 * growing > len(training):
        print(
            f"{growing} of {len(training)} series swing more where they are higher: try log=True "
            "(data.log=true), which forecasts in percent.",
            file=sys.stderr,
        )


def _with_lookback(config: ForecastConfig, known: Sequence[Series]) -> ForecastConfig:
    for one in known:
        if config.h >= len(one):
            raise DataError(
                f"The horizon of {config.h} steps is longer than series {one.name} has to learn "
                f"from ({len(one)} steps).",
                "Give a shorter h or a longer series.",
            )
    if config.lookback:
        return config
    proposals = [propose_lookback(one.values, config.h, one.grid.season) for one in known]
    return replace(config, lookback=int(np.median(proposals)))


def _fit_layout(config: ForecastConfig, training: Sequence[Series]) -> Layout:
    data = config.data
    layout = fit_layout(
        training,
        scaling=data.scaling,
        log=data.log,
        joint=data.joint,
        past=data.past_columns,
        future=data.future_columns,
        calendar=data.calendar,
    )
    longest = max(training, key=len)
    season = find_season(longest.values, longest.grid.season)
    naive = {one.name: naive_error(one.values, season) for one in training}
    return replace(layout, naive=naive, season=season)


def _experiment(
    config: ForecastConfig, layout: Layout, known: Sequence[Series], val_sizes: Sequence[int]
) -> Experiment:
    panels = layout.panels(known)
    sizes = val_sizes[: len(panels)]  # joint series are one panel, and equally long
    stops = [len(panel) - size for panel, size in zip(panels, sizes, strict=True)]
    learned = list_windows([(0, stop) for stop in stops], config.lookback, config.h, config.stride)
    loader = WindowLoader(
        panels,
        learned,
        config.lookback,
        config.h,
        batch_size=config.batch_size,
        seed=config.seed,
        windows_per_epoch=config.windows_per_epoch
        or _epoch_windows(len(learned), config.batch_size),
    )
    ends = [(stop, len(panel)) for stop, panel in zip(stops, panels, strict=True)]
    judged = _spread(list_windows(ends, config.lookback, config.h), config.max_val_windows)

    torch.manual_seed(config.seed)
    task = ForecastTask(_task_config(config, layout))
    until = {one.name: str(one.ds[-1]) for one in known}

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, ForecastTask)
        return _dev_figures(trained, *predict_windows(trained, panels, judged))

    def save_model(trained: Task, folder: Path) -> None:
        assert isinstance(trained, ForecastTask)
        ForecastModel(trained, layout, config, until).save(folder)

    return Experiment(
        task=task,
        train=loader,
        evaluate=evaluate,
        monitor="loss",
        save_model=save_model,
        speed=lambda batch: len(batch.ids),
        speed_unit="windows a second",
    )


def _epoch_windows(count: int, batch_size: int) -> int:
    """Return how many of ``count`` windows an epoch draws."""
    return min(max(count, FEWEST_BATCHES * batch_size), MOST_BATCHES * batch_size)


def _spread(windows: Windows, count: int) -> Windows:
    """Return ``count`` windows at most, evenly spaced."""
    if len(windows) <= count:
        return windows
    chosen: Windows = windows[np.linspace(0, len(windows) - 1, count).astype(int)]
    return chosen


def _task_config(config: ForecastConfig, layout: Layout) -> ForecastTaskConfig:
    return ForecastTaskConfig(
        h=config.h,
        lookback=config.lookback,
        num_targets=layout.num_targets,
        num_past=len(layout.past) + layout.num_future,
        num_future=layout.num_future,
        num_series=1 if layout.joint else len(layout.names),
        loss=config.loss,
        quantiles=config.quantiles,
        huber_delta=config.huber_delta,
        model=config.model,
    )


def _dev_figures(task: ForecastTask, truth: Floats, forecast: Floats) -> dict[str, float]:
    """Return the loss that is trained, and the errors of the point forecast, all scaled."""
    config = task.config
    middle = measure(truth, forecast[..., config.num_outputs // 2])
    error = torch.from_numpy(truth[..., None] - forecast)
    if config.loss == "quantile":
        loss = float(pinball(error, task.quantiles.double()).mean())
    elif config.loss == "huber":
        zeros = torch.zeros_like(error)
        loss = float(functional.huber_loss(error, zeros, delta=config.huber_delta))
    else:
        loss = middle.mse if config.loss == "mse" else middle.mae
    return {"loss": loss, "mse": middle.mse, "mae": middle.mae}


def _write_test(fitted: FittedForecaster, series: Sequence[Series], run_dir: Path) -> None:
    """Write the figures of the test part, and a few of its windows."""
    config, model = fitted.config, fitted.model
    origins = [
        range(max(config.lookback, len(one) - config.data.test_size), len(one) - config.h + 1)
        for one in series
    ]
    scaled = fitted.scaled(series, origins)
    forecasts, truths = [], []
    for one, starts in zip(series, origins, strict=True):
        values, quantiles = model.scaled(one), scaled[one.name]
        forecasts.append(quantiles[..., quantiles.shape[-1] // 2])
        truths.append(np.stack([values[at : at + config.h] for at in starts]))
    truth, middle = np.concatenate(truths), np.concatenate(forecasts)
    accuracy = measure(truth, middle)
    figures = {"mse": accuracy.mse, "mae": accuracy.mae, "r2": accuracy.r2}
    rows = [
        {"id": f"window {at}", "truth": truth[at].tolist(), "forecast": middle[at].tolist()}
        for at in np.unique(np.linspace(0, len(truth) - 1, SHOWN_WINDOWS).astype(int))
    ]
    record_split(run_dir, "test", figures, rows)

"""Forecasting: series -> a trained model folder, with the error of the validation part after every
epoch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from asr.config import as_dict, build_config, check_choice, check_range, config_yaml, yaml_text
from asr.errors import ConfigError, DataError
from asr.files import atomic_write_text
from asr.model_folder import Bundle, open_bundle, save_weights, write_bundle
from asr.run_folder import Metric, update_metrics
from asr.series.calendar import check_calendar
from asr.series.forecasting.metrics import measure, naive_error
from asr.series.forecasting.network import (
    LOSSES,
    ForecastModelConfig,
    ForecastTask,
    ForecastTaskConfig,
    pinball,
)
from asr.series.frames import Series, read_frame, split_series
from asr.series.lookback import find_season, propose_lookback
from asr.series.panels import Layout, cut, fit_layout
from asr.series.scaling import SCALERS
from asr.series.windows import Panel, WindowLoader
from asr.training.config import OptimizerConfig, TrainerConfig
from asr.training.experiment import Experiment
from asr.training.loop import fit
from asr.training.task import Task, load_weights

__all__ = [
    "FittedForecast",
    "ForecastConfig",
    "SeriesDataConfig",
    "fit_forecast",
    "load_forecast",
    "predict_ranges",
    "save_forecast",
    "train_forecast",
    "val_size",
]

Floats = npt.NDArray[np.float64]
LAYOUT = "layout.json"
FEWEST_BATCHES = 32  # in an epoch: short series would else spend their time between epochs


@dataclass(frozen=True)
class SeriesDataConfig:
    """Series and what is made of them.

    Attributes:
        path: CSV file with ``unique_id``, ``ds``, ``y``; or a wide table with a column ``time`` and
            ``targets``.
        freq: time step as pandas writes it (empty: found out).
        rows: use the first so many of each series (0: all).
        joint: read all series together instead of one at a time with shared weights.
        past_columns: covariates known up to the present; known ahead.
        future_columns: covariates known up to the present; known ahead.
        calendar: see :mod:`asr.series.calendar`.
        scaling: zscore, minmax or none;
        log: of the logarithm.
        val_size: last steps of the training part that choose the epoch (0: a fifth, at least the
            horizon).
        test_size: last steps, of which nothing is learned.
    """

    path: str = ""
    time: str = ""
    targets: list[str] = field(default_factory=list)
    freq: str = ""
    rows: int = 0
    joint: bool = False
    past_columns: list[str] = field(default_factory=list)
    future_columns: list[str] = field(default_factory=list)
    calendar: list[str] = field(default_factory=list)
    scaling: str = "zscore"
    log: bool = False
    val_size: int = 0
    test_size: int = 0

    def __post_init__(self) -> None:
        check_choice("data.scaling", self.scaling, SCALERS)
        check_calendar(self.calendar)
        for name in ("rows", "val_size", "test_size"):
            check_range(f"data.{name}", getattr(self, name), 0)
        if twice := set(self.past_columns) & set(self.future_columns):
            raise ConfigError(
                f"{sorted(twice)[0]} is both a past and a future column.",
                "A future column is enough.",
            )


@dataclass(frozen=True)
class ForecastConfig:
    """A whole training of a forecaster.

    Attributes:
        h: steps ahead.
        lookback: steps back (0: proposed from the autocorrelation).
        loss: mse, mae, huber or quantile.
        levels: of the intervals in percent, such as [80, 95]; they need the loss quantile.
        huber_delta: of huber.
        batch_size: windows in a step.
        stride: steps between windows.
        windows_per_epoch: drawn for each epoch (0: each once, and repeated where that makes fewer
            than 32 batches).
        max_val_windows: so many at most are judged after each epoch, evenly spaced.
    """

    task: str = "forecast"
    seed: int = 1
    output_dir: str = ""
    h: int = 1
    lookback: int = 0
    loss: str = "mae"
    levels: list[float] = field(default_factory=list)
    huber_delta: float = 1.0
    batch_size: int = 64
    stride: int = 1
    windows_per_epoch: int = 0
    max_val_windows: int = 4096
    data: SeriesDataConfig = field(default_factory=SeriesDataConfig)
    model: ForecastModelConfig = field(default_factory=ForecastModelConfig)
    optimizer: OptimizerConfig = field(default_factory=lambda: OptimizerConfig(weight_decay=0.0))
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=20, patience=5, precision="fp32")
    )

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, LOSSES)
        check_range("h", self.h, 1)
        for name in ("batch_size", "stride", "max_val_windows"):
            check_range(name, getattr(self, name), 1)
        for name in ("lookback", "windows_per_epoch"):
            check_range(name, getattr(self, name), 0)
        for level in self.levels:
            check_range("levels", level, 0.1, 99.9)
        if bool(self.levels) != (self.loss == "quantile"):
            raise ConfigError(
                f"The loss is {self.loss} and the levels are {self.levels}.",
                "Intervals come from the loss quantile: set both, such as loss=quantile levels=[80], or neither.",
            )

    @property
    def quantiles(self) -> list[float]:
        """Rising: the ends of each interval, and the median."""
        ends = [(50 + side * level / 2) / 100 for level in self.levels for side in (-1, 1)]
        return sorted({round(q, 6) for q in (*ends, 0.5)}) if self.levels else []


@dataclass(frozen=True)
class FittedForecast:
    """A trained network with all that is needed to use it.

    Attributes:
        task: in evaluation mode.
        layout: columns and scales.
        config: how it was trained; its lookback is filled in.
        learned_until: last step of each series that anything was learned from, as text.
    """

    task: ForecastTask
    layout: Layout
    config: ForecastConfig
    learned_until: dict[str, str]


def train_forecast(config: ForecastConfig, resume: bool = True) -> Path:
    """Train from a CSV file, and return the model folder with the weights that were best on the
    validation part.

    Where ``data.test_size`` is set, ``metrics.json`` gets ``test/mse`` and ``test/mae`` in scaled
    units over every window of the test part, and ``test/predictions.jsonl`` a few of them for the
    report.

    Raises:
        ConfigError: no file or output folder is named. DataError: the series cannot be used.
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
    frame = read_frame(data.path, data.time, data.targets, columns)
    series = split_series(frame, columns, data.freq or None)
    return [cut(one, data.rows) if data.rows else one for one in series]


def fit_forecast(
    config: ForecastConfig, series: Sequence[Series], run_dir: Path, resume: bool = True
) -> FittedForecast:
    """Train on all but the last ``data.test_size`` steps of ``series``.

    Raises:
        DataError: a series is too short or constant. Others: see :func:`asr.training.loop.fit`.
    """
    known = [cut(one, len(one) - config.data.test_size) for one in series]
    config = _with_lookback(config, known)
    val_sizes = [val_size(one, config) for one in known]
    training = [cut(one, len(one) - size) for one, size in zip(known, val_sizes, strict=True)]
    layout = _layout(config, training)
    panels = layout.panels(known)
    experiment = _experiment(config, layout, panels, val_sizes, known)
    fit(
        experiment,
        config.trainer,
        config.optimizer,
        run_dir,
        seed=config.seed,
        resume=resume,
    )
    return load_forecast(run_dir / "model")


def _with_lookback(config: ForecastConfig, known: Sequence[Series]) -> ForecastConfig:
    for one in known:
        if config.h >= len(one):
            raise DataError(
                f"The horizon of {config.h} steps is longer than series {one.name} has to learn from "
                f"({len(one)} steps).",
                "Give a shorter h or a longer series.",
            )
    if config.lookback:
        return config
    proposals = [propose_lookback(one.values, config.h, one.grid.season) for one in known]
    return replace(config, lookback=int(np.median(proposals)))


def val_size(one: Series, config: ForecastConfig) -> int:
    h, lookback, n = config.h, config.lookback, len(one)
    if n < lookback + 2 * h:
        raise DataError(
            f"Series {one.name} has {n} steps; a lookback of {lookback} and a horizon of {h} need {lookback + 2 * h}: "
            "one window to learn from and one to choose the epoch by.",
            "Give a shorter lookback or h, or a longer series.",
        )
    size = config.data.val_size or min(max(h, n // 5), n - lookback - h)
    if not h <= size <= n - lookback - h:
        raise DataError(
            f"data.val_size is {size}; series {one.name} with {n} steps allows {h} to {n - lookback - h}.",
            "Change it, or set 0 to have it chosen.",
        )
    return size


def _layout(config: ForecastConfig, training: Sequence[Series]) -> Layout:
    data = config.data
    layout = fit_layout(
        training,
        data.scaling,
        data.log,
        data.joint,
        data.past_columns,
        data.future_columns,
        data.calendar,
    )
    longest = max(training, key=len)
    season = find_season(longest.values, longest.grid.season)
    naive = {one.name: naive_error(one.values, season) for one in training}
    return replace(layout, naive=naive, season=season)


def _experiment(
    config: ForecastConfig,
    layout: Layout,
    panels: Sequence[Panel],
    val_sizes: Sequence[int],
    known: Sequence[Series],
) -> Experiment:
    sizes = val_sizes[: len(panels)]
    stops = [len(panel) - size for panel, size in zip(panels, sizes, strict=True)]
    train = WindowLoader(
        panels,
        config.lookback,
        config.h,
        config.batch_size,
        [(0, stop) for stop in stops],
        config.stride,
        config.seed,
    )
    train.windows_per_epoch = config.windows_per_epoch or max(
        len(train), FEWEST_BATCHES * config.batch_size
    )
    ranges = [(stop, len(panel)) for stop, panel in zip(stops, panels, strict=True)]
    torch.manual_seed(config.seed)
    task = ForecastTask(_task_config(config, layout))
    until = {one.name: str(one.ds[-1]) for one in known}

    def evaluate(trained: Task) -> dict[str, float]:
        assert isinstance(trained, ForecastTask)
        truth, forecast = predict_ranges(trained, panels, ranges, config.max_val_windows)
        return _dev_figures(trained, truth, forecast)

    def save_model(trained: Task, folder: Path) -> None:
        assert isinstance(trained, ForecastTask)
        save_forecast(FittedForecast(trained, layout, config, until), folder)

    return Experiment(
        task, train, evaluate, "loss", save_model, lambda batch: len(batch.ids), "windows a second"
    )


def _task_config(config: ForecastConfig, layout: Layout) -> ForecastTaskConfig:
    return ForecastTaskConfig(
        config.h,
        config.lookback,
        layout.num_targets,
        len(layout.past) + layout.num_future,
        layout.num_future,
        1 if layout.joint else len(layout.names),
        config.loss,
        config.quantiles,
        config.huber_delta,
        config.model,
    )


def _dev_figures(task: ForecastTask, truth: Floats, forecast: Floats) -> dict[str, float]:
    config = task.config
    middle = measure(truth, forecast[..., config.num_outputs // 2])
    error = torch.from_numpy(truth[..., None] - forecast)
    loss = {
        "mse": middle.mse,
        "mae": middle.mae,
        "huber": float(
            torch.nn.functional.huber_loss(error, torch.zeros_like(error), delta=config.huber_delta)
        ),
        "quantile": float(pinball(error, task.quantiles.double()).mean())
        if config.loss == "quantile"
        else 0.0,
    }[config.loss]
    return {"loss": loss, "mse": middle.mse, "mae": middle.mae}


@torch.inference_mode()
def predict_ranges(
    task: ForecastTask,
    panels: Sequence[Panel],
    ranges: Sequence[tuple[int, int]],
    max_windows: int = 0,
    batch_size: int = 512,
    stride: int = 1,
) -> tuple[Floats, Floats]:
    """Return truth (W, h, C) and forecasts (W, h, C, Q), scaled, of windows in ranges of panels, in
    order of time.

    Args:
        ranges: of each panel, the steps that may be predicted.
        max_windows: take so many, evenly spaced (0: all).
    """
    config = task.config
    task.eval()
    device = next(task.parameters()).device
    loader = WindowLoader(panels, config.lookback, config.h, batch_size, ranges, stride)
    if max_windows and len(loader) > max_windows:
        loader.windows = loader.windows[np.linspace(0, len(loader) - 1, max_windows).astype(int)]
    truths, forecasts = [], []
    for position in range(loader.num_batches(0)):
        batch = loader.load(0, position)
        truths.append(batch.truth.numpy())
        forecasts.append(task(batch.to(device)).cpu().numpy())
    return np.concatenate(truths).astype(np.float64), np.concatenate(forecasts).astype(np.float64)


def _write_test(fitted: FittedForecast, series: Sequence[Series], run_dir: Path) -> None:
    panels = fitted.layout.panels(series)
    size = fitted.config.data.test_size
    ranges = [(len(panel) - size, len(panel)) for panel in panels]
    truth, forecast = predict_ranges(fitted.task, panels, ranges)
    middle = forecast[..., forecast.shape[-1] // 2]
    accuracy = measure(truth, middle)
    figures = {"test/mse": accuracy.mse, "test/mae": accuracy.mae, "test/r2": accuracy.r2}
    update_metrics(run_dir, {name: Metric(value, "test") for name, value in figures.items()})
    rows = [
        {
            "id": f"window {at}",
            "truth": truth[at, :, 0].tolist(),
            "forecast": middle[at, :, 0].tolist(),
        }
        for at in np.unique(np.linspace(0, len(truth) - 1, 12).astype(int))
    ]
    atomic_write_text(
        run_dir / "test" / "predictions.jsonl", "".join(json.dumps(row) + "\n" for row in rows)
    )


def save_forecast(
    fitted: FittedForecast, folder: Path, extra: dict[str, Any] | None = None
) -> None:
    """Write the model folder that :func:`load_forecast` reads; ``extra`` are more sections of its
    ``config.yaml``.
    """

    def write(target: Path) -> None:
        content = {"task": "forecast", "network": as_dict(fitted.task.config), **(extra or {})}
        atomic_write_text(target / "config.yaml", yaml_text(content))
        atomic_write_text(target / "training.yaml", config_yaml(fitted.config))
        layout = {"layout": fitted.layout.as_dict(), "learned_until": fitted.learned_until}
        atomic_write_text(target / LAYOUT, json.dumps(layout, indent=1) + "\n")
        save_weights(target, fitted.task.state_dict())

    write_bundle(folder, write)


def load_forecast(folder: str | Path | Bundle) -> FittedForecast:
    """Return the forecaster in a model folder.

    Raises:
        ModelError: the folder is no forecaster, or is damaged.
    """
    from asr.config import read_yaml

    bundle = folder if isinstance(folder, Bundle) else open_bundle(folder, task="forecast")
    task = ForecastTask(
        build_config(ForecastTaskConfig, bundle.config["network"], where=str(bundle.path))
    )
    weights = bundle.weights()
    load_weights(task, weights, bundle.path)
    content = json.loads(bundle.file(LAYOUT).read_text(encoding="utf-8"))
    config = build_config(
        ForecastConfig, read_yaml(bundle.file("training.yaml")), where=str(bundle.path)
    )
    task.eval()
    return FittedForecast(
        task, Layout.from_dict(content["layout"]), config, content["learned_until"]
    )

"""Configuration of a forecaster's training."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config import check_choice, check_range
from asr.errors import ConfigError, DataError
from asr.series.calendar import check_calendar
from asr.series.forecasting.baselines import BASELINES, USUAL_ENSEMBLE
from asr.series.forecasting.conformal import METHODS
from asr.series.forecasting.network import LOSSES, ForecastModelConfig
from asr.series.frames import Series
from asr.series.scaling import SCALERS
from asr.series.tables import ID, TARGET, TIME, Names
from asr.training.config import OptimizerConfig, TrainerConfig

__all__ = ["ForecastConfig", "SeriesDataConfig"]


@dataclass(frozen=True)
class SeriesDataConfig:
    """The series, their columns and their scale.

    Attributes:
        path: CSV file with ``unique_id``, ``ds``, ``y``; or a wide table with a column ``time`` and
            ``targets``.
        id_col: column that names the series.
        time_col: column of the steps.
        target_col: column of the values.
        time: of a wide table, the column of the steps.
        targets: of a wide table, the columns that become series, one each.
        date_format: of the steps as of strptime, such as %d/%m/%Y; ISO 8601 needs none.
        freq: time step as pandas writes it (empty: inferred).
        rows: use the first so many of each series (0: all).
        joint: read all series together instead of one at a time with shared weights.
        past_columns: covariates known up to the present.
        future_columns: covariates known ahead too.
        static_columns: what does not change within a series; numbers or texts.
        calendar: cycles of the timestamp, and holidays; see :mod:`asr.series.calendar`.
        scaling: zscore, minmax or none.
        log: scale the logarithm, for positive series.
        val_size: last steps of the training part that choose the epoch (0: ``val_share`` of it).
        val_share: last share of the training part that chooses the epoch, at least the horizon.
        test_size: last steps, of which nothing is learned.
    """

    path: str = ""
    id_col: str = ID
    time_col: str = TIME
    target_col: str = TARGET
    time: str = ""
    targets: list[str] = field(default_factory=list)
    date_format: str = ""
    freq: str = ""
    rows: int = 0
    joint: bool = False
    past_columns: list[str] = field(default_factory=list)
    future_columns: list[str] = field(default_factory=list)
    static_columns: list[str] = field(default_factory=list)
    calendar: list[str] = field(default_factory=list)
    scaling: str = "zscore"
    log: bool = False
    val_size: int = 0
    val_share: float = 0.2
    test_size: int = 0

    def __post_init__(self) -> None:
        check_choice("data.scaling", self.scaling, SCALERS)
        check_calendar(self.calendar)
        for name in ("rows", "val_size", "test_size"):
            check_range(f"data.{name}", getattr(self, name), 0)
        check_range("data.val_share", self.val_share, 0, 0.9)
        if twice := set(self.past_columns) & set(self.future_columns):
            raise ConfigError(
                f"{sorted(twice)[0]} is both a past and a future column.",
                "A future column is enough.",
            )

        if self.joint and self.static_columns:
            raise ConfigError(
                "Series that are read together are not told apart by static columns.",
                "Leave static_columns out, or set joint to false.",
            )

    @property
    def names(self) -> Names:
        """What the user's tables call our columns."""
        return Names(self.id_col, self.time_col, self.target_col)


@dataclass(frozen=True)
class ForecastConfig:
    """A whole training of a forecaster.

    Attributes:
        task: ``forecast``.
        seed: of weights, order and dropout.
        output_dir: the run folder.
        h: steps ahead.
        lookback: steps back (0: proposed from the autocorrelation).
        loss: mse, mae, huber or quantile.
        levels: of the intervals in percent, such as [80, 95].
        calibration: of the intervals, on what no weight was learned from: ``adaptive`` (the latest
            errors count, and the level asked for is corrected by hits and misses), ``rolling``
            (the latest errors), ``split`` (once, in training) or ``none`` (the quantiles of the
            network); see :mod:`asr.series.forecasting.conformal`.
        ensemble: baselines to average with the network, by weights fitted on the validation part.
        huber_delta: error at which huber turns from squares to absolute values.
        batch_size: windows in a step.
        stride: steps between windows.
        windows_per_epoch: drawn for each epoch (0: each once; repeated where that makes fewer than
            32 batches, and so many of them that it makes 512 batches at most).
        max_val_windows: so many at most are judged after each epoch, evenly spaced.
        data: series, columns and scale.
        model: shape of the network.
        optimizer: what moves the weights.
        trainer: how long, how fast, in what precision.
    """

    task: str = "forecast"
    seed: int = 1
    output_dir: str = ""
    h: int = 1
    lookback: int = 0
    loss: str = "mae"
    levels: list[float] = field(default_factory=list)
    calibration: str = "adaptive"
    ensemble: list[str] = field(default_factory=lambda: list(USUAL_ENSEMBLE))
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
        check_choice("calibration", self.calibration, METHODS)
        for name in self.ensemble:
            check_choice("ensemble", name, BASELINES)
        if self.loss == "quantile" and not self.levels:
            raise ConfigError(
                "The loss quantile needs levels.", "Set them, such as levels=[80], or another loss."
            )
        if self.levels and self.loss != "quantile" and self.calibration == "none":
            raise ConfigError(
                f"Intervals come from the loss quantile or from a calibration; the loss is "
                f"{self.loss} and the calibration none.",
                "Set loss=quantile or calibration=adaptive.",
            )

    @property
    def quantiles(self) -> list[float]:
        """Of the loss quantile, rising: the ends of each interval, and the median."""
        if self.loss != "quantile":
            return []
        return sorted({*(end for level in self.levels for end in interval(level)), 0.5})

    def validation_steps(self, one: Series) -> int:
        """Return how many of the last steps of a training series choose the epoch.

        Raises:
            DataError: the series is too short, or ``data.val_size`` does not fit it.
        """
        h, lookback, n = self.h, self.lookback, len(one)
        longest = n - lookback - h  # leaves one window to learn from
        if longest < h:
            needed = lookback + 2 * h
            raise DataError(
                f"Series {one.name} has {n} steps; a lookback of {lookback} and a horizon of {h} "
                f"need {needed}: one window to learn from and one to choose the epoch by.",
                "Give a shorter lookback or h, or a longer series.",
            )
        size = self.data.val_size or min(max(h, int(n * self.data.val_share)), longest)
        if not h <= size <= longest:
            raise DataError(
                f"data.val_size is {size}; series {one.name} with {n} steps allows "
                f"{h} to {longest}.",
                "Change it, or set 0 to have it chosen.",
            )
        return size


def interval(level: float) -> tuple[float, float]:
    """Return the quantiles at the ends of an interval.

    Example:
        >>> interval(80)
        (0.1, 0.9)
    """
    return round((50 - level / 2) / 100, 6), round((50 + level / 2) / 100, 6)

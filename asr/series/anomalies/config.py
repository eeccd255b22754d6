"""Configuration of a detector's training."""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config import check_range
from asr.errors import ConfigError
from asr.series.anomalies.alarms import AlarmConfig
from asr.series.anomalies.network import AnomalyModelConfig
from asr.series.tables import ID, TIME, Names
from asr.training.config import OptimizerConfig, TrainerConfig

__all__ = ["AnomalyConfig", "AnomalyDataConfig"]


@dataclass(frozen=True)
class AnomalyDataConfig:
    """Normal series and their channels.

    Attributes:
        path: CSV file with ``ds``, perhaps ``unique_id``, and a column a channel.
        id_col: column that names the series.
        time_col: column of the steps.
        date_format: of ``ds`` as of strptime, such as %d/%m/%Y; ISO 8601 needs none.
        columns: the channels (empty: all columns of numbers).
        rows: learn from the first so many of each series (0: all).
        per_series: scales and thresholds of each series' own, for machines that differ; then no new
            one can be judged.
        val_share: last share of each series that chooses the epoch.
    """

    path: str = ""
    id_col: str = ID
    time_col: str = TIME
    date_format: str = ""
    columns: list[str] = field(default_factory=list)
    rows: int = 0
    per_series: bool = False
    val_share: float = 0.2

    def __post_init__(self) -> None:
        check_range("data.rows", self.rows, 0)
        check_range("data.val_share", self.val_share, 0.05, 0.5)

    @property
    def names(self) -> Names:
        """What the user's tables call our columns."""
        return Names(self.id_col, self.time_col)


@dataclass(frozen=True)
class AnomalyConfig:
    """A whole training of a detector.

    Attributes:
        task: ``anomaly``.
        seed: of weights, order and noise.
        output_dir: the run folder.
        window: steps read at once (0: all steps of the shortest sequence where an autoencoder gets
            many short ones, else 32); a forecaster is trained on windows of it and then reads
            without end.
        batch_size: windows in a step.
        windows_per_epoch: drawn for each epoch (0: each once, and repeated where that makes fewer
            than 32 batches).
        data: series and channels.
        model: shape of the network.
        alarms: from errors to alarms.
        optimizer: what moves the weights.
        trainer: how long, how fast, in what precision; by default until the error on the held-out
            part has not fallen for eight epochs.
    """

    task: str = "anomaly"
    seed: int = 1
    output_dir: str = ""
    window: int = 0
    batch_size: int = 64
    windows_per_epoch: int = 0
    data: AnomalyDataConfig = field(default_factory=AnomalyDataConfig)
    model: AnomalyModelConfig = field(default_factory=AnomalyModelConfig)
    alarms: AlarmConfig = field(default_factory=AlarmConfig)
    optimizer: OptimizerConfig = field(
        default_factory=lambda: OptimizerConfig(lr=5e-3, weight_decay=0.0)
    )
    trainer: TrainerConfig = field(
        default_factory=lambda: TrainerConfig(max_epochs=60, patience=8, precision="fp32")
    )

    def __post_init__(self) -> None:
        check_range("window", self.window, 0)
        if self.window == 1:
            raise ConfigError("window is 1, which has no shape.", "Give 2 or more, or 0.")
        check_range("batch_size", self.batch_size, 1)
        check_range("windows_per_epoch", self.windows_per_epoch, 0)

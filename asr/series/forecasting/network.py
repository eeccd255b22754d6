"""Forecasting: a recurrent network over segments of the past, all steps of the horizon at once.

Legend: B windows, T lookback, h horizon, C targets, J and K covariates, S segment, N = T / S
segments, M = h / S segments ahead, D hidden, Q quantiles (1 for a point forecast).

The network is that of SegRNN (Lin et al. 2023, arXiv:2308.11200): segments instead of steps shorten
the recurrence, and every segment ahead is decoded in parallel from the last state and an embedding
of its place. Instance normalisation follows section 3.3 there (``last``) or RevIN (Kim et al. 2022)
without its affine map (``standard``).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from asr.config import check_choice, check_range
from asr.sequence import Dropout, RecurrentStack
from asr.sequence.normalization import NORMS
from asr.series.windows import WindowBatch
from asr.training.task import LossSum, Task

__all__ = [
    "LOSSES",
    "ForecastModelConfig",
    "ForecastNetwork",
    "ForecastTask",
    "ForecastTaskConfig",
    "pinball",
]

LOSSES = ("mse", "mae", "huber", "quantile")
INSTANCE_NORMS = ("last", "standard", "none")
CELLS = ("lstm", "gru")


@dataclass(frozen=True)
class ForecastModelConfig:
    """Shape of the forecaster.

    Attributes:
        cell: lstm or gru.
        hidden_dim: width of a recurrent layer.
        num_layers: recurrent layers.
        norm: of the recurrent layers.
        residual: add each recurrent layer's input to its output.
        dropout: before the output layer.
        segment: steps read at once (0: chosen from the lookback).
        instance_norm: what is removed from each window and added to its forecast again: its
            ``last`` value, its mean and deviation (``standard``) or ``none``.
        series_dim: width of an embedding of the series (0: all series share everything).
    """

    cell: str = "lstm"
    hidden_dim: int = 64
    num_layers: int = 1
    norm: str = "none"
    residual: bool = False
    dropout: float = 0.1
    segment: int = 0
    instance_norm: str = "last"
    series_dim: int = 0

    def __post_init__(self) -> None:
        check_choice("model.cell", self.cell, CELLS)
        check_choice("model.norm", self.norm, NORMS)
        check_choice("model.instance_norm", self.instance_norm, INSTANCE_NORMS)
        check_range("model.hidden_dim", self.hidden_dim, 1)
        check_range("model.num_layers", self.num_layers, 1)
        check_range("model.dropout", self.dropout, 0, 0.95)
        check_range("model.segment", self.segment, 0)
        check_range("model.series_dim", self.series_dim, 0, self.hidden_dim - 1)


@dataclass(frozen=True)
class ForecastTaskConfig:
    """Shape, loss and horizon of a network, as its model folder stores them.

    Attributes:
        h: steps ahead.
        lookback: steps back.
        num_targets: C.
        num_past: J + K.
        num_future: K.
        num_series: rows of the embedding.
        loss: one of :data:`LOSSES`.
        quantiles: of the loss ``quantile``, rising.
        huber_delta: error at which huber turns from squares to absolute values.
        model: layers.
    """

    h: int
    lookback: int
    num_targets: int = 1
    num_past: int = 0
    num_future: int = 0
    num_series: int = 1
    loss: str = "mse"
    quantiles: list[float] = field(default_factory=list)
    huber_delta: float = 1.0
    model: ForecastModelConfig = field(default_factory=ForecastModelConfig)

    def __post_init__(self) -> None:
        check_choice("loss", self.loss, LOSSES)

    @property
    def segment(self) -> int:
        """S: as configured, else about an eighth of the lookback and no longer than the horizon."""
        return self.model.segment or max(1, min(self.lookback // 8, self.h, 48))

    @property
    def num_outputs(self) -> int:
        """Q."""
        return len(self.quantiles) if self.loss == "quantile" else 1


class ForecastNetwork(nn.Module):
    """Segments of the past -> recurrent stack -> all segments of the future."""

    def __init__(self, config: ForecastTaskConfig) -> None:
        super().__init__()
        model, S, D = config.model, config.segment, config.model.hidden_dim
        self.config, self.segments_ahead = config, -(-config.h // S)
        self.embed = nn.Linear(S * (config.num_targets + config.num_past), D)
        self.stack = RecurrentStack(
            D,
            D,
            model.num_layers,
            model.cell,
            bidirectional=False,
            norm=model.norm,
            residual=model.residual,
            dropout=model.dropout if model.num_layers > 1 else 0.0,
        )
        self.place = nn.Parameter(torch.randn(self.segments_ahead, D - model.series_dim) / 10)
        self.series = (
            nn.Embedding(config.num_series, model.series_dim) if model.series_dim else None
        )
        self.ahead = nn.Linear(S * config.num_future, D) if config.num_future else None
        self.output = nn.Sequential(
            Dropout(model.dropout), nn.Linear(D, S * config.num_targets * config.num_outputs)
        )

    def forward(self, target: Tensor, past: Tensor, future: Tensor, series: Tensor) -> Tensor:
        """(B, T, C), (B, T, J + K), (B, h, K), (B,) -> (B, h, C, Q)."""
        config, M = self.config, self.segments_ahead
        # Encode: the recurrent stack reads N segments, not T steps.
        segments = _segments(torch.cat([target, past], -1), config.segment)
        x = functional.relu(self.embed(segments))
        B, N, D = x.shape
        _, _, state = self.stack(x, x.new_full((B,), N, dtype=torch.int64))
        # Decode: one step of the same stack for each of the M segments ahead, all from the last
        # state and in parallel, as B * M sequences of one step.
        state = [tuple(part.repeat_interleave(M, dim=1) for part in layer) for layer in state]
        queries = self._queries(future, series, B).reshape(B * M, 1, D)
        y, _, _ = self.stack(queries, x.new_full((B * M,), 1, dtype=torch.int64), state)
        values: Tensor = self.output(y)
        steps = values.view(B, M * config.segment, config.num_targets, config.num_outputs)
        return steps[:, : config.h]  # the last segment may reach beyond the horizon

    def _queries(self, future: Tensor, series: Tensor, B: int) -> Tensor:
        """Return the decoder's input (B, M, D): place, series and covariates known ahead."""
        parts = [self.place.expand(B, -1, -1)]
        if self.series is not None:
            parts.append(self.series(series).unsqueeze(1).expand(-1, self.segments_ahead, -1))
        queries = torch.cat(parts, -1)
        if self.ahead is not None:
            missing = self.segments_ahead * self.config.segment - future.size(1)
            padded = functional.pad(future, (0, 0, 0, missing))
            queries = queries + self.ahead(padded.reshape(B, self.segments_ahead, -1))
        return queries


def _segments(x: Tensor, S: int) -> Tensor:
    """(B, T, D) -> (B, ceil(T / S), S * D)."""
    B, T, D = x.shape
    if short := -T % S:  # the first step is repeated in front where S does not divide T
        x = torch.cat([x[:, :1].expand(-1, short, -1), x], 1)
    return x.reshape(B, -1, S * D)


def pinball(error: Tensor, quantiles: Tensor) -> Tensor:
    """Quantile loss (Koenker & Bassett 1978) of errors truth - forecast (..., Q)."""
    return torch.maximum(quantiles * error, (quantiles - 1) * error)


class ForecastTask(Task):
    """Instance normalisation, network and loss, all in scaled units.

    Args:
        config: see :class:`ForecastTaskConfig`.
    """

    quantiles: Tensor

    def __init__(self, config: ForecastTaskConfig) -> None:
        super().__init__()
        self.config = config
        self.network = ForecastNetwork(config)
        self.register_buffer(
            "quantiles", torch.tensor(config.quantiles, dtype=torch.float32), persistent=False
        )

    def forward(self, batch: WindowBatch) -> Tensor:
        """Return forecasts (B, h, C, Q)."""
        level, spread = self._instance(batch.target)
        normed = (batch.target - level) / spread
        values: Tensor = self.network(normed, batch.past, batch.future, batch.series)
        return values * spread.unsqueeze(-1) + level.unsqueeze(-1)

    def _instance(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return level and spread of each window and target, (B, 1, C) each."""
        one = target.new_ones(target.size(0), 1, target.size(2))
        kind = self.config.model.instance_norm
        if kind == "none":
            return torch.zeros_like(one), one
        if kind == "last":
            return target[:, -1:], one
        var, mean = torch.var_mean(target, dim=1, keepdim=True, correction=0)
        return mean, torch.sqrt(var + 1e-5)

    def loss(self, batch: WindowBatch, generator: torch.Generator | None = None) -> LossSum:
        """Return the summed loss and the number of values; see :class:`~asr.training.task.Task`."""
        error = batch.truth.unsqueeze(-1) - self(batch)
        count = error.new_tensor(batch.truth.numel())
        if self.config.loss == "quantile":
            return LossSum(pinball(error, self.quantiles).sum(), count)
        if self.config.loss == "mse":
            return LossSum(error.square().sum(), count)
        if self.config.loss == "mae":
            return LossSum(error.abs().sum(), count)
        huber = functional.huber_loss(
            error, torch.zeros_like(error), reduction="sum", delta=self.config.huber_delta
        )
        return LossSum(huber, count)

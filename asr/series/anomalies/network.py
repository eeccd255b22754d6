"""Networks for anomaly detection: trained on normal series, they have large errors elsewhere.

Legend: B windows, T steps, C channels, H hidden, Z code.

``forecast`` predicts each step from those before it (Malhotra et al. 2015, "Long Short Term Memory
Networks for Anomaly Detection in Time Series"); it carries its state from step to step.
``autoencoder`` encodes a window into a short code and decodes it again (Malhotra et al. 2016,
arXiv:1607.00148); it reads the last T steps at a time. On whole sequences it has linear maps to
and from the code beside the recurrent ones; they start as principal components, so that what is
learned goes beyond these.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr.config import check_choice, check_range
from asr.sequence import RecurrentStack, RecurrentState
from asr.series.windows import WindowBatch
from asr.training.task import LossSum, Task

__all__ = ["KINDS", "AnomalyModelConfig", "AnomalyTask", "AnomalyTaskConfig"]

KINDS = ("autoencoder", "forecast")
CELLS = ("lstm", "gru")


@dataclass(frozen=True)
class AnomalyModelConfig:
    """Shape of the detector.

    Attributes:
        kind: ``autoencoder`` or ``forecast``.
        cell: lstm or gru.
        hidden_dim: width of a recurrent layer.
        num_layers: recurrent layers, of encoder and decoder each.
        dropout: between recurrent layers.
        code_dim: Z of the autoencoder (0: 4 for windows of long series, 8 for sequences).
        noise: deviation of the noise on the autoencoder's input in training, in scaled units
            (Vincent et al. 2008).
    """

    kind: str = "autoencoder"
    cell: str = "lstm"
    hidden_dim: int = 32
    num_layers: int = 1
    dropout: float = 0.0
    code_dim: int = 0
    noise: float = 0.0

    def __post_init__(self) -> None:
        check_choice("model.kind", self.kind, KINDS)
        check_choice("model.cell", self.cell, CELLS)
        for name in ("hidden_dim", "num_layers"):
            check_range(f"model.{name}", getattr(self, name), 1)
        check_range("model.code_dim", self.code_dim, 0)
        check_range("model.dropout", self.dropout, 0, 0.95)
        check_range("model.noise", self.noise, 0)


@dataclass(frozen=True)
class AnomalyTaskConfig:
    """Shape of a network, as its model folder stores it.

    Attributes:
        num_channels: C.
        window: T.
        model: layers.
        sequences: whether it judges short sequences, each as a whole.
    """

    num_channels: int
    window: int
    model: AnomalyModelConfig
    sequences: bool = False

    @property
    def code_dim(self) -> int:
        """Z."""
        chosen = self.model.code_dim or (8 if self.sequences else 4)
        return min(chosen, self.window * self.num_channels)


class AnomalyTask(Task):
    """Recurrent network and squared error.

    Args:
        config: see :class:`AnomalyTaskConfig`.
    """

    def __init__(self, config: AnomalyTaskConfig) -> None:
        super().__init__()
        self.config = config
        model, C, H = config.model, config.num_channels, config.model.hidden_dim
        self.encoder = self._stack(C)
        self.output = nn.Linear(H, C)
        if model.kind == "autoencoder":
            self.code = nn.Linear(H, config.code_dim)
            self.decoder = self._stack(config.code_dim)
        if config.sequences:
            self.linear_code = nn.Linear(config.window * C, config.code_dim)
            self.linear_output = nn.Linear(config.code_dim, config.window * C)

    @torch.no_grad()
    def start_linear(self, centre: Tensor, axes: Tensor) -> None:
        """Make the linear maps those of principal components, and the recurrent ones add nothing.

        Args:
            centre: (T * C,) mean window.
            axes: (Z, T * C) orthonormal.
        """
        self.linear_code.weight.copy_(axes)
        self.linear_code.bias.copy_(-axes @ centre)
        self.linear_output.weight.copy_(axes.T)
        self.linear_output.bias.copy_(centre)
        for layer in (self.code, self.output):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def _stack(self, input_dim: int) -> RecurrentStack:
        model = self.config.model
        return RecurrentStack(
            input_dim,
            model.hidden_dim,
            model.num_layers,
            model.cell,
            bidirectional=False,
            norm="none",
            residual=False,
            dropout=model.dropout,
        )

    def forward(
        self, x: Tensor, state: RecurrentState | None = None
    ) -> tuple[Tensor, RecurrentState]:
        """(B, T, C), carried state -> (B, T, C), state after the last step.

        ``forecast``: row t is the forecast of step t + 1. ``autoencoder``: row t is step t decoded
        from the code; the state is not used.
        """
        lens = torch.full((x.size(0),), x.size(1), dtype=torch.int64, device=x.device)
        y, lens, new_state = self.encoder(x, lens, state)
        if self.config.model.kind == "autoencoder":
            code = self.code(y[:, -1])
            if self.config.sequences:
                code = code + self.linear_code(x.flatten(1))
            # the same code at every step
            y, _, _ = self.decoder(code.unsqueeze(1).expand(-1, x.size(1), -1), lens)
        values: Tensor = self.output(y)
        if self.config.sequences:
            values = values + self.linear_output(code).view_as(x)
        return values, new_state

    def errors(self, x: Tensor) -> Tensor:
        """Return the errors that scores are made of.

        ``forecast``: (B, T, C) -> (B, T, C), each step less its forecast; that of the first step is
        0. ``autoencoder``: (B, T, C) -> (B, 2 C), the mean error of each window, which
        shows shifts, and its mean absolute error, which shows changes of shape.
        """
        y, _ = self(x)
        if self.config.model.kind == "autoencoder":
            error = x - y
            return torch.cat([error.mean(1), error.abs().mean(1)], dim=-1)
        expected = torch.cat([torch.zeros_like(y[:, :1]), y[:, :-1]], dim=1)
        return x - expected

    def loss(self, batch: WindowBatch, generator: torch.Generator | None = None) -> LossSum:
        """Return squared errors, summed, and their number; see :class:`asr.training.task.Task`."""
        x = clean = batch.target
        model = self.config.model
        if generator is not None and model.noise and model.kind == "autoencoder":
            x = x + model.noise * torch.randn(x.shape, generator=generator).to(x)
        y, _ = self(x)
        error = clean - y if model.kind == "autoencoder" else clean[:, 1:] - y[:, :-1]
        return LossSum(error.square().sum(), error.new_tensor(error.numel()))

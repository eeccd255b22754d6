"""Sliding windows over series, as tensors.

Legend: W windows, B windows of a batch, T lookback, h horizon, C targets, J and K covariates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from asr.training.batching.batch import Batch
from asr.training.batching.loader import BatchLoader
from asr.training.batching.seeds import keyed_seed

__all__ = ["Panel", "WindowBatch", "WindowLoader", "list_windows", "window_at"]

Floats = npt.NDArray[np.float32]
Windows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Panel:
    """Scaled values of one series, or of several that are read together, on one regular time axis
    of n steps.

    Attributes:
        name: for messages.
        series: number of the series, which chooses its embedding.
        target: (n, C).
        past: covariates known up to the present (n, J).
        future: covariates known ahead too (n or more, K).
    """

    name: str
    series: int
    target: Floats
    past: Floats
    future: Floats

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True)
class WindowBatch(Batch):
    """Windows side by side.

    Attributes:
        target: (B, T, C) what was.
        truth: (B, h, C) what came, NaN where that is not known.
        past: (B, T, J + K) covariates of the lookback.
        future: (B, h, K) covariates of the horizon.
        series: (B,) int64.
        ids: ``series@step`` of the first step predicted.
        seed: of this batch's augmentation.
    """

    target: Tensor
    truth: Tensor
    past: Tensor
    future: Tensor
    series: Tensor
    ids: tuple[str, ...]
    seed: int = 0


def window_at(
    panel: Panel, origin: int, lookback: int, h: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return target (T, C), truth (h, C), past (T, J + K), future (h, K) around step ``origin``.

    Truth that has not come is NaN.
    """
    before = slice(origin - lookback, origin)
    truth = panel.target[origin : origin + h]
    if len(truth) < h:
        truth = np.pad(truth, ((0, h - len(truth)), (0, 0)), constant_values=np.nan)
    past = np.concatenate([panel.past[before], panel.future[before]], axis=1)
    return (
        panel.target[before],
        truth,
        past,
        panel.future[origin : origin + h],
    )


def list_windows(
    ranges: Sequence[tuple[int, int]], lookback: int, h: int, stride: int = 1
) -> Windows:
    """Return every window that fits, as rows (number of the panel, first step predicted): (W, 2).

    Args:
        ranges: of each panel the (first, past-the-last) step that may be predicted; the lookback
            may lie before it.
        lookback: T.
        h: steps predicted.
        stride: steps between neighbouring windows.
    """
    rows = [np.zeros((0, 2), np.int64)]
    for number, (first, stop) in enumerate(ranges):
        origins = np.arange(max(first, lookback), stop - h + 1, stride)
        rows.append(np.stack([np.full(len(origins), number), origins], axis=1))
    return np.concatenate(rows)


class WindowLoader(BatchLoader):
    """Batches of windows over panels.

    Args:
        panels: series.
        windows: (W, 2) number of the panel and first step predicted; see :func:`list_windows`.
        lookback: T.
        h: steps predicted.
        batch_size: B.
        seed: of the order; None keeps the order of ``windows``.
        windows_per_epoch: so many are drawn anew for each epoch, some twice where there are too few
            (0: each once); only where there is a seed.
    """

    def __init__(
        self,
        panels: Sequence[Panel],
        windows: Windows,
        lookback: int,
        h: int,
        *,
        batch_size: int,
        seed: int | None = None,
        windows_per_epoch: int = 0,
    ) -> None:
        super().__init__(seed or 0)
        self.panels, self.windows, self.lookback, self.h = panels, windows, lookback, h
        self.batch_size, self.shuffle = batch_size, seed is not None
        drawn = windows_per_epoch if self.shuffle else 0
        self.windows_per_epoch = drawn or len(windows)
        self._kept = (-1, np.zeros(0, np.int64))  # an epoch and its order

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the numbers of an epoch's windows."""
        if not self.shuffle:
            return np.arange(len(self.windows))
        if self._kept[0] == epoch:
            return self._kept[1]
        rng = np.random.default_rng(keyed_seed(self.seed, epoch))
        rounds = -(-self.windows_per_epoch // len(self.windows))  # whole passes, rounded up
        order = np.concatenate([rng.permutation(len(self.windows)) for _ in range(rounds)])
        self._kept = (epoch, order[: self.windows_per_epoch].copy())
        return self._kept[1]

    def num_batches(self, epoch: int) -> int:
        """Return the number of batches of this rank; the same for all ranks and epochs."""
        return -(-self.windows_per_epoch // (self.batch_size * self.world_size))

    def load(self, epoch: int, position: int) -> WindowBatch:
        """Return one batch."""
        order = self._order(epoch)
        step = self.batch_size * self.world_size
        chosen = order[position * step : (position + 1) * step][self.rank :: self.world_size]
        if not len(chosen):  # all ranks step together: one without work repeats a window
            chosen = order[:1]
        return self._batch(self.windows[chosen], self.batch_seed(epoch, position))

    def _batch(self, windows: Windows, seed: int) -> WindowBatch:
        parts = [
            window_at(self.panels[number], int(at), self.lookback, self.h) for number, at in windows
        ]
        target, truth, past, future = (
            torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True)
        )
        return WindowBatch(
            target=target,
            truth=truth,
            past=past,
            future=future,
            series=torch.tensor([self.panels[number].series for number, _ in windows]),
            ids=tuple(f"{self.panels[number].name}@{at}" for number, at in windows),
            seed=seed,
        )

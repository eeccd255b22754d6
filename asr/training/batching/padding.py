"""Sequences of different lengths as one padded tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["pad_sequences"]


def pad_sequences(
    sequences: Sequence[npt.ArrayLike], dtype: npt.DTypeLike | None = None, min_length: int = 0
) -> tuple[Tensor, Tensor]:
    """Return sequences (n, ...) as one tensor (B, max n, ...) padded with zeros, and lengths (B,).

    The work is numpy's: torch would start a second team of threads in the thread that makes batches
    ahead, and the two teams would halve the speed of training.

    Args:
        sequences: arrays or lists, alike but for their first axis.
        dtype: of the result; None: that of the first array.
        min_length: pad to at least so many steps.
    """
    arrays = [np.asarray(sequence, dtype) for sequence in sequences]
    lens = np.array([len(array) for array in arrays], np.int64)
    width = max(min_length, int(lens.max(initial=0)))
    shape, kind = (arrays[0].shape[1:], arrays[0].dtype) if arrays else ((), dtype)
    padded: npt.NDArray[Any] = np.zeros((len(arrays), width, *shape), kind)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(padded), torch.from_numpy(lens)

"""Padding: zeros behind every sequence, and its length."""

from __future__ import annotations

import numpy as np
import torch

from asr.training.batching.padding import pad_sequences


def test_sequences_of_any_rank_are_padded_behind() -> None:
    arrays = [np.full((n, 2), n, np.float32) for n in (1, 3, 0)]
    padded, lens = pad_sequences(arrays)
    assert (padded.shape, padded.dtype, lens.tolist()) == ((3, 3, 2), torch.float32, [1, 3, 0])
    assert padded[:, :, 0].tolist() == [[1, 0, 0], [3, 3, 3], [0, 0, 0]]


def test_lists_need_a_dtype_and_may_be_empty() -> None:
    padded, lens = pad_sequences([[4, 5], []], np.int64, min_length=3)
    assert (padded.tolist(), lens.tolist()) == ([[4, 5, 0], [0, 0, 0]], [2, 0])
    nothing, lens = pad_sequences([], np.int64, min_length=1)
    assert (nothing.shape, nothing.dtype, len(lens)) == ((0, 1), torch.int64, 0)

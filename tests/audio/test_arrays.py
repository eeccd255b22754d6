"""Arrays as recordings: types, shapes, blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from asr.audio.reading import load_audio, open_recording

RATE = 16000
TONE = (0.5 * np.sin(np.arange(RATE) * 0.1)).astype(np.float32)


@pytest.mark.parametrize(
    ("dtype", "full", "zero"),
    [("uint8", 127, 128), ("int8", 127, 0), ("int16", 32767, 0), ("int32", 2**31 - 1, 0)],
)
def test_integers_are_scaled_by_their_range(dtype: str, full: int, zero: int) -> None:
    samples = (TONE.astype(np.float64) * full + zero).astype(dtype)
    assert np.abs(load_audio(samples, source_rate=RATE).samples - TONE).max() < 0.02
    lowest = np.full(10, np.iinfo(dtype).min, dtype)
    assert load_audio(lowest, source_rate=RATE).samples.tolist() == [-1.0] * 10


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_floats_of_any_width(dtype: Any) -> None:
    assert np.abs(load_audio(TONE.astype(dtype), source_rate=RATE).samples - TONE).max() < 1e-3


def test_arrays_that_are_strided_or_tensors() -> None:
    stereo = np.stack([TONE, TONE], axis=1)
    assert np.array_equal(load_audio(stereo[:, 0], source_rate=RATE).samples, TONE)
    assert np.array_equal(load_audio(stereo, source_rate=RATE).samples, TONE)
    assert np.array_equal(load_audio(torch.from_numpy(TONE), source_rate=RATE).samples, TONE)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float32", "int16", "uint8"])
def test_blocks_and_stretches_are_parts_of_the_whole(dtype: str) -> None:
    full = {"float32": 1, "int16": 32767, "uint8": 127}[dtype]
    tone = (np.stack([TONE, -TONE], axis=1) * full + (128 if dtype == "uint8" else 0)).astype(dtype)
    with open_recording(tone, RATE) as recording:
        assert (recording.channels, recording.num_samples) == (2, RATE)
        whole = recording.read()
        assert np.array_equal(np.concatenate(list(recording.blocks(0.3))), whole)
        assert np.array_equal(recording.read_stretch(0.25, 0.5), whole[4000:8000])
        assert recording.read_stretch(2.0).shape == (0, 2)
    assert np.abs(whole[:, 0] - TONE).max() < 2 / full if full > 1 else np.array_equal(whole, tone)

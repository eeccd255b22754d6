"""Samples in memory as a recording: numpy arrays and what becomes one, such as tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.recording import Recording, Samples
from asr.errors import AudioError

__all__ = ["ArrayRecording"]


class ArrayRecording(Recording):
    """Samples (n,) or (n, channels): floats in [-1, 1], or integers of 8, 16 or 32 bits.

    Args:
        source: an array.
        name: in messages.
        sample_rate: in Hz.

    Raises:
        AudioError: ``source`` is no such array, or there is no sample rate.
    """

    def __init__(self, source: Any, name: str, sample_rate: int | None) -> None:
        if sample_rate is None or sample_rate <= 0:
            raise AudioError("Samples came without their sample rate.", "Give sample_rate=, in Hz.")
        samples = _as_array(source, name)
        self.samples = samples[:, None] if samples.ndim == 1 else samples
        count, channels = self.samples.shape
        super().__init__(name, sample_rate=sample_rate, channels=channels, num_samples=count)

    def decode(self, block_s: float) -> Iterator[Samples]:
        size = max(1, int(block_s * self.sample_rate))
        for start in range(0, len(self.samples), size):
            yield _as_floats(self.samples[start : start + size], self.name)

    def decode_stretch(self, start_s: float, end_s: float | None) -> Samples:
        stop = None if end_s is None else round(end_s * self.sample_rate)
        return _as_floats(self.samples[round(start_s * self.sample_rate) : stop], self.name)


def _as_array(source: Any, name: str) -> npt.NDArray[Any]:
    try:
        samples = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:
        # A tensor on a GPU, or one that needs gradients.
        raise AudioError(
            f"{name} is not an array of samples ({error}).", "Give a numpy array."
        ) from error
    if samples.ndim not in (1, 2):
        raise AudioError(
            f"{name} is an array of {samples.ndim} dimensions.",
            "Give samples (n,) or (n, channels).",
        )
    return samples


def _as_floats(samples: npt.NDArray[Any], name: str) -> Samples:
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    if samples.dtype not in (np.uint8, np.int8, np.int16, np.int32):
        raise AudioError(
            f"{name} holds {samples.dtype}.",
            "Give float samples in [-1, 1], or 8-, 16- or 32-bit integers of full scale.",
        )
    unsigned = samples.dtype == np.uint8  # as in WAV, where 128 is zero
    zero, full_scale = (128, 128) if unsigned else (0, -int(np.iinfo(samples.dtype).min))
    return ((samples.astype(np.float64) - zero) / full_scale).astype(np.float32)

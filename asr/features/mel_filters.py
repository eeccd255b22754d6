"""Triangular mel filters in the three forms that speech toolkits have. It needs no torch.

Legend: F mel bands, K frequencies of the spectrum.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

__all__ = ["MEL_SCALES", "mel_corners", "mel_filters"]

MEL_SCALES = ("kaldi", "htk", "slaney")
# Slaney's scale (Auditory Toolbox, 1998): linear up to 1 kHz, 15 mel there, then logarithmic.
LINEAR_HZ, BREAK_HZ, LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27

Array64 = npt.NDArray[np.float64]


@functools.lru_cache
def mel_filters(
    scale: str, *, n_mels: int, n_fft: int, sample_rate: int, f_min: float, f_max: float
) -> npt.NDArray[np.float32]:
    """Return the weights (K, F) of the mel bands in a power spectrum, K = n_fft / 2 + 1.

    Args:
        scale: ``kaldi``: HTK's scale, on which the triangles have straight sides; ``htk``: the same
            scale, straight sides in Hz (torchaudio); ``slaney``: Slaney's scale, straight sides in
            Hz, each triangle of area one (librosa).
        n_mels: F.
        n_fft: length of the Fourier transform.
        sample_rate: in Hz.
        f_min: lower edge of the lowest band, in Hz.
        f_max: upper edge of the highest band, in Hz.
    """
    frequencies = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    if scale == "kaldi":
        low, high = _htk(np.array([f_min, f_max]))
        weights = _triangles(_htk(frequencies), np.linspace(low, high, n_mels + 2))
        weights[-1] = 0  # Kaldi leaves the highest frequency out
    else:
        corners = mel_corners(scale, n_mels=n_mels, f_min=f_min, f_max=f_max)
        weights = _triangles(frequencies, corners)
    if scale == "slaney":
        weights *= 2 / (corners[2:] - corners[:-2])
    return weights.astype(np.float32)


def mel_corners(scale: str, *, n_mels: int, f_min: float, f_max: float) -> Array64:
    """Return the corners (F + 2,) of the mel bands in Hz: each goes from one to the next but one.

    Args:
        scale: see :func:`mel_filters`.
        n_mels: F.
        f_min: lower edge of the lowest band, in Hz.
        f_max: upper edge of the highest band, in Hz.
    """
    to_mel, to_hz = (_slaney, _slaney_hz) if scale == "slaney" else (_htk, _htk_hz)
    low, high = to_mel(np.array([f_min, f_max]))
    return to_hz(np.linspace(low, high, n_mels + 2))


def _triangles(places: Array64, corners: Array64) -> Array64:
    """Triangles (K, F) from each corner (F + 2,) over the next to the one after, at places (K,)."""
    left, peak, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (places[:, None] - left) / (peak - left)
    falling = (right - places[:, None]) / (right - peak)
    triangles: Array64 = np.maximum(0, np.minimum(rising, falling))
    return triangles


def _htk(hz: Array64) -> Array64:
    return np.asarray(1127 * np.log1p(hz / 700))


def _htk_hz(mel: Array64) -> Array64:
    return np.asarray(700 * np.expm1(mel / 1127))


def _slaney(hz: Array64) -> Array64:
    above = BREAK_HZ / LINEAR_HZ + np.log(np.maximum(hz, BREAK_HZ) / BREAK_HZ) / LOG_STEP
    return np.where(hz < BREAK_HZ, hz / LINEAR_HZ, above)


def _slaney_hz(mel: Array64) -> Array64:
    start = BREAK_HZ / LINEAR_HZ
    above = BREAK_HZ * np.exp(LOG_STEP * (np.maximum(mel, start) - start))
    return np.where(mel < start, mel * LINEAR_HZ, above)

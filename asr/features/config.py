"""Settings of the features: how samples become frames. It needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from asr.config import check_choice, check_range

__all__ = ["FeatureConfig"]

KINDS = ("logmel", "mfcc")


@dataclass(frozen=True)
class FeatureConfig:
    """How samples become features.

    Attributes:
        kind: ``logmel`` or ``mfcc``.
        sample_rate: in Hz.
        n_mels: number of mel bands, on the HTK scale.
        frame_length_ms: length of the Hann window.
        frame_shift_ms: time between the starts of two windows.
        n_fft: length of the Fourier transform in samples.
        f_min: lower edge of the lowest band, in Hz.
        f_max: upper edge of the highest band, in Hz.
        floor: smallest mel power that is told apart (power of samples in [-1, 1]); what is below
            counts as this.
        n_mfcc: number of coefficients of ``mfcc``.
        trim: recordings are trimmed to their speech, in training and in recognition; see
            :mod:`asr.audio.trimming`.
    """

    kind: str = "logmel"
    sample_rate: int = 16000
    n_mels: int = 80
    frame_length_ms: float = 25.0
    frame_shift_ms: float = 10.0
    n_fft: int = 512
    f_min: float = 20.0
    f_max: float = 7600.0
    floor: float = 1e-7
    n_mfcc: int = 40
    trim: bool = False

    def __post_init__(self) -> None:
        check_choice("features.kind", self.kind, KINDS)
        check_range("features.sample_rate", self.sample_rate, 4000, 192000)
        check_range("features.n_mels", self.n_mels, 4, self.n_fft // 2)
        check_range("features.frame_length_ms", self.frame_length_ms, 2, 1000)
        check_range("features.frame_shift_ms", self.frame_shift_ms, 1, self.frame_length_ms)
        check_range("features.n_fft", self.n_fft, self.frame_length)
        check_range("features.f_min", self.f_min, 0)
        check_range("features.f_max", self.f_max, self.f_min + 1, self.sample_rate / 2)
        check_range("features.floor", self.floor, 1e-30, 1)
        if self.kind == "mfcc":
            check_range("features.n_mfcc", self.n_mfcc, 1, self.n_mels)

    @property
    def frame_length(self) -> int:
        """Length of the window in samples."""
        return round(self.sample_rate * self.frame_length_ms / 1000)

    @property
    def frame_shift(self) -> int:
        """Samples between the starts of two windows."""
        return round(self.sample_rate * self.frame_shift_ms / 1000)

    @property
    def num_features(self) -> int:
        """F, the number of features a frame."""
        return self.n_mfcc if self.kind == "mfcc" else self.n_mels

    def num_frames(self, num_samples: int) -> int:
        """Return the number of frames T of N samples; only whole windows count."""
        return max(0, 1 + (num_samples - self.frame_length) // self.frame_shift)

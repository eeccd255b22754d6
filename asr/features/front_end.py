"""What networks of other toolkits are given: samples, or log-Mel features as Kaldi, NeMo and others
compute them. It needs no torch.

Features for training are in :mod:`asr.features.extraction`. Legend: N samples, T frames, F mel
bands, L samples of a window.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from asr.config import check_choice, check_range
from asr.errors import ConfigError
from asr.features.mel_filters import MEL_SCALES, mel_filters

__all__ = ["FRONT_ENDS", "FrontEnd"]

KINDS = ("samples", "logmel")
WINDOWS = ("povey", "hann", "hann-periodic", "hamming")
EDGES = ("snip", "mirror", "zeros", "reflect")
NORMALIZATIONS = ("none", "recording", "feature", "global")
BLOCK_FRAMES = 128  # transformed at once: their spectra stay in the first cache, twice as fast
POVEY = 0.85  # power of the Hann window that makes Kaldi's "povey" of it

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FrontEnd:
    """How samples in [-1, 1] become what a network takes.

    The names of :data:`FRONT_ENDS` are settings of toolkits; any of them can be changed.

    Attributes:
        kind: ``samples``, or ``logmel``: the natural logarithm of mel bands.
        sample_rate: in Hz.
        scale: samples are multiplied by it first: 1, or 32768 where the network learned from
            16-bit numbers.
        n_mels: number of mel bands.
        frame_length_ms: length of the window.
        frame_shift_ms: time between the starts of two windows.
        n_fft: length of the Fourier transform in samples.
        window: ``povey`` (Kaldi's), ``hann``, ``hann-periodic`` or ``hamming``.
        edges: of the recording: ``snip``: whole windows only; ``mirror``: Kaldi's
            ``--snip-edges=false``; ``zeros`` and ``reflect``: windows centred on multiples of the
            step, with zeros or the reflected recording outside.
        remove_dc: the mean of each window is subtracted.
        preemphasis: coefficient, 0 for none.
        preemphasis_of: ``window`` (Kaldi) or ``recording`` (NeMo).
        mel_scale: see :func:`asr.features.mel_filters.mel_filters`.
        f_min: lower edge of the lowest band, in Hz.
        f_max: upper edge of the highest band, in Hz.
        floor: smallest mel power that is told apart.
        add_floor: the floor is added to the power instead of being its minimum.
        normalization: to zero mean and unit variance: ``none``, ``recording`` (over everything in
            it), ``feature`` (each band over the recording) or ``global`` (by ``mean`` and ``std``).
        epsilon: keeps silence from being divided by zero: added to the variance of samples, and to
            the standard deviation of features.
        mean: (F,) of ``global``.
        std: (F,) of ``global``.

    Raises:
        ConfigError: an unknown name, or a number outside its range.

    Example:
        >>> FRONT_ENDS["icefall"](np.zeros(16000, np.float32)).shape
        (100, 80)
    """

    kind: str = "logmel"
    sample_rate: int = 16000
    scale: float = 1.0
    n_mels: int = 80
    frame_length_ms: float = 25.0
    frame_shift_ms: float = 10.0
    n_fft: int = 512
    window: str = "povey"
    edges: str = "snip"
    remove_dc: bool = True
    preemphasis: float = 0.97
    preemphasis_of: str = "window"
    mel_scale: str = "kaldi"
    f_min: float = 20.0
    f_max: float = 8000.0
    floor: float = float(np.finfo(np.float32).eps)
    add_floor: bool = False
    normalization: str = "none"
    epsilon: float = 1e-5
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name, choices in (
            ("kind", KINDS),
            ("window", WINDOWS),
            ("edges", EDGES),
            ("preemphasis_of", ("window", "recording")),
            ("mel_scale", MEL_SCALES),
            ("normalization", NORMALIZATIONS),
        ):
            check_choice(f"features.{name}", getattr(self, name), choices)
        check_range("features.sample_rate", self.sample_rate, 4000, 192000)
        check_range("features.scale", self.scale, 1e-6, 1e6)
        check_range("features.epsilon", self.epsilon, 0, 1)
        if self.kind == "logmel":
            self._check_features()
        elif self.normalization not in ("none", "recording"):
            raise ConfigError(
                f"Samples have no normalisation {self.normalization!r}.",
                "Choose none or recording for features.normalization.",
            )

    def _check_features(self) -> None:
        check_range("features.n_mels", self.n_mels, 4, self.n_fft // 2)
        check_range("features.frame_length_ms", self.frame_length_ms, 2, 1000)
        check_range("features.frame_shift_ms", self.frame_shift_ms, 1, self.frame_length_ms)
        check_range("features.n_fft", self.n_fft, self.frame_length)
        check_range("features.preemphasis", self.preemphasis, 0, 1)
        check_range("features.f_min", self.f_min, 0)
        check_range("features.f_max", self.f_max, self.f_min + 1, self.sample_rate / 2)
        check_range("features.floor", self.floor, 1e-30, 1)
        statistics = (len(self.mean), len(self.std))
        if self.normalization == "global" and statistics != (self.n_mels, self.n_mels):
            raise ConfigError(
                f"The global normalisation of {self.n_mels} features has {statistics[0]} means and "
                f"{statistics[1]} standard deviations.",
                "Give one of each a feature: features.mean and features.std.",
            )

    @property
    def frame_length(self) -> int:
        """L, the length of a window in samples."""
        return round(self.sample_rate * self.frame_length_ms / 1000)

    @property
    def frame_shift(self) -> int:
        """Samples from one step of the input to the next: of frames, or 1 where it is samples."""
        if self.kind == "samples":
            return 1
        return round(self.sample_rate * self.frame_shift_ms / 1000)

    @property
    def _extra(self) -> int:
        """Samples that the edges add: T = (N + extra) // shift."""
        if self.kind == "samples":
            return 0
        shift = self.frame_shift
        edges = {"snip": shift - self.frame_length, "mirror": shift // 2, "reflect": shift}
        return edges.get(self.edges, 0)

    def num_frames(self, num_samples: int) -> int:
        """Return T of N samples; N where the input is samples."""
        return max(0, (num_samples + self._extra) // self.frame_shift)

    def num_samples(self, num_frames: int) -> int:
        """Return the fewest samples N that make T steps of the input, at least one."""
        return max(1, num_frames * self.frame_shift - self._extra)

    def __call__(self, samples: Array) -> Array:
        """Return the input of the network for a recording (N,): (N,), or features (T, F)."""
        return self.normalized(self.features(samples))

    def features(self, samples: Array) -> Array:
        """Return what :meth:`__call__` does, before normalisation."""
        scaled = samples * np.float32(self.scale) if self.scale != 1 else samples
        if self.kind == "samples":
            return scaled
        windows = self._windows(scaled)
        blocks = [
            self._transformed(windows[start : start + BLOCK_FRAMES])
            for start in range(0, len(windows), BLOCK_FRAMES)
        ]
        return np.concatenate(blocks) if blocks else np.zeros((0, self.n_mels), np.float32)

    def _windows(self, samples: Array) -> Array:
        """Windows of samples (T, L), a view."""
        if self.preemphasis and self.preemphasis_of == "recording":
            samples = np.append(samples[:1], samples[1:] - self.preemphasis * samples[:-1])
        count, length, shift = self.num_frames(len(samples)), self.frame_length, self.frame_shift
        if not count:
            return np.zeros((0, length), np.float32)
        before = {"snip": 0, "mirror": (length - shift) // 2}.get(self.edges, length // 2)
        after = max(0, (count - 1) * shift + length - before - len(samples))
        mode = {"mirror": "symmetric", "reflect": "reflect"}.get(self.edges, "constant")
        padded = np.pad(samples, (before, after), mode)  # type: ignore[call-overload]
        windows: Array = np.lib.stride_tricks.sliding_window_view(padded, length)[::shift][:count]
        return windows

    def _transformed(self, windows: Array) -> Array:
        """Features (T, F) of windows of samples (T, L)."""
        x = windows - windows.mean(1, keepdims=True) if self.remove_dc else windows
        if self.preemphasis and self.preemphasis_of == "window":
            x = x - self.preemphasis * np.concatenate([x[:, :1], x[:, :-1]], axis=1)
        spectrum = np.fft.rfft(x * _window(self.window, self.frame_length), self.n_fft)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        mel = power @ mel_filters(
            self.mel_scale,
            n_mels=self.n_mels,
            n_fft=self.n_fft,
            sample_rate=self.sample_rate,
            f_min=self.f_min,
            f_max=self.f_max,
        )
        floor = np.float32(self.floor)
        logarithms: Array = np.log(mel + floor if self.add_floor else np.maximum(mel, floor))
        return logarithms

    def normalized(self, x: Array) -> Array:
        """Return features (T, F) or samples (N,) of a recording, normalised."""
        if self.normalization == "none" or not len(x):
            return x
        if self.normalization == "global":
            mean, std = np.asarray(self.mean, np.float64), np.asarray(self.std, np.float64)
        else:
            axis = 0 if self.normalization == "feature" else None
            mean = x.mean(axis, dtype=np.float64)
            if self.kind == "samples":
                std = np.sqrt(x.var(dtype=np.float64) + self.epsilon)
            else:  # of the sample, as NeMo and torch have it
                count = len(x) if axis == 0 else x.size
                std = x.std(axis, dtype=np.float64) * np.sqrt(count / max(1, count - 1))
                std = std + self.epsilon
        return np.asarray((x - mean) / std, np.float32)


@functools.lru_cache
def _window(name: str, length: int) -> Array:
    """A window (L,) by its name."""
    if name == "hamming":
        return np.hamming(length).astype(np.float32)
    if name == "hann-periodic":
        return np.hanning(length + 1)[:-1].astype(np.float32)
    hann = np.hanning(length)
    return np.asarray(hann**POVEY if name == "povey" else hann, np.float32)


_NEMO = FrontEnd(
    window="hann",
    edges="zeros",
    remove_dc=False,
    preemphasis_of="recording",
    mel_scale="slaney",
    f_min=0.0,
    floor=2.0**-24,
    add_floor=True,
    normalization="feature",
)
# Settings of toolkits, by the name that `asr import --features` takes.
FRONT_ENDS: dict[str, FrontEnd] = {
    "samples": FrontEnd("samples"),
    # transformers.Wav2Vec2FeatureExtractor with do_normalize, as all but a few models have it
    "wav2vec2": FrontEnd("samples", normalization="recording", epsilon=1e-7),
    # fairseq2's layer norm over the recording
    "omnilingual": FrontEnd("samples", normalization="recording", epsilon=1e-5),
    # torchaudio.compliance.kaldi.fbank as WeNet calls it: 16-bit numbers, the whole range
    "wenet": FrontEnd(scale=32768.0),
    # lhotse.Fbank, which icefall trains with
    "icefall": FrontEnd(edges="mirror", f_max=7600.0),
    # nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor
    "nemo": _NEMO,
    # torchaudio.transforms.MelSpectrogram as GigaAM calls it
    "gigaam": FrontEnd(
        n_mels=64,
        n_fft=400,
        window="hann-periodic",
        edges="reflect",
        remove_dc=False,
        preemphasis=0.0,
        mel_scale="htk",
        f_min=0.0,
        floor=1e-9,
    ),
}

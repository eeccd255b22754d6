"""Waveforms -> log-Mel features or MFCCs, their normalisation, and SpecAugment.

Legend: B batch, N samples, T frames, F features. Frames are neither centred nor padded, so that a stream gives the same
ones: frame t holds the samples [t * shift, t * shift + length).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from asr.errors import AudioError, ConfigError

__all__ = ["FeatureConfig", "LogMel", "Normalizer", "SpecAugment", "SpecAugmentConfig"]

KINDS = ("logmel", "mfcc")
MEL_SCALES = ("slaney", "htk")
NORMALIZATIONS = ("global", "utterance", "none")
BLOCK_FRAMES = 2048  # frames transformed at once: bounds the memory of an hour, and stays near the caches
MIN_STD = 1e-3


@dataclass(frozen=True)
class FeatureConfig:
    """What a frame of features is.

    Attributes:
        kind: "logmel", natural logarithm of the power in each band, or "mfcc", its orthonormal cosine transform.
        sample_rate: Hz. n_mels: bands. n_mfcc: coefficients, of "mfcc" only.
        frame_length_ms, frame_shift_ms: of the Hann window.
        f_min, f_max: Hz; f_max None is half the sample rate. n_fft: points, at least those of the window.
        mel_scale: "slaney" (with bands of equal area, librosa's default) or "htk" (with bands of equal height).
        preemphasis: coefficient within each frame, 0 for none. floor: power below which the logarithm does not look; of
            samples in [-1, 1].

    Raises:
        ConfigError: a value is out of its range, or the values do not fit each other.
    """

    kind: str = "logmel"
    sample_rate: int = 16000
    n_mels: int = 80
    frame_length_ms: float = 25.0
    frame_shift_ms: float = 10.0
    f_min: float = 20.0
    f_max: float | None = None
    n_fft: int = 512
    mel_scale: str = "slaney"
    preemphasis: float = 0.0
    floor: float = 1e-10
    n_mfcc: int = 40

    def __post_init__(self) -> None:
        top = self.f_max if self.f_max is not None else self.sample_rate / 2
        _check(self.kind in KINDS, "kind", self.kind, f"one of {', '.join(KINDS)}")
        _check(self.mel_scale in MEL_SCALES, "mel_scale", self.mel_scale, f"one of {', '.join(MEL_SCALES)}")
        _check(1000 <= self.sample_rate <= 192000, "sample_rate", self.sample_rate, "1000 to 192000 Hz")
        _check(1 <= self.n_mels <= 512, "n_mels", self.n_mels, "1 to 512")
        _check(0 < self.frame_shift_ms <= 1000, "frame_shift_ms", self.frame_shift_ms, "above 0, up to 1000")
        _check(self.frame_shift >= 1 and self.frame_length >= 2, "frame_length_ms", self.frame_length_ms, "two samples")
        _check(
            self.frame_length <= self.n_fft, "n_fft", self.n_fft, f"the {self.frame_length} samples of a frame or more"
        )
        _check(
            0 <= self.f_min < top <= self.sample_rate / 2,
            "f_min, f_max",
            (self.f_min, top),
            "0 <= f_min < f_max <= rate / 2",
        )
        _check(0 <= self.preemphasis < 1, "preemphasis", self.preemphasis, "0 or more, below 1")
        _check(1e-30 < self.floor < 1, "floor", self.floor, "between 1e-30 and 1")
        _check(1 <= self.n_mfcc <= self.n_mels or self.kind != "mfcc", "n_mfcc", self.n_mfcc, "1 to n_mels")

    @property
    def num_features(self) -> int:
        """F."""
        return self.n_mfcc if self.kind == "mfcc" else self.n_mels

    @property
    def frame_length(self) -> int:
        """Samples in a frame."""
        return round(self.frame_length_ms * self.sample_rate / 1000)

    @property
    def frame_shift(self) -> int:
        """Samples from a frame to the next."""
        return round(self.frame_shift_ms * self.sample_rate / 1000)

    @property
    def seconds_per_frame(self) -> float:
        """Seconds from a frame to the next."""
        return self.frame_shift / self.sample_rate

    def num_frames(self, num_samples: int) -> int:
        """Return T of a waveform of ``num_samples``; 0 if it is shorter than a frame."""
        return max(0, 1 + (num_samples - self.frame_length) // self.frame_shift)


def _check(good: bool, key: str, value: object, need: str) -> None:
    if not good:
        raise ConfigError(f"features.{key} is {value!r}; it must be {need}.", "Change it in the configuration.")


class LogMel(nn.Module):
    """Waveforms (B, N) in [-1, 1] -> features (B, T, F) and their lengths (B,).

    T = 1 + (N - length) // shift. Padding beyond ``lens`` never reaches a valid frame; frames past the end are 0. The
    powers are those of ``librosa.feature.melspectrogram(..., win_length=frame_length, center=False)`` of a waveform
    padded by half of (n_fft - frame_length) on both sides.

    Example:
        >>> features, lens = LogMel(FeatureConfig())(torch.randn(1, 16000) * 0.1, torch.tensor([16000]))
        >>> tuple(features.shape), lens.tolist()
        ((1, 98, 80), [98])
    """

    window: Tensor
    filters: Tensor
    dct: Tensor

    def __init__(self, config: FeatureConfig | None = None) -> None:
        super().__init__()
        from torchaudio.functional import create_dct, melscale_fbanks

        self.config = config = config or FeatureConfig()
        top = config.f_max if config.f_max is not None else config.sample_rate / 2
        norm = "slaney" if config.mel_scale == "slaney" else None
        filters = melscale_fbanks(
            config.n_fft // 2 + 1, config.f_min, top, config.n_mels, config.sample_rate, norm, config.mel_scale
        )
        # Not in the state: the configuration says it all.
        self.register_buffer("window", torch.hann_window(config.frame_length), persistent=False)
        self.register_buffer("filters", filters, persistent=False)
        self.register_buffer("dct", create_dct(config.n_mfcc, config.n_mels, "ortho"), persistent=False)

    @property
    def seconds_per_frame(self) -> float:
        """Seconds from a frame to the next."""
        return self.config.seconds_per_frame

    def num_frames(self, num_samples: int) -> int:
        """Return T of a waveform of ``num_samples``; 0 if it is shorter than a frame."""
        return self.config.num_frames(num_samples)

    def forward(self, waveforms: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) float, (B,) samples -> (B, T, F) float32, (B,) frames.

        Raises:
            AudioError: a waveform is shorter than one frame.
        """
        config = self.config
        frame_lens = (lens - config.frame_length).div(config.frame_shift, rounding_mode="floor") + 1
        if bool((frame_lens < 1).any()):
            shortest = int(lens.min()) / config.sample_rate
            raise AudioError(
                f"A clip of {shortest:.4f} s is shorter than one frame of {config.frame_length_ms:g} ms.",
                "Leave it out.",
            )
        frames = waveforms.float().unfold(1, config.frame_length, config.frame_shift)[:, : int(frame_lens.max())]
        features = torch.cat([self._transform(block) for block in torch.split(frames, BLOCK_FRAMES, dim=1)], dim=1)
        return _masked(features, frame_lens), frame_lens

    def mel_power(self, frames: Tensor) -> Tensor:
        """Frames (..., frame_length) -> power in each band (..., n_mels)."""
        if self.config.preemphasis:
            before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
            frames = frames - self.config.preemphasis * before
        spectrum = torch.fft.rfft(frames * self.window, n=self.config.n_fft)
        power: Tensor = (spectrum.real.square() + spectrum.imag.square()) @ self.filters
        return power

    def _transform(self, frames: Tensor) -> Tensor:
        log_mel = self.mel_power(frames).clamp_min(self.config.floor).log()
        return log_mel @ self.dct if self.config.kind == "mfcc" else log_mel

    def value_range(self) -> tuple[float, float]:
        """Return bounds that no feature of samples in [-1, 1] exceeds (Parseval), for storage in few bits."""
        highest_power = (
            float(self.filters.max() * self.config.n_fft * self.window.square().sum()) * 4
        )  # pre-emphasis < 2
        low, high = math.log(self.config.floor), math.log(highest_power)
        if self.config.kind == "mfcc":  # a cosine transform keeps the norm
            bound = math.sqrt(self.config.n_mels) * max(abs(low), abs(high))
            return -bound, bound
        return low, high


def _masked(x: Tensor, lens: Tensor) -> Tensor:
    inside = torch.arange(x.size(1), device=x.device) < lens.unsqueeze(1)
    return x.masked_fill(~inside.unsqueeze(-1), 0.0)


class Normalizer(nn.Module):
    """Features (B, T, F) -> features of mean 0 and standard deviation 1; padding stays 0.

    Args:
        num_features: F.
        mode: "global" uses the training split's statistics, which a stream can do too; "utterance" takes each
            utterance's own mean and the training split's deviation; "none" changes nothing but the padding.

    Raises:
        ConfigError: ``mode`` is none of these.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_features: int, mode: str = "global") -> None:
        super().__init__()
        if mode not in NORMALIZATIONS:
            raise ConfigError(f"There is no normalization {mode!r}.", f"Choose one of: {', '.join(NORMALIZATIONS)}.")
        self.mode = mode
        self.register_buffer("mean", torch.zeros(num_features))
        self.register_buffer("std", torch.ones(num_features))

    def set_statistics(self, mean: object, std: object) -> None:
        """Take the training split's mean and standard deviation, (F,) each."""
        self.mean.copy_(torch.as_tensor(mean))
        self.std.copy_(torch.as_tensor(std).clamp_min(MIN_STD))

    def forward(self, x: Tensor, x_lens: Tensor) -> Tensor:
        """(B, T, F), (B,) -> (B, T, F)."""
        if self.mode == "none":
            return _masked(x, x_lens)
        mean = self.mean
        if self.mode == "utterance":  # in double precision, so that the order of summation does not show
            mean = (_masked(x, x_lens).double().sum(1) / x_lens.unsqueeze(1)).to(x.dtype).unsqueeze(1)
        return _masked((x - mean) / self.std, x_lens)


@dataclass(frozen=True)
class SpecAugmentConfig:
    """How training features are masked (Park et al. 2019; adaptive time masks: Park et al. 2020, "SpecAugment on Large
    Scale Datasets", section 3).

    Attributes:
        num_freq_masks, max_freq_width: bands, width uniform from 0 to the maximum.
        num_time_masks: an utterance, at most.
        time_masks_per_frame: above 0, their number is this times the frames, so that short utterances get few; 0 gives
            every utterance ``num_time_masks``.
        max_time_width: frames. max_time_fraction: of the utterance; both hold.
        time_warp: frames by which a random point is moved, at most; 0 for none.

    Raises:
        ConfigError: a value is out of its range.
    """

    num_freq_masks: int = 2
    max_freq_width: int = 27
    num_time_masks: int = 20
    time_masks_per_frame: float = 0.025
    max_time_width: int = 50
    max_time_fraction: float = 0.04
    time_warp: int = 0

    def __post_init__(self) -> None:
        for key in ("num_freq_masks", "max_freq_width", "num_time_masks", "max_time_width", "time_warp"):
            value = getattr(self, key)
            if value < 0:
                raise ConfigError(f"specaugment.{key} is {value}; it must be 0 or more.", "0 turns it off.")
        for key in ("time_masks_per_frame", "max_time_fraction"):
            value = getattr(self, key)
            if not 0 <= value <= 1:
                raise ConfigError(f"specaugment.{key} is {value}; it must be between 0 and 1.", "0 turns it off.")


class SpecAugment(nn.Module):
    """Normalised features (B, T, F) -> the same with bands and spans of time set to 0, the mean.

    Each utterance has masks of its own within its own length. To be called in training only.
    """

    def __init__(self, config: SpecAugmentConfig | None = None) -> None:
        super().__init__()
        self.config = config or SpecAugmentConfig()

    def forward(self, x: Tensor, x_lens: Tensor, generator: torch.Generator) -> Tensor:
        """(B, T, F), (B,) frames, where all randomness comes from -> (B, T, F)."""
        config, (batch, frames, bands) = self.config, x.shape
        draws = torch.rand(
            batch, 2 * (config.num_freq_masks + config.num_time_masks + 1), generator=generator, device=generator.device
        )
        draws = draws.to(x.device)
        warp, freq, time = torch.split(draws, [2, 2 * config.num_freq_masks, 2 * config.num_time_masks], dim=1)
        if config.time_warp:
            x = _time_warped(x, x_lens, config.time_warp, warp)
        lens = x_lens.unsqueeze(1)
        widest = (lens * config.max_time_fraction).clamp_max(config.max_time_width)
        number = torch.full_like(lens, config.num_time_masks)
        if config.time_masks_per_frame:
            number = torch.minimum(number, (lens * config.time_masks_per_frame).round().clamp_min(1).long())
        used = torch.arange(config.num_time_masks, device=x.device) < number
        masked = _spans(time, lens, widest * used, frames).unsqueeze(2)
        all_bands = torch.full_like(lens, bands)
        masked = masked | _spans(freq, all_bands, all_bands.clamp_max(config.max_freq_width), bands).unsqueeze(1)
        return x.masked_fill(masked, 0.0)


def _spans(draws: Tensor, extents: Tensor, widest: Tensor, size: int) -> Tensor:
    """Uniform draws (B, 2 M) -> (B, size) bool: union of M spans within ``extents`` (B, 1), widths 0 to ``widest``."""
    widths_drawn, starts_drawn = draws.chunk(2, dim=1)
    widths = (widths_drawn * (widest + 1)).floor().minimum(widest.floor())
    starts = (starts_drawn * (extents - widths + 1)).floor()
    places = torch.arange(size, device=draws.device).view(1, -1, 1)
    return ((places >= starts.unsqueeze(1)) & (places < (starts + widths).unsqueeze(1))).any(2)


def _time_warped(x: Tensor, x_lens: Tensor, window: int, draws: Tensor) -> Tensor:
    """Move a random frame by up to ``window`` frames and stretch both sides linearly; lengths stay."""
    last = (x_lens - 1).to(draws.dtype)
    reach = ((last - 1) / 2).clamp(0, window)
    target = reach + draws[:, 0] * (last - 2 * reach)
    source = target + (2 * draws[:, 1] - 1) * reach * 0.999
    places = torch.arange(x.size(1), device=x.device, dtype=draws.dtype).expand(x.size(0), -1)
    target, source, last = target.unsqueeze(1), source.unsqueeze(1), last.unsqueeze(1)
    left = places * source / target.clamp_min(1e-6)
    right = last - (last - places) * (last - source) / (last - target).clamp_min(1e-6)
    at = torch.where(places < target, left, right).minimum(last).clamp_min(0)
    below = at.floor()
    share = (at - below).unsqueeze(2).to(x.dtype)
    index = below.long().unsqueeze(2).expand_as(x)
    above = index.add(1).minimum(last.long().unsqueeze(2).expand_as(x))
    return _masked(torch.lerp(x.gather(1, index), x.gather(1, above), share), x_lens)

"""Augmentation of log-Mel crops: noise, other voices, rooms, microphones, telephones, masks.

Powers of sounds that have nothing to do with each other add up on average, and a late
reverberation is the power of the past, decayed (Polack 1988). So noise and rooms are added to mel
powers, anew for each crop, for a fraction of what waveforms would cost.

Legend: B crops, T frames, F mel bands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from asr.speakers.config import VoiceAugmentConfig

__all__ = ["AugmentedVoices", "augment_voices"]

DB = math.log(10) / 10  # nepers of power in a decibel
KNOTS = 6  # of the random curves over frequency
WEAKEST_TAIL_DB, STRONGEST_TAIL_DB = -12.0, 3.0  # of a room, relative to the direct sound
LEAST_PART = 0.25  # of a crop, in which another speaker is heard
HEARD_DB = 12.0  # two voices overlap where neither is this far below its level or the other voice


@dataclass(frozen=True)
class AugmentedVoices:
    """Augmented crops.

    Attributes:
        x: (B, T, F) log-Mel features.
        overlap: (B, T) whether two voices speak at once.
    """

    x: Tensor
    overlap: Tensor


def augment_voices(
    x: Tensor,
    noise: Tensor,
    config: VoiceAugmentConfig,
    generator: torch.Generator,
    frame_shift_s: float,
) -> AugmentedVoices:
    """Augment crops of one length, and mark where two voices overlap in them.

    Args:
        x: log-Mel features (B, T, F).
        noise: log-Mel features (B, T, F) of noise, or (0, T, F) where there is none.
        config: what is changed, and how often.
        generator: of the processor; its state decides everything.
        frame_shift_s: seconds between two frames.
    """
    B = len(x)
    x = _in_rooms(x, config, generator, frame_shift_s)
    x = x + _curves(x, config.tilt_db, generator)
    x, overlap = _with_others(x, config, generator)
    if len(noise):
        x = _with_noise(x, noise, config, generator)
    narrow = _drawn(B, config.narrow_share, generator)
    bands = torch.arange(x.size(2)) >= round(0.7 * x.size(2))  # above some 3400 Hz
    x = torch.where(narrow.view(-1, 1, 1) & bands, x - 8.0, x)
    return AugmentedVoices(_masked(x, config, generator), overlap)


def _drawn(count: int, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < share


def _level(x: Tensor) -> Tensor:
    """Logarithm of the mean power (B, 1, 1)."""
    count = math.log(x.size(1) * x.size(2))
    return (x.flatten(1).logsumexp(1) - count).view(-1, 1, 1)


def _with_noise(
    x: Tensor, noise: Tensor, config: VoiceAugmentConfig, generator: torch.Generator
) -> Tensor:
    """Add noise to a share of the crops, at random signal-to-noise ratios."""
    chosen = _drawn(len(x), config.noise_share, generator).nonzero().squeeze(1)
    snr = _between(config.snr_db_low, config.snr_db_high, len(x), generator)[chosen]
    if not len(chosen):
        return x
    speech, other = x[chosen], noise[chosen]
    mixed = torch.logaddexp(speech, other + (_level(speech) - _level(other) - DB * snr))
    return x.index_copy(0, chosen, mixed)


def _with_others(
    x: Tensor, config: VoiceAugmentConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Add another crop to a part of each of some; return them, and where (B, T) two are heard."""
    B, T, _ = x.shape
    other = x.roll(1 + int(torch.rand(1, generator=generator) * (B - 1)), 0)
    chosen = _drawn(B, config.babble_share, generator)
    ratio = _between(config.babble_db_low, config.babble_db_high, B, generator)
    part = LEAST_PART + (1 - LEAST_PART) * torch.rand(B, 1, generator=generator)
    first = torch.rand(B, 1, generator=generator) * (1 - part)
    place = torch.arange(T) / T
    inside = chosen.view(-1, 1) & (place >= first) & (place < first + part)
    level = _level(x)
    lower = level - DB * ratio
    other = other + (lower - _level(other))
    bands = math.log(x.size(2))
    first_voice, second_voice = x.logsumexp(2) - bands, other.logsumexp(2) - bands  # (B, T)
    overlap = inside & ((first_voice - second_voice).abs() < HEARD_DB * DB)
    overlap &= first_voice > level.view(-1, 1) - HEARD_DB * DB
    overlap &= second_voice > lower.view(-1, 1) - HEARD_DB * DB
    return torch.where(inside.unsqueeze(-1), torch.logaddexp(x, other), x), overlap


def _between(low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    """Return random numbers (count, 1, 1) of a uniform distribution."""
    return low + (high - low) * torch.rand(count, 1, 1, generator=generator)


def _curves(x: Tensor, deviation_db: float, generator: torch.Generator) -> Tensor:
    """Random smooth curves over frequency (B, 1, F), in nepers."""
    knots = torch.randn(len(x), 1, KNOTS, generator=generator) * (deviation_db * DB)
    return functional.interpolate(knots, x.size(2), mode="linear", align_corners=True)


def _in_rooms(
    x: Tensor, config: VoiceAugmentConfig, generator: torch.Generator, frame_shift_s: float
) -> Tensor:
    """Add late reverberation to a share of the crops."""
    B, T, _ = x.shape
    chosen = _drawn(B, config.room_share, generator).nonzero().squeeze(1)
    u = torch.rand(2, B, generator=generator)[:, chosen]
    if not len(chosen):
        return x
    t60_s = config.t60_low_s + u[0] * (config.t60_high_s - config.t60_low_s)
    tail = WEAKEST_TAIL_DB + u[1] * (STRONGEST_TAIL_DB - WEAKEST_TAIL_DB)
    slope = 60 * DB * frame_shift_s / t60_s  # nepers a frame
    steps = torch.arange(T)
    late = (steps.view(-1, 1) - steps).clamp(min=0)  # frames since
    decay = torch.exp(-slope.view(-1, 1, 1) * late) * (late > 0)
    decay = decay * ((DB * tail).exp() * slope).view(-1, 1, 1)  # the tail's power by its slope
    highest = x[chosen].amax((1, 2), keepdim=True)
    power = (x[chosen] - highest).exp()
    wet = (power + decay @ power).clamp(min=1e-12).log() + highest
    return x.index_copy(0, chosen, wet)


def _masked(x: Tensor, config: VoiceAugmentConfig, generator: torch.Generator) -> Tensor:
    """Set a random stretch of bands and one of frames to the mean of each crop."""
    B, T, F = x.shape
    hidden = torch.zeros(B, T, F, dtype=torch.bool)
    for size, widest, shape in (
        (T, config.time_width, (B, T, 1)),
        (F, config.freq_width, (B, 1, F)),
    ):
        u = torch.rand(2, B, 1, generator=generator)
        width = (u[0] * (min(widest, size - 1) + 1)).floor()
        start = (u[1] * (size - width)).floor()
        steps = torch.arange(size)
        hidden |= ((steps >= start) & (steps < start + width)).view(shape)
    return torch.where(hidden, x.mean((1, 2), keepdim=True), x)

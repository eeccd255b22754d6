"""Augmentation of log-Mel crops: noise, other voices, rooms, microphones, telephones, masks.

Powers of sounds that have nothing to do with each other add up on average, and a late
reverberation is the power of the past, decayed (Polack 1988). So noise and rooms are added to mel
powers, anew for each crop, for a fraction of what waveforms would cost.

Legend: B crops, T frames, F mel bands.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from asr.speakers.config import VoiceAugmentConfig

__all__ = ["augment_voices"]

DB = math.log(10) / 10  # nepers of power in a decibel
KNOTS = 6  # of the random curves over frequency
WEAKEST_TAIL_DB, STRONGEST_TAIL_DB = -12.0, 3.0  # of a room, relative to the direct sound


def augment_voices(
    x: Tensor,
    noise: Tensor,
    config: VoiceAugmentConfig,
    generator: torch.Generator,
    frame_shift_s: float,
) -> Tensor:
    """Return changed log-Mel features (B, T, F) of crops of one length.

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
    order = torch.randperm(B, generator=generator)
    x = _added(x, x[order], config.babble_share, config, generator)
    if len(noise):
        x = _added(x, noise, config.noise_share, config, generator)
    narrow = _drawn(B, config.narrow_share, generator)
    bands = torch.arange(x.size(2)) >= round(0.7 * x.size(2))  # above some 3400 Hz
    x = torch.where(narrow.view(-1, 1, 1) & bands, x - 8.0, x)
    return _masked(x, config, generator)


def _drawn(count: int, share: float, generator: torch.Generator) -> Tensor:
    return torch.rand(count, generator=generator) < share


def _level(x: Tensor) -> Tensor:
    """Logarithm of the mean power (B, 1, 1)."""
    count = math.log(x.size(1) * x.size(2))
    return (x.flatten(1).logsumexp(1) - count).view(-1, 1, 1)


def _added(
    x: Tensor,
    noise: Tensor,
    share: float,
    config: VoiceAugmentConfig,
    generator: torch.Generator,
) -> Tensor:
    """Add noise to a share of the crops, at random signal-to-noise ratios."""
    chosen = _drawn(len(x), share, generator).nonzero().squeeze(1)
    snr = torch.rand(len(x), generator=generator)[chosen].view(-1, 1, 1)
    snr = config.snr_db_low + snr * (config.snr_db_high - config.snr_db_low)
    if not len(chosen):
        return x
    speech, other = x[chosen], noise[chosen]
    mixed = torch.logaddexp(speech, other + (_level(speech) - _level(other) - DB * snr))
    return x.index_copy(0, chosen, mixed)


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

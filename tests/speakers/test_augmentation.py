"""Noise and rooms in the mel domain."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from asr.audio.perturbation import add_reverberation
from asr.speakers.augmentation import AugmentedVoices, augment_voices
from asr.speakers.config import VoiceAugmentConfig, front_end

NOTHING = {
    "noise_share": 0.0,
    "babble_share": 0.0,
    "room_share": 0.0,
    "tilt_db": 0.0,
    "narrow_share": 0.0,
    "freq_width": 0,
    "time_width": 0,
}


def augmented(
    x: torch.Tensor, noise: torch.Tensor | None = None, **given: float
) -> AugmentedVoices:
    config = VoiceAugmentConfig(**{**NOTHING, **given})
    noise = torch.zeros(0, *x.shape[1:]) if noise is None else noise
    return augment_voices(x, noise, config, torch.Generator().manual_seed(1), 0.01)


def changed(x: torch.Tensor, noise: torch.Tensor, **given: float) -> torch.Tensor:
    return augmented(x, noise, **given).x


def level(x: torch.Tensor) -> torch.Tensor:
    return x.exp().mean((1, 2)).log()


def test_without_shares_nothing_changes() -> None:
    x = torch.randn(4, 50, 16)
    assert torch.equal(changed(x, torch.zeros(0, 50, 16)), x)


def test_noise_has_its_ratio() -> None:
    x, noise = torch.randn(4, 50, 16), torch.randn(4, 50, 16) - 7
    mixed = changed(x, noise, noise_share=1, snr_db_low=10, snr_db_high=10)
    added = level((mixed.exp() - x.exp()).clamp(min=1e-9).log())
    assert torch.allclose(level(x) - added, torch.full((4,), np.log(10.0)), atol=0.01)


def test_two_voices_overlap_where_both_are_loud() -> None:
    x = torch.zeros(2, 100, 8) - 3
    x[0, 50:] -= 20  # the first one is silent in the second half
    found = augmented(x, babble_share=1, babble_db_low=5, babble_db_high=5)
    mixed = (found.x - x).abs().amax(2) > 1e-4
    assert found.overlap.any()
    assert not (found.overlap & ~mixed).any()
    assert not found.overlap[:, 50:].any()
    assert not augmented(x, noise_share=1).overlap.any()
    far = augmented(x, babble_share=1, babble_db_low=30, babble_db_high=30)
    assert not far.overlap.any()


def test_a_room_decays_by_60_db_in_its_time() -> None:
    x = torch.full((2, 100, 8), -25.0)
    x[:, 10] = 0.0  # a click
    wet = changed(x, torch.zeros(0, 100, 8), room_share=1, t60_low_s=0.5, t60_high_s=0.5)
    slope = (wet[:, 30] - wet[:, 20]) / 10
    assert torch.allclose(slope, torch.full((2, 8), -60 * np.log(10) / 10 / 50), atol=1e-3)
    assert torch.allclose(wet[:, :10], x[:, :10], atol=1)  # what was steady before has a tail too


def test_rooms_of_waveforms_decay_likewise() -> None:
    rng = np.random.default_rng(0)
    sound = np.zeros(16000, np.float32)
    sound[1600:2400] = 0.3 * rng.standard_normal(800)
    wet = add_reverberation(sound, 16000, 0.4, rng)
    power = front_end()(wet).mean(1)
    decay = np.polyfit(np.arange(25, 40), power[25:40], 1)[0]
    assert decay == pytest.approx(-60 * np.log(10) / 10 / 40, rel=0.15)


def test_the_same_seed_gives_the_same_crops() -> None:
    x, noise = torch.randn(6, 80, 20), torch.randn(6, 80, 20)
    results = [
        augment_voices(x, noise, VoiceAugmentConfig(), torch.Generator().manual_seed(s), 0.01).x
        for s in (3, 3, 4)
    ]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert torch.isfinite(results[0]).all()

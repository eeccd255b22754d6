"""Features against librosa, and what padding, batches and random masks may and may not change."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import librosa
import numpy as np
import pytest
import torch
from scipy.fft import dct

from asr.config import build_config
from asr.errors import ConfigError
from asr.features.config import FeatureConfig
from asr.features.extraction import BLOCK_FRAMES, LogMel, Normalizer, SpecAugment, SpecAugmentConfig


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"n_mels": 40, "f_min": 0.0, "f_max": 8000.0},
        {"sample_rate": 22050, "n_fft": 1024, "f_max": 11000.0},
        {"sample_rate": 8000, "f_max": 3800.0, "n_mels": 40, "n_fft": 256},
    ],
)
def test_mel_power_equals_librosa(changes: dict[str, Any]) -> None:
    config = replace(FeatureConfig(), **changes)
    rate = config.sample_rate
    time = np.arange(rate) / rate
    samples = noise(rate).numpy() * 0.05 + 0.3 * np.sin(2 * np.pi * (200 * time + 1500 * time**2))
    samples = samples.astype(np.float32)
    side = (config.n_fft - config.frame_length) // 2  # librosa centres the window in the transform
    padded = np.pad(samples, (side, config.n_fft - config.frame_length - side)).astype(np.float64)
    expected = librosa.feature.melspectrogram(
        y=padded,
        sr=rate,
        n_fft=config.n_fft,
        hop_length=config.frame_shift,
        win_length=config.frame_length,
        center=False,
        power=2.0,
        n_mels=config.n_mels,
        fmin=config.f_min,
        fmax=config.f_max,
        htk=True,
        norm=None,
        dtype=np.float64,
    ).T
    features, lens = LogMel(config)(torch.from_numpy(samples)[None], torch.tensor([rate]))
    assert lens.tolist() == [len(expected)] == [config.num_frames(rate)]
    above = expected > config.floor
    assert above.mean() > 0.9
    np.testing.assert_allclose(
        features[0].double().exp().numpy()[above], expected[above], rtol=1e-3
    )


def test_silence_lies_on_the_floor() -> None:
    features, _ = LogMel(FeatureConfig())(torch.zeros(1, 800), torch.tensor([800]))
    assert torch.allclose(features, torch.tensor(1e-7).log())


def test_mfcc_is_the_orthonormal_cosine_transform_of_the_log_mel() -> None:
    samples, lens = noise(1, 8000), torch.tensor([8000])
    log_mel, _ = LogMel(FeatureConfig())(samples, lens)
    mfcc, _ = LogMel(FeatureConfig(kind="mfcc", n_mfcc=13))(samples, lens)
    assert mfcc.shape[2] == FeatureConfig(kind="mfcc", n_mfcc=13).num_features
    np.testing.assert_allclose(mfcc[0], dct(log_mel[0].numpy(), norm="ortho")[:, :13], atol=1e-3)


def test_batch_and_padding_change_no_frame() -> None:
    front_end, lens = LogMel(FeatureConfig()), torch.tensor([16000, 7777, 400, 399])
    batch = torch.full((4, 16400), 0.9)  # loud padding would show
    for row, length in zip(batch, lens.tolist(), strict=True):
        row[:length] = noise(length, seed=length)
    features, frames = front_end(batch, lens)
    assert frames.tolist() == [98, 47, 1, 0]
    for row, length, count in zip(features, lens.tolist(), frames.tolist(), strict=True):
        alone, _ = front_end(noise(1, length, seed=length), torch.tensor([length]))
        torch.testing.assert_close(row[:count], alone[0], rtol=0, atol=1e-5)
        assert not row[count:].any()


def test_a_long_recording_in_blocks_equals_its_parts() -> None:
    front_end, samples = LogMel(FeatureConfig(frame_shift_ms=2.0)), noise(1, 16000 * 18)
    whole, _ = front_end(samples, torch.tensor([samples.size(1)]))
    assert whole.size(1) > BLOCK_FRAMES
    rest = samples[:, 32 * 8000 :]
    part, _ = front_end(rest, torch.tensor([rest.size(1)]))
    torch.testing.assert_close(whole[0, 8000:], part[0], rtol=0, atol=1e-5)


def test_a_clip_shorter_than_a_frame_has_none() -> None:
    features, lens = LogMel(FeatureConfig())(torch.zeros(1, 399), torch.tensor([399]))
    assert features.shape == (1, 0, 80)
    assert lens.tolist() == [0]


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "plp"},
        {"n_mels": 0},
        {"f_max": 9000.0},
        {"n_fft": 256},
        {"frame_shift_ms": 0.0},
        {"floor": 0.0},
        {"kind": "mfcc", "n_mfcc": 81},
        {"sample_rate": 3},
        {"f_min": -1.0},
        {"frame_length_ms": 0.1},
    ],
)
def test_impossible_settings_are_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"features\."):
        replace(FeatureConfig(), **changes)


def test_settings_survive_yaml() -> None:
    config = FeatureConfig(kind="mfcc", f_max=7000.0)
    assert build_config(FeatureConfig, asdict(config)) == config


def test_global_normalisation() -> None:
    normalizer = Normalizer(3)
    normalizer.set_statistics(np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, 0.0]))
    x = torch.tensor([[[3.0, 2.0, 3.0], [9.0, 9.0, 9.0]]])
    assert normalizer(x, torch.tensor([1])).tolist() == [[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]
    assert {"mean", "std"} == normalizer.state_dict().keys()


@pytest.mark.parametrize("kind", ["global", "utterance", "none"])
def test_normalisation_does_not_see_padding(kind: str) -> None:
    normalizer = Normalizer(80, kind)
    normalizer.set_statistics(noise(80), noise(80, seed=1).abs() + 1)
    x, lens = noise(3, 50, 80) - 7, torch.tensor([50, 20, 1])
    for row, source, length in zip(normalizer(x, lens), x, lens.tolist(), strict=True):
        alone = normalizer(source[None, :length], torch.tensor([length]))[0]
        torch.testing.assert_close(row[:length], alone, rtol=0, atol=1e-4)
        assert not row[length:].any()


def test_utterance_normalisation_gives_mean_0_and_deviation_1() -> None:
    out = Normalizer(4, "utterance")(noise(2, 30, 4) * 7 + 5, torch.tensor([30, 11]))
    for row, length in ((out[0], 30), (out[1], 11)):
        assert row[:length].mean(0).abs().max() < 1e-5
        assert (row[:length].std(0, unbiased=False) - 1).abs().max() < 1e-5


def test_a_band_that_is_silent_throughout_is_zero() -> None:
    x = noise(1, 313, 4)
    x[..., 2] = float(np.log(1e-7))  # as above the highest frequency of a telephone
    assert not Normalizer(4, "utterance")(x, torch.tensor([313]))[..., 2].any()


def test_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cmvn'"):
        Normalizer(80, "cmvn")


def masked(
    config: SpecAugmentConfig, lens: list[int], seed: int = 0, bands: int = 80
) -> torch.Tensor:
    x = torch.ones(len(lens), max(lens), bands)
    return SpecAugment(config)(x, torch.tensor(lens), torch.Generator().manual_seed(seed)) == 0


def test_masks_are_whole_bands_and_stretches_within_their_bounds() -> None:
    config = SpecAugmentConfig(
        freq_masks=1, freq_width=10, time_masks=1, time_width=30, time_share=0.2
    )
    widths_t, widths_f = set(), set()
    for seed in range(300):
        mask = masked(config, [400, 100], seed)
        for row, length, widest in ((mask[0], 400, 30), (mask[1], 100, 20)):
            steps, bands = row.all(1), row.all(0)
            assert torch.equal(row, steps[:, None] | bands[None])
            places = torch.nonzero(steps).flatten()
            assert len(places) <= widest
            if len(places):
                assert int(places[-1]) < length
                assert int(places[-1] - places[0]) == len(places) - 1
            widths_t.add(len(places))
            widths_f.add(int(bands.sum()))
    assert widths_f == set(range(11))
    assert max(widths_t) == 30
    assert 0 in widths_t


def test_adaptive_masks_grow_with_the_utterance() -> None:
    config = SpecAugmentConfig(freq_masks=0, time_masks=0, time_masks_per_s=2, time_width=20)
    share = [
        float(torch.stack([masked(config, [n], s)[0, :, 0] for s in range(100)]).float().mean())
        for n in (20, 1000)
    ]
    assert share[0] == 0
    assert 0.1 < share[1] < 0.25  # 20 stretches of 10 frames that may overlap


def test_a_short_utterance_beside_a_long_one_has_its_own_number_of_masks() -> None:
    config = SpecAugmentConfig(
        freq_masks=0, time_masks=0, time_masks_per_s=2, time_width=20, time_share=1.0
    )
    assert not any(masked(config, [1000, 20], seed)[1].any() for seed in range(20))


def test_masks_follow_the_generator_alone() -> None:
    for config in (
        SpecAugmentConfig(),
        SpecAugmentConfig(time_warp=10),
        SpecAugmentConfig(freq_warp=4),
    ):
        assert torch.equal(masked(config, [300, 200], 7), masked(config, [300, 200], 7))
        assert not torch.equal(masked(config, [300, 200], 7), masked(config, [300, 200], 8))
    assert not masked(SpecAugmentConfig(freq_masks=0, time_masks=0), [50]).any()


def test_masks_wider_than_the_features_are_survived() -> None:
    assert masked(
        SpecAugmentConfig(freq_width=200, time_width=500, time_share=1.0), [5, 1], 3, bands=8
    ).shape == (
        2,
        5,
        8,
    )


def test_time_warp_is_a_monotonic_map_that_keeps_ends_and_padding() -> None:
    lens = torch.tensor([100, 60, 2, 1])
    ramp = torch.arange(100.0)[None, :, None].repeat(4, 1, 2)
    ramp = ramp * (torch.arange(100)[None] < lens[:, None])[..., None]
    warp = SpecAugment(SpecAugmentConfig(freq_masks=0, time_masks=0, time_warp=20))
    moved = []
    for seed in range(50):
        out = warp(ramp, lens, torch.Generator().manual_seed(seed))
        for row, length in zip(out, lens.tolist(), strict=True):
            assert (row[:length].diff(dim=0) >= 0).all()
            assert float(row[0, 0]) == 0
            assert abs(float(row[length - 1, 0]) - (length - 1)) < 1e-3
            assert not row[length:].any()
        moved.append(float((out[0] - ramp[0]).abs().max()))
    assert 10 < max(moved) <= 20.001


def test_frequency_warp_moves_bands_alike_in_every_frame() -> None:
    lens = torch.tensor([30, 20])
    x = torch.arange(80.0).expand(2, 30, 80) * (torch.arange(30) < lens[:, None])[..., None]
    warp = SpecAugment(SpecAugmentConfig(freq_masks=0, time_masks=0, freq_warp=4))
    moved = []
    for seed in range(50):
        out = warp(x, lens, torch.Generator().manual_seed(seed))
        assert not out[1, 20:].any()
        for row, length in zip(out, lens.tolist(), strict=True):
            assert torch.equal(row[:length], row[:1].expand(length, -1))
            assert (row[0].diff() >= 0).all()
            assert float(row[0, 0]) == 0
            assert abs(float(row[0, -1]) - 79) < 1e-3
        moved.append(float((out[0] - x[0]).abs().max()))
    assert 3 < max(moved) <= 4.001


def test_masks_out_of_range_are_refused() -> None:
    for changes in ({"time_masks": -1}, {"time_share": 1.5}, {"time_warp": -3}, {"freq_warp": -1}):
        with pytest.raises(ConfigError, match=r"specaugment\."):
            SpecAugmentConfig(**changes)  # type: ignore[arg-type]

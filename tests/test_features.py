"""Features against librosa, and what padding, batches and random masks may and may not change."""

from __future__ import annotations

from dataclasses import asdict, replace

import librosa
import numpy as np
import pytest
import torch

from asr.config import build_config
from asr.errors import AudioError, ConfigError
from asr.features import FeatureConfig, LogMel, Normalizer, SpecAugment, SpecAugmentConfig


def noise(num_samples: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(num_samples, generator=generator) * 0.1


@pytest.mark.parametrize(
    "changes", [{}, {"mel_scale": "htk"}, {"n_mels": 40, "f_max": 7600.0, "sample_rate": 22050, "n_fft": 1024}]
)
def test_mel_power_equals_librosa(changes: dict[str, object]) -> None:
    config = replace(FeatureConfig(), **changes)
    rate = config.sample_rate
    time = np.arange(rate) / rate
    samples = noise(rate).numpy() * 0.01 + 0.5 * np.sin(2 * np.pi * (200 * time + 1500 * time**2)).astype(np.float32)
    side = (config.n_fft - config.frame_length) // 2
    expected = librosa.feature.melspectrogram(
        y=np.pad(samples, (side, config.n_fft - config.frame_length - side)).astype(np.float64), sr=rate,
        n_fft=config.n_fft,
        hop_length=config.frame_shift, win_length=config.frame_length, center=False, power=2.0, n_mels=config.n_mels,
        fmin=config.f_min, fmax=config.f_max or rate / 2, htk=config.mel_scale == "htk",
        norm="slaney" if config.mel_scale == "slaney" else None, dtype=np.float64,
    ).T  # fmt: skip
    features, lens = LogMel(config)(torch.from_numpy(samples.astype(np.float32))[None], torch.tensor([rate]))
    assert lens.tolist() == [len(expected)] == [config.num_frames(rate)]
    above = expected > config.floor
    assert above.mean() > 0.9
    np.testing.assert_allclose(features[0].double().exp().numpy()[above], expected[above], rtol=1e-3)


def test_mfcc_is_the_orthonormal_cosine_transform_of_the_log_mel() -> None:
    from scipy.fft import dct

    samples, lens = noise(8000)[None], torch.tensor([8000])
    log_mel, _ = LogMel(FeatureConfig())(samples, lens)
    mfcc, _ = LogMel(FeatureConfig(kind="mfcc", n_mfcc=13))(samples, lens)
    np.testing.assert_allclose(mfcc[0], dct(log_mel[0].numpy(), norm="ortho")[:, :13], atol=1e-3)


def test_batch_and_padding_change_no_frame() -> None:
    front_end = LogMel(FeatureConfig(preemphasis=0.97))
    lens = torch.tensor([16000, 7777, 400])
    batch = torch.full((3, 16400), 0.9)  # loud padding would show
    for row, length in zip(batch, lens.tolist(), strict=True):
        row[:length] = noise(length, length)
    features, frames = front_end(batch, lens)
    assert frames.tolist() == [98, 47, 1]
    for row, length, count in zip(features, lens.tolist(), frames.tolist(), strict=True):
        alone, _ = front_end(noise(length, length)[None], torch.tensor([length]))
        torch.testing.assert_close(row[:count], alone[0], rtol=0, atol=1e-5)
        assert not row[count:].any()


def test_a_long_recording_in_blocks_equals_its_parts() -> None:
    front_end, samples = LogMel(), noise(16000 * 25)
    whole, _ = front_end(samples[None], torch.tensor([len(samples)]))
    part, _ = front_end(samples[None, 160 * 2000 :], torch.tensor([len(samples) - 160 * 2000]))
    torch.testing.assert_close(whole[0, 2000:], part[0], rtol=0, atol=1e-5)


def test_values_stay_within_the_stated_range() -> None:
    for kind in ("logmel", "mfcc"):
        front_end = LogMel(FeatureConfig(kind=kind))
        loud = torch.stack([torch.ones(8000), noise(8000).sign(), torch.zeros(8000)])
        features, _ = front_end(loud, torch.tensor([8000] * 3))
        low, high = front_end.value_range()
        assert low - 1e-3 <= float(features.min())
        assert float(features.max()) <= high


def test_a_clip_shorter_than_a_frame_is_refused() -> None:
    with pytest.raises(AudioError, match="shorter than one frame"):
        LogMel()(torch.zeros(1, 399), torch.tensor([399]))


@pytest.mark.parametrize(
    "changes",
    [{"kind": "plp"}, {"n_mels": 0}, {"f_max": 9000.0}, {"n_fft": 256}, {"frame_shift_ms": 0.0}, {"floor": 0.0},
     {"mel_scale": "bark"}, {"kind": "mfcc", "n_mfcc": 81}, {"sample_rate": 3}, {"preemphasis": 1.0}],
)  # fmt: skip
def test_impossible_settings_are_refused_by_name(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="features"):
        replace(FeatureConfig(), **changes)


def test_settings_survive_yaml() -> None:
    config = FeatureConfig(kind="mfcc", f_max=7000.0)
    assert build_config(FeatureConfig, asdict(config)) == config
    assert build_config(FeatureConfig, asdict(FeatureConfig())) == FeatureConfig()


def test_global_normalisation() -> None:
    normalizer = Normalizer(3)
    normalizer.set_statistics(np.array([1.0, 2.0, 3.0]), np.array([2.0, 1.0, 0.0]))
    x = torch.tensor([[[3.0, 2.0, 3.0], [9.0, 9.0, 9.0]]])
    out = normalizer(x, torch.tensor([1]))
    assert out.tolist() == [[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]]


@pytest.mark.parametrize("mode", ["global", "utterance", "none"])
def test_normalisation_does_not_see_padding(mode: str) -> None:
    normalizer = Normalizer(80, mode)
    normalizer.set_statistics(noise(80), noise(80, 1).abs() + 1)
    x, lens = noise(3 * 50 * 80).view(3, 50, 80) - 7, torch.tensor([50, 20, 1])
    batch = normalizer(x, lens)
    for row, source, length in zip(batch, x, lens.tolist(), strict=True):
        assert torch.equal(row[:length], normalizer(source[None, :length], torch.tensor([length]))[0])
        assert not row[length:].any()


def test_utterance_mean_is_removed() -> None:
    x = noise(2 * 30 * 4).view(2, 30, 4) + 5
    out = Normalizer(4, "utterance")(x, torch.tensor([30, 11]))
    assert out[0].mean(0).abs().max() < 1e-6
    assert out[1, :11].mean(0).abs().max() < 1e-6


def test_unknown_normalisation_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cmvn'"):
        Normalizer(80, "cmvn")


def masked(config: SpecAugmentConfig, lens: list[int], seed: int = 0, bands: int = 80) -> torch.Tensor:
    x = torch.ones(len(lens), max(lens), bands)
    return SpecAugment(config)(x, torch.tensor(lens), torch.Generator().manual_seed(seed)) == 0


def test_masks_are_whole_bands_and_spans_within_their_bounds() -> None:
    config = SpecAugmentConfig(1, 10, 1, time_masks_per_frame=0, max_time_width=30, max_time_fraction=0.2)
    widths_t, widths_f = set(), set()
    for seed in range(300):
        mask = masked(config, [400, 100], seed)
        for row, length, widest in ((mask[0], 400, 30), (mask[1], 100, 20)):
            spans = torch.nonzero(row.all(1)).flatten()
            bands = torch.nonzero(row.all(0)).flatten()
            assert len(spans) <= widest
            assert not len(spans) or int(spans[-1]) < length
            assert not len(spans) or int(spans[-1] - spans[0]) == len(spans) - 1
            union = row.all(1)[:, None] | row.all(0)[None]
            assert torch.equal(row, union)
            widths_t.add(len(spans))
            widths_f.add(len(bands))
    assert widths_f == set(range(11))
    assert max(widths_t) == 30
    assert 0 in widths_t


def test_adaptive_masks_grow_with_the_utterance() -> None:
    config = SpecAugmentConfig(num_freq_masks=0, time_masks_per_frame=0.02, max_time_fraction=0.04, max_time_width=100)
    share = [
        float(torch.stack([masked(config, [n], s)[0, :, 0] for s in range(100)]).float().mean()) for n in (100, 1000)
    ]
    assert share[0] < 0.1
    assert 0.2 < share[1] < 0.4


def test_masks_follow_the_generator_alone() -> None:
    config = SpecAugmentConfig()
    assert torch.equal(masked(config, [300, 200], 7), masked(config, [300, 200], 7))
    assert not torch.equal(masked(config, [300, 200], 7), masked(config, [300, 200], 8))
    assert not masked(SpecAugmentConfig(num_freq_masks=0, num_time_masks=0), [50]).any()


def test_time_warp_is_a_monotonic_map_that_keeps_ends_and_padding() -> None:
    ramp = torch.arange(100.0)[None, :, None].repeat(3, 1, 2)
    lens = torch.tensor([100, 60, 2])
    ramp = ramp * (torch.arange(100)[None] < lens[:, None])[..., None]
    config = SpecAugmentConfig(num_freq_masks=0, num_time_masks=0, time_warp=20)
    moved = []
    for seed in range(50):
        out = SpecAugment(config)(ramp, lens, torch.Generator().manual_seed(seed))
        for row, length in zip(out, lens.tolist(), strict=True):
            assert (row[:length].diff(dim=0) >= 0).all()
            assert float(row[0, 0]) == 0
            assert abs(float(row[length - 1, 0]) - (length - 1)) < 1e-3
            assert not row[length:].any()
        moved.append(float((out[0] - ramp[0]).abs().max()))
    assert max(moved) <= 20.001
    assert max(moved) > 10


def test_masks_out_of_range_are_refused() -> None:
    for changes in ({"num_time_masks": -1}, {"max_time_fraction": 1.5}, {"time_warp": -3}):
        with pytest.raises(ConfigError, match=r"specaugment\."):
            SpecAugmentConfig(**changes)

"""Noisy copies: the level that was asked for, the same for the same utterance, and marked as no
plain recording.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.perturbation import NoiseConfig, add_noise, add_reverberation, noisy_copy
from asr.errors import AsrError, ConfigError
from asr.speech.data.store import FeatureStore
from data_prep.prepare import prepare
from data_prep.store import Utterance

RATE = 16000
TONE = (0.3 * np.sin(np.arange(RATE) * 0.2)).astype(np.float32)


@pytest.fixture
def noises(tmp_path: Path) -> str:
    rng = np.random.default_rng(1)
    (tmp_path / "noises").mkdir()
    for i in range(3):
        soundfile.write(tmp_path / "noises" / f"{i}.wav", rng.normal(0, 0.05, 5000 + i), RATE)
    return str(tmp_path / "noises")


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
def test_the_ratio_is_what_was_asked_for(snr_db: float) -> None:
    noise = np.random.default_rng(0).normal(0, 3, 5000).astype(np.float32)
    added = add_noise(TONE, noise, snr_db) - TONE
    assert 10 * np.log10(np.mean(TONE**2) / np.mean(added**2)) == pytest.approx(snr_db, abs=1e-2)


def test_reverberation_decays_in_its_time_and_keeps_the_level() -> None:
    click = np.zeros(RATE, np.float32)
    click[0] = 1.0
    response = add_reverberation(click, RATE, 0.4, np.random.default_rng(0))
    assert np.mean(response**2) == pytest.approx(np.mean(click**2), rel=1e-3)
    energy = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1] / np.sum(
        response[1:].astype(np.float64) ** 2
    )
    fall = 10 * np.log10(energy[round(0.1 * RATE)] / energy[round(0.2 * RATE)])
    assert fall == pytest.approx(15, abs=2)  # 60 dB in 0.4 s
    assert (
        not response[round(0.41 * RATE) :].any()
        or np.abs(response[round(0.41 * RATE) :]).max() < 1e-6
    )


def test_a_copy_depends_on_utterance_and_number_alone(noises: str) -> None:
    config = NoiseConfig(noises)
    first = noisy_copy(TONE, RATE, config, "a", 0)
    assert np.array_equal(first, noisy_copy(TONE, RATE, config, "a", 0))
    assert not np.array_equal(first, noisy_copy(TONE, RATE, config, "a", 1))
    assert not np.array_equal(first, noisy_copy(TONE, RATE, config, "b", 0))
    assert first.dtype == np.float32
    assert first.shape == TONE.shape


def test_copies_in_the_store_are_no_plain_recordings(noises: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", TONE, RATE)
    utterances = [Utterance(f"u{i}", str(tmp_path / "a.wav"), "x", "s") for i in range(2)]
    splits = {"train": utterances, "dev": utterances}
    done = prepare(
        splits, tmp_path / "out", speeds=(0.9, 1.0), noise=NoiseConfig(noises, copies=2), jobs=1
    )
    train, dev = (FeatureStore.open(d.path) for d in done)
    assert list(train.ids)[:4] == ["u0-sp0.9", "u0", "u0-noise0", "u0-noise1"]
    assert train.speeds[:4].tolist() == pytest.approx([0.9, 1.0, 0.0, 0.0])
    assert train.sources.tolist() == [0] * 4 + [1] * 4
    assert list(dev.ids) == ["u0", "u1"]
    assert np.abs(train.features(1) - train.features(2)).mean() > 0.5
    assert np.abs(train.features(1) - dev.features(0)).max() == 0


def test_copies_at_several_speeds_with_noise_of_several_folders(tmp_path: Path) -> None:
    for number, frequency in enumerate((200, 3000)):
        (tmp_path / str(number)).mkdir()
        tone = 0.5 * np.sin(2 * np.pi * frequency * np.arange(RATE) / RATE)
        soundfile.write(tmp_path / str(number) / "tone.wav", tone, RATE)
    both = os.pathsep.join(str(tmp_path / str(n)) for n in range(2))
    config = NoiseConfig(both, reverb_share=0, snr_db_low=-20, snr_db_high=-20, speeds=(0.8, 1.25))
    copies = [noisy_copy(TONE, RATE, config, str(n), 0) for n in range(24)]
    lengths = [len(copy) / len(TONE) for copy in copies]
    assert {round(length, 2) for length in lengths} == {1.25, 0.8}
    peaks = {
        round(float(np.abs(np.fft.rfft(copy)).argmax()) * RATE / len(copy), -2) for copy in copies
    }
    assert peaks == {200, 3000}
    assert (noisy_copy(TONE, RATE, config, "7", 0) == copies[7]).all()


def test_noise_that_is_none(tmp_path: Path, noises: str) -> None:
    with pytest.raises(ConfigError, match="reverb_share"):
        NoiseConfig("", reverb_share=0.5)
    with pytest.raises(ConfigError, match="snr_db_high"):
        NoiseConfig(noises, snr_db_low=10, snr_db_high=5)
    (tmp_path / "none").mkdir()
    with pytest.raises(AsrError, match="no noise recordings"):
        noisy_copy(TONE, RATE, NoiseConfig(str(tmp_path / "none")), "a", 0)
    soundfile.write(tmp_path / "none" / "silence.wav", np.zeros(100), RATE)
    with pytest.raises(AsrError, match="silent|no noise"):
        noisy_copy(TONE, RATE, NoiseConfig(str(tmp_path / "none") + "/"), "a", 0)

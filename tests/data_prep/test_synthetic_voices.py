"""Speakers and noise of the synthetic corpus."""

from __future__ import annotations

import numpy as np
import pytest

from asr.errors import DataError
from data_prep import espeak
from data_prep.synthetic_voices import MEN, WOMEN, add_noise, choose_speakers, make_noise

pytest.importorskip("espeakng_loader")


def test_all_chosen_variants_exist_and_do_not_clip() -> None:
    assert {*MEN, *WOMEN} <= set(espeak.list_variants())
    peaks = [
        np.abs(espeak.speak("where is my book", variant=v).samples).max() for v in (*MEN, *WOMEN)
    ]
    assert max(peaks) < 0.99
    assert min(peaks) > 0.05


def test_dev_and_test_speak_in_unheard_voices() -> None:
    speakers = choose_speakers({"train": 24, "dev": 4, "test": 6}, seed=0)
    variants = {
        split: {s.variant for s in speakers if s.split == split}
        for split in ("train", "dev", "test")
    }
    assert [len(v) for v in variants.values()] == [24, 4, 6]
    assert len(set.union(*variants.values())) == 34
    assert len({s.id for s in speakers}) == 34
    assert {s.sex for s in speakers if s.split == "test"} == {"M", "F"}


def test_training_may_have_more_speakers_than_variants() -> None:
    speakers = choose_speakers({"train": 100, "dev": 4, "test": 6}, seed=0)
    heard = {s.variant for s in speakers if s.split == "train"}
    assert not heard & {s.variant for s in speakers if s.split != "train"}
    assert len({(s.voice, s.variant, s.speed_wpm, s.pitch) for s in speakers}) == 110


def test_too_many_unseen_speakers_are_refused() -> None:
    with pytest.raises(DataError, match="fewer than 43"):
        choose_speakers({"train": 1, "dev": 20, "test": 23}, seed=0)


@pytest.mark.parametrize("kind", ["white", "pink", "babble"])
def test_noise_has_the_asked_power(kind: str) -> None:
    rng = np.random.default_rng(0)
    speech = rng.standard_normal(16000, np.float32)
    noise = make_noise(kind, 16000, rng, rng.standard_normal(5000, np.float32))
    added = add_noise(speech, noise, 20.0) - speech
    assert 10 * np.log10((speech**2).mean() / (added**2).mean()) == pytest.approx(20.0, abs=0.1)


def test_pink_noise_falls_with_frequency() -> None:
    noise = make_noise("pink", 1 << 15, np.random.default_rng(0), np.zeros(1, np.float32))
    power = np.abs(np.fft.rfft(noise)) ** 2
    assert power[100:200].mean() / power[1000:2000].mean() == pytest.approx(10, rel=0.4)

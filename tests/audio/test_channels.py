"""Channels that agree, and those that would cancel."""

from __future__ import annotations

import numpy as np
import pytest

from asr.audio.channels import ChannelSelector
from asr.audio.reading import load_audio, open_recording

RATE = 16000
RNG = np.random.default_rng(0)
VOICE, OTHER = (RNG.normal(0, 0.1, 3 * RATE).astype(np.float32) for _ in range(2))


def mixed(*channels: np.ndarray) -> tuple[np.ndarray, list[str]]:
    with open_recording(np.stack(channels, axis=1), RATE) as recording:
        blocks = np.concatenate(list(recording.resampled(RATE, block_s=0.4)))
    whole = load_audio(np.stack(channels, axis=1), RATE, source_rate=RATE)
    assert np.allclose(blocks, whole.samples, atol=1e-6)
    assert recording.notes == list(whole.notes)
    return whole.samples, recording.notes


def test_channels_that_agree_are_averaged() -> None:
    for other in (VOICE, OTHER, 0 * VOICE, 0.5 * VOICE + 0.5 * OTHER, OTHER - 0.3 * VOICE):
        samples, notes = mixed(VOICE, other)
        assert np.allclose(samples, (VOICE + other) / 2, atol=1e-6)
        assert notes == []


@pytest.mark.parametrize("gain", [1.0, 0.9, 0.5])
def test_an_inverted_channel_is_turned_round(gain: float) -> None:
    samples, notes = mixed(VOICE, -gain * VOICE)
    assert np.allclose(samples, VOICE * (1 + gain) / 2, atol=1e-6)
    assert notes == ["channel 1 is the inverse of the loudest one: turned round for the mean"]


def test_three_channels_of_which_one_is_inverted() -> None:
    samples, notes = mixed(0.5 * VOICE, VOICE, -0.7 * VOICE)
    assert np.allclose(samples, VOICE * 2.2 / 3, atol=1e-6)
    assert notes[0].startswith("channel 2 is")


def test_a_few_samples_decide_nothing() -> None:
    select = ChannelSelector("mix", "a")
    few = np.stack([VOICE[:20], -VOICE[:20]], axis=1)
    assert not select(few).any()
    assert select.notes == []


def test_each_channel_by_itself_is_as_it_is() -> None:
    both = np.stack([VOICE, -VOICE], axis=1)
    assert np.array_equal(load_audio(both, RATE, 1, source_rate=RATE).samples, -VOICE)
    assert np.array_equal(load_audio(both, RATE, "all", source_rate=RATE).samples, both)

"""Speech found at borders of its own: the same alone and among others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from asr.audio.segmentation import Window, speech_windows
from asr.audio.trimming import speech_parts, trim, trimmed_windows
from asr.features.config import FeatureConfig
from asr.features.extraction import LogMel

RATE = 16000
Samples = npt.NDArray[np.float32]


def sentence(seed: int, seconds: float = 2.0, room: float = 1e-3, edge_s: float = 0.3) -> Samples:
    """Four syllables of a hum a second, in the noise of a room that goes on for ``edge_s`` before
    and after them.
    """
    rng = np.random.default_rng(seed)
    n, edge = round(seconds * RATE), round(edge_s * RATE)
    times = np.arange(n) / RATE
    hum = np.sin(2 * np.pi * rng.uniform(120, 400) * times) * np.maximum(
        0, np.sin(2 * np.pi * 4 * times)
    )
    speech = np.pad(0.3 * rng.uniform(0.5, 1) * hum, edge)
    return (speech + rng.normal(0, room, len(speech))).astype(np.float32)


def silence(seconds: float, level: float = 0.0) -> Samples:
    return np.random.default_rng(99).normal(0, level, round(seconds * RATE)).astype(np.float32)


def heard(recording: Samples) -> list[Window]:
    return list(trimmed_windows(speech_windows([recording], RATE), RATE))


@pytest.mark.parametrize(
    "gap", [silence(0.6), silence(1.3), silence(0.7, 1e-4)], ids=["short", "long", "noise"]
)
@pytest.mark.parametrize("edge_s", [0.05, 0.3])
def test_a_sentence_among_others_is_heard_as_alone(gap: Samples, edge_s: float) -> None:
    sentences = [sentence(seed, 1.5 + seed / 4, edge_s=edge_s) for seed in range(6)]
    joined = np.concatenate([part for s in sentences for part in (s, gap)])
    windows = heard(joined)
    alone = [list(trimmed_windows([Window(0, s)], RATE)) for s in sentences]
    assert [len(found) for found in alone] == [1] * 6
    assert len(windows) == 6
    begin = 0
    for window, (own,), each in zip(windows, alone, sentences, strict=True):
        assert np.array_equal(window.samples, own.samples)
        assert window.start == begin + own.start
        begin += len(each) + len(gap)


def test_parts_hold_the_speech_and_a_little_beside() -> None:
    recording = np.concatenate(
        [silence(1, 1e-3), sentence(1, edge_s=0), silence(2, 1e-3), sentence(2, edge_s=0)]
    )
    (a, b), (c, d) = speech_parts(recording, RATE)
    for found, true in ((a, RATE), (b, 3 * RATE), (c, 5 * RATE), (d, 7 * RATE)):
        assert abs(found - true) <= 0.14 * RATE
    ((begin, end),) = speech_parts(recording, RATE, split=False)
    assert begin == a
    assert abs(end - d) <= 0.02 * RATE  # the whole has other pauses than the part


def test_a_pause_for_breath_does_not_cut() -> None:
    recording = np.concatenate([sentence(1, edge_s=0), silence(0.3, 1e-3), sentence(2, edge_s=0)])
    assert len(speech_parts(recording, RATE)) == 1


def test_trimmed_features_are_of_the_speech_alone() -> None:
    said = sentence(3)
    longer = np.concatenate([silence(2), said, silence(3)])
    features = LogMel(FeatureConfig(trim=True)).extract(longer)
    assert np.array_equal(features, LogMel(FeatureConfig(trim=True)).extract(said))
    assert np.array_equal(features, LogMel(FeatureConfig()).extract(trim(said, RATE)))
    whole, _ = LogMel(FeatureConfig(trim=True))(
        torch.from_numpy(longer)[None], torch.tensor([len(longer)])
    )
    assert whole.shape[1] > len(features) + 400  # batches of samples are taken as they are


@pytest.mark.parametrize("place", [0, 100, 8000, 15900])
def test_a_click_in_silence_is_no_speech(place: int) -> None:
    click = np.zeros(RATE, np.float32)
    click[place : place + 100] = 0.5
    assert speech_parts(click, RATE) == []


@pytest.mark.parametrize(
    "recording",
    [
        np.zeros(0, np.float32),
        np.zeros(1, np.float32),
        np.zeros(RATE, np.float32),
        silence(1, 1e-6),
        sentence(0)[:900],
    ],
    ids=["empty", "sample", "zeros", "faint", "moment"],
)
def test_nothing_said_is_no_part_and_stays_whole_when_trimmed(recording: Samples) -> None:
    assert speech_parts(recording, RATE) == []
    assert list(trimmed_windows([Window(0, recording)], RATE)) == []
    assert len(trim(recording, RATE)) == len(recording) + 2 * round(0.15 * RATE)


def test_steady_sound_is_one_part() -> None:
    ((begin, end),) = speech_parts(silence(5, 0.1), RATE)
    assert end - begin > 4.9 * RATE


def test_windows_with_a_seam_stay_as_they_are() -> None:
    seams = [Window(0, sentence(1), goes_on=True), Window(500, sentence(2), before=160)]
    assert list(trimmed_windows(seams, RATE)) == seams

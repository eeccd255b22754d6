"""Where speech is said to be, against recordings made of noise bursts whose places are known."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.audio.segmentation import (
    SegmentationConfig,
    Window,
    frame_energies,
    percentiles,
    speech_windows,
)
from asr.errors import ConfigError

RATE = 16000
Samples = npt.NDArray[np.float32]


def bursts(
    spans: list[tuple[float, float]], total_s: float, background: float = 1e-3, seed: int = 0
) -> Samples:
    """Noise whose loudness wavers as that of syllables does, within ``spans`` of seconds, over
    quiet noise.
    """
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, background, int(total_s * RATE))
    for start, end in spans:
        t = np.arange(int((end - start) * RATE)) / RATE
        samples[int(start * RATE) :][: len(t)] += rng.normal(0, 0.1, len(t)) * (
            0.6 + 0.4 * np.sin(25 * t)
        )
    return samples.astype(np.float32)


def cut(samples: Samples, blocks: int = 5, **options: float) -> list[Window]:
    return list(
        speech_windows(np.array_split(samples, blocks), RATE, SegmentationConfig(**options))
    )


def seconds(windows: list[Window]) -> list[tuple[float, float]]:
    return [(w.start / RATE, w.stop / RATE) for w in windows]


def test_each_burst_is_a_window_with_its_padding() -> None:
    spans = [(1.0, 3.0), (5.0, 9.5), (20.0, 20.5), (21.5, 24.0)]
    found = seconds(cut(bursts(spans, 30.0)))
    assert len(found) == len(spans)
    for (start, end), (first, last) in zip(found, spans, strict=True):
        assert start == pytest.approx(first - 0.3, abs=0.05)
        assert end == pytest.approx(last + 0.3, abs=0.05)


def test_windows_do_not_depend_on_blocks() -> None:
    samples = bursts([(1.0, 40.0), (41.0, 44.0), (60.0, 61.0)], 70.0)
    expected = cut(samples, 1)
    for blocks in (3, 17, 700):
        found = cut(samples, blocks)
        assert [(w.start, w.stop, w.goes_on) for w in found] == [
            (w.start, w.stop, w.goes_on) for w in expected
        ]
        for window, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(window.samples, other.samples)


def test_windows_hold_the_samples_that_they_name() -> None:
    samples = bursts([(0.0, 75.0)], 80.0)
    windows = cut(samples)
    assert [w.goes_on for w in windows] == [True, True, False]
    for window in windows:
        expected = samples[window.start - window.before : window.stop + window.after]
        np.testing.assert_array_equal(window.samples, expected)
    for window, following in itertools.pairwise(windows):
        assert window.stop == following.start
        assert (window.stop - window.start) % 640 == 0
        assert window.after == following.before == round(2.56 * RATE)


def test_the_longer_a_window_the_shorter_the_pause_that_ends_it() -> None:
    spans = [(0.5 + 3.2 * i, 3.4 + 3.2 * i) for i in range(20)]  # pauses of 0.3 s
    windows = cut(bursts(spans, 66.0))
    assert not any(w.goes_on for w in windows)
    assert 18 < (windows[0].stop - windows[0].start) / RATE < 28


@pytest.mark.parametrize("background", [0.0, 1e-4, 1e-2])
def test_nothing_said_nothing_found(background: float) -> None:
    samples = bursts([(2.0, 6.0)], 60.0, background)
    assert len(cut(samples)) == 1
    assert cut(np.zeros(10 * RATE, np.float32)) == []


def test_steady_loud_sound_is_not_dropped() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 10 * RATE).astype(np.float32)
    (window,) = cut(noise)
    assert len(window.samples) == len(noise)


def test_noise_that_grows() -> None:
    spans = [(5.0 * i + 1, 5.0 * i + 4) for i in range(12)]
    quiet, loud = (
        bursts(spans[:6], 30.0, 1e-4),
        bursts([(s - 30, e - 30) for s, e in spans[6:]], 30.0, 1e-2),
    )
    found = seconds(cut(np.concatenate([quiet, loud])))
    for start, end in spans:
        assert any(s <= start + 0.05 and e >= end - 0.05 for s, e in found), (start, end)


def test_degenerate_recordings() -> None:
    assert cut(np.zeros(0, np.float32), 1) == []
    assert list(speech_windows([], RATE)) == []
    for count in (1, 159, 161):
        assert sum(len(w.samples) for w in cut(np.full(count, 0.5, np.float32), 1)) in (0, count)
    with pytest.raises(ConfigError, match="max_window_s"):
        SegmentationConfig(max_window_s=0)


def test_energies_are_those_of_each_frame() -> None:
    samples = bursts([(0.0, 1.0)], 1.0)
    whole = frame_energies(samples, 160)
    half = frame_energies(samples[8000:], 160, float(samples[7999]))
    np.testing.assert_array_equal(whole[50:], half)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101, 1000])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_percentile_is_that_of_numpy(count: int, kind: type[np.floating]) -> None:
    values = np.random.default_rng(count).normal(size=count).astype(kind)
    percents = 0, 10, 50, 97, 100
    expected = np.percentile(values, percents)
    np.testing.assert_allclose(percentiles(values, *percents), expected, rtol=1e-6, atol=1e-6)


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.floats(0.05, 12), st.floats(0.05, 3)), min_size=1, max_size=12),
    st.integers(0, 99),
)
def test_no_burst_is_lost_and_no_sample_stands_twice(
    parts: list[tuple[float, float]], seed: int
) -> None:
    place, spans = 0.5, []
    for length, pause in parts:
        spans.append((place, place + length))
        place += length + pause
    windows = cut(bursts(spans, place + 1, seed=seed), 1 + seed, max_window_s=8.0, context_s=1.28)
    for window, following in itertools.pairwise(windows):
        assert window.stop <= following.start
        assert window.goes_on is False or window.stop == following.start
    covered = np.zeros(int((place + 2) * 100), bool)
    for window in windows:
        assert window.stop - window.start <= 8.1 * RATE
        covered[window.start // 160 : -(-window.stop // 160)] = True
    for start, end in spans:
        assert covered[int(start * 100) + 3 : int(end * 100) - 3].all()

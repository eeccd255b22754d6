"""Quiet recordings are raised, others are left as they are; clipping is said."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from asr.audio.level import HOLD_S, Clipping, LevelledBlocks, LiveLevel, levelled
from asr.audio.segmentation import frame_energies

RATE = 16000


def speech(seconds: float, peak_db: float, seed: int = 0) -> npt.NDArray[np.float32]:
    """Noise in syllables, four a second, with pauses between."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    envelope = np.maximum(0, np.sin(2 * np.pi * 4 * time)) + 1e-3
    samples = rng.normal(0, 1, len(time)) * envelope
    return (samples / np.abs(samples).max() * 10 ** (peak_db / 20)).astype(np.float32)


def loud_db(samples: npt.NDArray[np.float32]) -> float:
    return float(np.sort(frame_energies(samples, RATE // 100))[-50])


def in_blocks(samples: npt.NDArray[np.float32], seconds: float) -> list[npt.NDArray[np.float32]]:
    size = round(seconds * RATE)
    return [samples[i : i + size] for i in range(0, len(samples), size)]


@pytest.mark.parametrize("peak_db", [0, -6, -20, -28])
def test_usual_levels_are_left_to_the_bit(peak_db: float) -> None:
    samples = speech(5, peak_db)
    assert levelled(samples, RATE) is samples
    blocks = LevelledBlocks(in_blocks(samples, 1), RATE)
    assert np.array_equal(np.concatenate(list(blocks)), samples)
    assert blocks.notes == []


@pytest.mark.parametrize("peak_db", [-46, -54, -60])
def test_quiet_speech_is_raised_to_one_level(peak_db: float) -> None:
    raised = levelled(speech(5, peak_db), RATE)
    assert loud_db(raised) == pytest.approx(-35, abs=0.5)
    assert np.allclose(raised, levelled(speech(5, peak_db - 3), RATE), atol=1e-3)
    blocks = LevelledBlocks(in_blocks(speech(5, peak_db), 1), RATE)
    assert np.allclose(np.concatenate(list(blocks)), raised, rtol=0.05, atol=1e-3)
    assert blocks.notes[0].startswith(f"quiet (its peak is at {peak_db} dB): raised by")


def test_sixteen_bits_are_enough_for_54_db() -> None:
    coarse = np.round(speech(5, -54) * 32768).astype(np.int16).astype(np.float32) / 32768
    assert loud_db(levelled(coarse, RATE)) == pytest.approx(-35, abs=0.5)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE, np.float32),
        np.zeros(0, np.float32),
        np.zeros(3, np.float32),
        np.random.default_rng(0).normal(0, 1e-4, 5 * RATE).astype(np.float32),
        np.random.default_rng(0).integers(-1, 2, 5 * RATE).astype(np.float32) / 32768,
    ],
)
def test_silence_and_steady_noise_are_not_raised(samples: npt.NDArray[np.float32]) -> None:
    assert levelled(samples, RATE) is samples
    assert list(LevelledBlocks([samples], RATE)) == [samples] or len(samples) != 1


def test_a_click_does_not_hide_quiet_speech() -> None:
    samples = speech(5, -50)
    samples[30000:30050] = 0.9
    assert loud_db(levelled(samples, RATE)) == pytest.approx(-35, abs=0.5)


def test_channels_keep_their_ratio() -> None:
    both = np.stack([speech(5, -46), speech(5, -70, seed=1)], axis=1)
    raised = levelled(both, RATE)
    factor = raised[:, 0].max() / both[:, 0].max()
    assert factor > 10
    assert np.allclose(raised, both * factor, rtol=1e-5)


def test_a_quiet_beginning_waits_for_the_rest() -> None:
    samples = np.concatenate([speech(60, -60), speech(10, -10)])
    blocks = LevelledBlocks(in_blocks(samples, 30), RATE)
    assert np.array_equal(np.concatenate(list(blocks)), samples)
    assert blocks.notes == []


def test_the_factor_falls_where_a_long_quiet_recording_gets_loud() -> None:
    quiet = np.tile(speech(30, -60), round(HOLD_S / 30) + 1)
    samples = np.concatenate([quiet, speech(30, -10), speech(30, -60)])
    raised = np.concatenate(list(LevelledBlocks(in_blocks(samples, 30), RATE)))
    assert loud_db(raised[: len(quiet)]) == pytest.approx(-35, abs=0.5)
    assert np.array_equal(raised[len(quiet) :], samples[len(quiet) :])


def test_clipping_is_counted() -> None:
    samples = 1.2 * np.sin(np.arange(5 * RATE) * 0.05).astype(np.float32)
    clipping = Clipping()
    for block in in_blocks(np.clip(samples, -1, 1)[:, None], 0.7):
        clipping.add(block)
    share = float((np.abs(samples) > 1).mean())
    assert 0.8 * share < clipping.clipped / clipping.count <= share
    assert clipping.notes[0].startswith("clipped: ")


@pytest.mark.parametrize("scale", [1.0, 0.3, 1e-3])
def test_what_is_not_clipped(scale: float) -> None:
    tone = np.sin(np.arange(5 * RATE) * 0.01)
    for samples in (speech(5, 0), tone, np.round(tone * 3) / 32768):
        clipping = Clipping()
        clipping.add((samples * scale).astype(np.float32)[:, None])
        assert clipping.notes == []


def live(samples: npt.NDArray[np.float32], seconds: float) -> npt.NDArray[np.float32]:
    """Return samples (n,) after they were pushed through LiveLevel in chunks."""
    level = LiveLevel(RATE)
    return np.concatenate([level.push(piece) for piece in in_blocks(samples, seconds)])


@pytest.mark.parametrize("peak_db", [0, -6, -20, -28])
def test_a_stream_of_usual_level_is_left_to_the_bit(peak_db: float) -> None:
    samples = speech(5, peak_db)
    assert np.array_equal(live(samples, 0.05), samples)


@pytest.mark.parametrize("peak_db", [-46, -54, -60])
def test_a_quiet_stream_is_raised_within_a_second(peak_db: float) -> None:
    raised = live(speech(6, peak_db), 0.05)
    at_most = min(-35.0, loud_db(speech(6, peak_db)) + 25)
    assert loud_db(raised[RATE:]) == pytest.approx(at_most, abs=2)


@pytest.mark.parametrize("seconds", [0.0007, 0.1, 0.333, 20])
def test_the_pieces_of_a_stream_make_no_difference(seconds: float) -> None:
    samples = np.concatenate([speech(3, -54), speech(2, -3, seed=1), speech(3, -50, seed=2)])
    assert np.array_equal(live(samples, seconds), live(samples, 0.02))


def test_a_stream_that_becomes_loud_is_not_raised_any_more() -> None:
    loud = speech(3, -6, seed=1)
    raised = live(np.concatenate([speech(3, -54), loud]), 0.05)[3 * RATE :]
    assert np.array_equal(raised[RATE:], loud[RATE:])


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(5 * RATE, np.float32),
        np.random.default_rng(0).normal(0, 1e-4, 5 * RATE).astype(np.float32),
        np.random.default_rng(0).integers(-1, 2, 5 * RATE).astype(np.float32) / 32768,
    ],
)
def test_silence_and_steady_noise_of_a_stream_are_not_raised(
    samples: npt.NDArray[np.float32],
) -> None:
    assert np.array_equal(live(samples, 0.1), samples)

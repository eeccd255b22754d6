"""Blocks, channels and rates of recordings, whichever back end reads them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from asr.audio.arrays import ArrayRecording
from asr.audio.recording import Recording, Samples, resample
from asr.errors import AudioError

RATE = 8000
STEREO = np.random.default_rng(0).uniform(-0.5, 0.5, (3 * RATE + 7, 2)).astype(np.float32)


class Counted(ArrayRecording):
    """Counts how often it is decoded."""

    decodes = 0

    def decode(self, block_s: float) -> Iterator[Samples]:
        self.decodes += 1
        return super().decode(block_s)


class Headless(Recording):
    """A recording whose header does not say how long it is, and which is empty."""

    def decode(self, block_s: float) -> Iterator[Samples]:
        return iter(())


@pytest.mark.parametrize("rate", [8000, 16000, 11025])
@pytest.mark.parametrize("block_s", [0.4, 1.0, 10.0])
def test_all_channels_come_from_one_decode(rate: int, block_s: float) -> None:
    recording = Counted(STEREO, "stereo", RATE)
    together = np.concatenate(list(recording.resampled(rate, "all", block_s)))
    assert recording.decodes == 1
    for channel in range(2):
        apart = ArrayRecording(STEREO, "stereo", RATE).resampled(rate, channel, block_s)
        np.testing.assert_array_equal(together[:, channel], np.concatenate(list(apart)))
    # soxr, given the whole at once, is the oracle of the blocks.
    expected = STEREO if rate == RATE else resample(STEREO, RATE, rate)
    assert together.shape == expected.shape
    assert np.abs(together - expected).max() < 1e-4


def test_mix_is_the_mean_and_one_channel_stays_a_column_where_all_are_asked_for() -> None:
    (mixed,) = ArrayRecording(STEREO, "stereo", RATE).resampled(RATE)
    np.testing.assert_allclose(mixed, STEREO.mean(axis=1))
    (column,) = ArrayRecording(STEREO[:, 0], "mono", RATE).resampled(RATE, "all")
    np.testing.assert_array_equal(column, STEREO[:, :1])


def test_no_such_channel() -> None:
    for channel in (2, -1, "left"):
        with pytest.raises(AudioError, match="mono has channels 0 to 0, not"):
            list(ArrayRecording(STEREO[:, 0], "mono", RATE).resampled(RATE, channel))


def test_what_is_wrong_in_a_later_block_is_found() -> None:
    for value, problem in ((np.nan, "NaN"), (1e4, "reaches 10000")):
        samples = STEREO.copy()
        samples[-1, 1] = value
        blocks = ArrayRecording(samples, "odd", RATE).blocks(0.5)
        with pytest.raises(AudioError, match=problem):
            list(blocks)


def test_an_empty_recording() -> None:
    empty = Headless("nothing", sample_rate=RATE, channels=1, num_samples=None)
    assert empty.duration_s is None
    with pytest.raises(AudioError, match="nothing holds no samples"):
        list(empty.blocks())
    with pytest.raises(AudioError, match="nothing holds no samples"):
        empty.read()
    assert empty.read_stretch(0.0, 1.0).shape == (0, 1)

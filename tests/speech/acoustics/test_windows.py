"""What of a recording the network takes at once; windows give what the whole recording does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import RATE, noise, random_model

import asr
from asr.features.config import FeatureConfig
from asr.speech.acoustics.windows import LONG_S, RecordingReader


def reader(folder: Path, features: FeatureConfig | None = None) -> RecordingReader:
    return RecordingReader(asr.load_model(random_model(folder, features)).acoustics)


def test_windows_of_a_recording_give_what_the_whole_does(tmp_path: Path) -> None:
    network = reader(tmp_path / "m")
    for seconds in (30.5, 61.0, 58.6):
        assert network.is_long(int(seconds * RATE))
        blocks = np.array_split(noise(seconds), 7)
        stitched = np.concatenate(list(network.whole_log_probs(blocks)))
        (whole,) = network.acoustics.log_probs([noise(seconds)])
        assert stitched.shape == whole.shape
        assert np.abs(stitched - whole).max() < 30 * 0.02  # its logits are 30-fold


def test_a_short_recording_is_computed_whole(tmp_path: Path) -> None:
    network = reader(tmp_path / "m")
    assert not network.is_long(int(LONG_S * RATE))
    (whole,) = network.acoustics.log_probs([noise(2.0)])
    (part,) = network.whole_log_probs([noise(2.0)])
    np.testing.assert_array_equal(part, whole)


@pytest.mark.parametrize("trim", [False, True])
def test_a_model_of_trimmed_speech_hears_speech_alone(tmp_path: Path, trim: bool) -> None:
    network = reader(tmp_path / "m", FeatureConfig(trim=trim))
    pause, sound = np.zeros(RATE, np.float32), noise(1.0)
    recording = np.concatenate([pause, sound, pause, sound])
    parts = network.parts(recording)
    assert len(parts) == (2 if trim else 1)
    assert sum(len(part.samples) for part in parts) <= len(recording)
    both = network.channel_parts(np.stack([recording, pause.repeat(4)], axis=1))
    assert [part.channel for part in both] == ([0, 0] if trim else [0, 1])

"""Synthetic sound: its level, and its seed."""

from __future__ import annotations

import numpy as np

from asr.audio.synthetic import made_audio


def test_made_audio_is_bounded_and_keyed_by_its_seed() -> None:
    sound = made_audio(0.5, 16000, 3)
    assert sound.shape == (8000,)
    assert 0.2 < np.abs(sound).max() <= 0.31
    assert np.array_equal(sound, made_audio(0.5, 16000, 3))
    assert not np.array_equal(sound, made_audio(0.5, 16000, 4))

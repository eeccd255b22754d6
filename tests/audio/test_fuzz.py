"""Damaged recordings end in an AudioError or in sound, and change nothing of their neighbours."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest
from fuzzing import mutations, tries
from recordings import BROKEN, CONTAINERS, GOOD, RATE, SOUND_FILES, encode

from asr.audio.reading import load_audio, open_recording
from asr.errors import AudioError

LIMIT = 60 * RATE  # samples of a damaged file that are read
TONES = (0.3 * np.sin(np.arange(RATE) * 0.1) + 0.1 * np.sin(np.arange(RATE) * 0.37)).astype(
    np.float32
)


def read(data: bytes) -> int:
    """Read a file of unknown worth; return how many samples it gave."""
    count = 0
    with open_recording(data) as recording:
        for block in recording.resampled(RATE, block_s=5.0):
            assert block.dtype == np.float32
            assert block.ndim == 1
            assert np.isfinite(block).all()
            count += len(block)
            if count > LIMIT:
                break
    return count


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of PyAV's readers
@pytest.mark.parametrize("kind", [SOUND_FILES, CONTAINERS], ids=["sound files", "containers"])
def test_damaged_recordings(kind: dict[str, object]) -> None:
    seeds = [encode(TONES, name) for name in kind]
    unharmed = load_audio(seeds[0]).samples
    outcomes = {"read": 0, "refused": 0}
    for number, data in enumerate(mutations(seeds, tries())):
        try:
            outcomes["read" if read(data) else "refused"] += 1
        except AudioError:
            outcomes["refused"] += 1
        if number % 50 == 49:
            assert np.array_equal(load_audio(seeds[0]).samples, unharmed)
    print(outcomes)
    assert min(outcomes.values()) > 0
    gc.collect()


@pytest.mark.parametrize("name", GOOD)
def test_every_good_kind_is_whole(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(GOOD[name](TONES))
    audio = load_audio(tmp_path / name)
    assert audio.duration_s == pytest.approx(1.0, abs=0.15)
    spectrum = np.abs(np.fft.rfft(audio.samples[2000:14000] * np.hanning(12000)))
    assert spectrum.argmax() == pytest.approx(0.1 / (2 * np.pi) * 12000, abs=2)


@pytest.mark.parametrize("name", BROKEN)
def test_every_broken_kind_is_named(tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 3 * RATE).astype(np.float32)
    (tmp_path / name).write_bytes(BROKEN[name](noise))
    if name == "one sample.wav":  # is sound, but shorter than a frame: see the recogniser
        assert len(load_audio(tmp_path / name).samples) == 1
        return
    with pytest.raises(AudioError, match=name):
        load_audio(tmp_path / name)

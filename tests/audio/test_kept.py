from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio import kept
from asr.audio.kept import KeptRecording
from asr.audio.reading import load_audio, open_recording
from asr.errors import AudioError


@pytest.fixture
def stereo(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    rng = np.random.default_rng(0)
    soundfile.write(path, rng.uniform(-0.5, 0.5, (44100, 2)), 22050)
    return path


def read(recording: KeptRecording, rate: int = 16000, channel: str | int = "mix") -> np.ndarray:
    with open_recording(recording) as opened:
        return np.concatenate(list(opened.resampled(rate, channel, 0.3)))


def test_the_second_reading_decodes_nothing(stereo: Path) -> None:
    recording, expected = KeptRecording(stereo), load_audio(stereo, 16000).samples
    first = read(recording)
    assert first == pytest.approx(expected, abs=2e-4)
    stereo.unlink()
    assert (read(recording) == first).all()
    assert (recording.name, recording.channels, recording.sample_rate) == (str(stereo), 2, 22050)


def test_other_rates_and_channels_are_read_anew(stereo: Path) -> None:
    recording = KeptRecording(stereo)
    read(recording)
    for rate, channel in ((8000, "mix"), (16000, 1)):
        expected = load_audio(stereo, rate, channel).samples
        assert read(recording, rate, channel) == pytest.approx(expected, abs=2e-4)


def test_a_long_recording_is_not_kept(stereo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "KEPT_S", 1.0)
    recording = KeptRecording(stereo)
    assert (read(recording) == read(recording)).all()
    stereo.unlink()
    with pytest.raises(AudioError):
        read(recording)


def test_a_stream_is_read_again_from_its_beginning(
    stereo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "KEPT_S", 0.0)
    recording = KeptRecording(io.BytesIO(stereo.read_bytes()))
    assert (read(recording) == read(recording)).all()


def test_what_was_left_half_read_is_not_kept(stereo: Path) -> None:
    recording = KeptRecording(stereo)
    with open_recording(recording) as opened:
        next(iter(opened.resampled(16000, "mix", 0.3)))
    assert len(read(recording)) == 32000

"""Recordings of every kind, and everything that is none."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

from asr.audio.reading import audio_info, load_audio, open_recording
from asr.errors import AudioError

RATE = 16000
TONE = (0.5 * np.sin(np.arange(RATE) * 0.1)).astype(np.float32)


def resampled(source: Any, block_s: float = 30.0, channel: str | int = "mix") -> list[Any]:
    with open_recording(source) as recording:
        return list(recording.resampled(RATE, channel, block_s))


def write(path: Path, samples: npt.NDArray[Any] = TONE, rate: int = RATE, **how: Any) -> Path:
    soundfile.write(path, samples, rate, **how)
    return path


@pytest.mark.parametrize(
    ("name", "how", "tolerance"),
    [
        ("a.wav", {"subtype": "FLOAT"}, 0),
        ("a.wav", {"subtype": "PCM_24"}, 1e-6),
        ("a.flac", {}, 1e-4),
        ("a.wav", {"subtype": "PCM_U8"}, 1e-2),
        ("a.ogg", {}, 0.05),
        ("a.aiff", {}, 1e-4),
        ("a.mp3", {}, 0.1),
    ],
)
def test_every_format_gives_the_same_samples(
    tmp_path: Path, name: str, how: dict[str, Any], tolerance: float
) -> None:
    audio = load_audio(write(tmp_path / name, **how))
    assert audio.samples.dtype == np.float32
    assert audio.samples.shape == TONE.shape
    assert np.abs(audio.samples - TONE).max() <= tolerance
    assert audio.duration_s == 1.0


def test_path_bytes_file_and_array_agree(tmp_path: Path) -> None:
    path = write(tmp_path / "a.flac")
    expected = load_audio(path).samples
    with path.open("rb") as file:
        assert np.array_equal(load_audio(file).samples, expected)
    for source in (
        str(path),
        path.read_bytes(),
        bytearray(path.read_bytes()),
        io.BytesIO(path.read_bytes()),
    ):
        assert np.array_equal(load_audio(source).samples, expected)
    assert np.array_equal(load_audio(expected, source_rate=RATE).samples, expected)


def test_a_pipe_is_read(tmp_path: Path) -> None:

    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe:
        with os.fdopen(writing, "wb") as end:
            end.write(write(tmp_path / "a.wav").read_bytes())
        assert len(load_audio(pipe).samples) == RATE


def test_eight_kilohertz_stereo_of_24_bits(tmp_path: Path) -> None:
    both = np.stack([TONE[::2], np.zeros(RATE // 2, np.float32)], axis=1)
    path = write(tmp_path / "a.wav", both, 8000, subtype="PCM_24")
    audio = load_audio(path)
    assert (audio.source_rate, audio.source_channels, audio.sample_rate) == (8000, 2, RATE)
    assert np.abs(audio.samples[100:-100] - TONE[100:-100] / 2).max() < 1e-3
    assert load_audio(path, 8000, channel=1).is_silent
    assert load_audio(path, 8000, channel="all").samples.shape == (8000, 2)
    assert audio_info(path).duration_s == 1.0
    with pytest.raises(AudioError, match="channels 0 to 1, not 2"):
        load_audio(path, channel=2)


@pytest.mark.parametrize(
    ("source", "rate", "said"),
    [
        (np.zeros((2, 3, 4), np.float32), RATE, "3 dimensions"),
        (np.float32(1.0), RATE, "0 dimensions"),
        (np.zeros((2, 16000), np.float32), RATE, "transpose"),
        (np.zeros(0, np.float32), RATE, "no samples"),
        (np.zeros((0, 2), np.float32), RATE, "no samples"),
        (np.zeros((5, 0), np.float32), RATE, "no samples"),
        (np.array([0.0, np.nan], np.float32), RATE, "NaN"),
        (np.array([0.0, np.inf], np.float32), RATE, "NaN or infinite"),
        (np.zeros(9, bool), RATE, "bool"),
        (np.zeros(9, complex), RATE, "complex"),
        (np.zeros(9, np.int64), RATE, "int64"),
        (np.array(["a"]), RATE, "<U1"),
        (TONE * 32768, RATE, "Divide"),
        (TONE, None, "sample rate"),
        (TONE, 0, "sample rate"),
        (TONE, 10, "10 samples a second; read are 1000 to"),
        (TONE, 10**9, "samples a second"),
        (torch.zeros(9, requires_grad=True), RATE, "The Tensor is not an array"),
        (None, None, "NoneType"),
        (7, None, "of type int"),
        ([0.0], RATE, "of type list"),
        (b"", None, "no bytes"),
        (b"RIFF", None, "cannot be read"),
    ],
)
def test_what_is_no_recording_is_refused(source: Any, rate: int | None, said: str) -> None:
    with pytest.raises(AudioError, match=said):
        load_audio(source, source_rate=rate)


def test_missing_folder_empty_and_text(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for name in ("text.wav", "text.flac", "text.mp3", "text.raw", "text.txt"):
        (tmp_path / name).write_text("No sound in here.\n" * 50)
        with pytest.raises(AudioError, match=rf"text\.{name[5:]} cannot be read as audio"):
            load_audio(tmp_path / name)
    cases = {"none.wav": "no file", "": "folder", "empty.wav": "empty file"}
    for path, said in ((tmp_path / name, said) for name, said in cases.items()):
        for read in (load_audio, audio_info, resampled):
            with pytest.raises(AudioError, match=said):
                read(path)


def test_one_sample(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", TONE[:1])
    assert len(load_audio(path).samples) == 1
    with pytest.raises(AudioError, match="too short to resample"):
        load_audio(path, 4000)


def test_silence_is_known() -> None:
    assert load_audio(np.zeros(100, np.float32), source_rate=RATE).is_silent
    assert not load_audio(TONE, source_rate=RATE).is_silent


def test_nan_in_a_file(tmp_path: Path) -> None:
    samples = TONE.copy()
    samples[7] = np.nan
    with pytest.raises(AudioError, match="NaN"):
        load_audio(write(tmp_path / "a.wav", samples, subtype="FLOAT"))


@pytest.mark.parametrize("rate", [16000, 8000, 44100])
def test_blocks_add_up_to_the_whole(tmp_path: Path, rate: int) -> None:
    rng = np.random.default_rng(0)
    path = write(tmp_path / "a.flac", rng.uniform(-0.5, 0.5, (rate * 3 + 7, 2)), rate)
    whole = load_audio(path).samples
    for block_s in (0.4, 1.0, 10.0):
        blocks = np.concatenate(resampled(path, block_s))
        assert blocks.shape == whole.shape
        assert np.abs(blocks - whole).max() < 1e-4


class Stream(io.RawIOBase):
    """What a socket is: it can be read once, and in no other order."""

    def __init__(self, content: bytes) -> None:
        self.rest = content

    def read(self, size: int = -1) -> bytes:
        block, self.rest = self.rest[:size], self.rest[size:]
        return block


def test_a_stream_is_copied_to_a_file_that_goes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asr.audio.reading.SPOOL_BYTES", 1000)  # the rest goes to the disk
    data = write(tmp_path / "a.flac").read_bytes()
    with open_recording(Stream(data)) as recording:
        assert np.array_equal(recording.read()[:, 0], load_audio(data).samples)
        copy = recording._copy
    assert copy is not None
    assert copy.closed
    with pytest.raises(AudioError, match="The Stream holds no bytes"):
        load_audio(Stream(b""))


def test_text_files_are_refused(tmp_path: Path) -> None:
    with (
        write(tmp_path / "a.wav").open(encoding="latin-1") as file,
        pytest.raises(AudioError, match="open as text"),
    ):
        load_audio(file)


def test_an_open_recording_is_a_source() -> None:
    with open_recording(np.stack([TONE, -TONE], axis=1), RATE) as recording:
        assert open_recording(recording) is recording
        assert load_audio(recording, channel=1).samples.tolist() == (-TONE).tolist()

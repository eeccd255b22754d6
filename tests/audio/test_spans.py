"""Several recordings in one file, and lengths that programs leave on a pipe."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from asr.audio.reading import audio_info, load_audio, open_recording, read_stretch
from asr.audio.spans import spans_of
from asr.errors import AudioError

RATE = 16000
RNG = np.random.default_rng(0)
FIRST, SECOND = (RNG.uniform(-0.5, 0.5, RATE).astype(np.float32) for _ in range(2))


def encoded(samples: npt.NDArray[Any], rate: int = RATE, **how: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, **how)
    return buffer.getvalue()


def wav(data_size: int, samples: npt.NDArray[Any] = FIRST, riff_size: int | None = None) -> bytes:
    """A WAV of 16 bits whose header says ``data_size`` bytes."""
    sound = (samples * 32767).astype("<i2").tobytes()
    riff_size = data_size + 36 if riff_size is None else riff_size
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", riff_size % 2**32, b"WAVE", b"fmt ", 16, 1, 1,
                         RATE, 2 * RATE, 2, 16)  # fmt: skip
    return header + struct.pack("<4sI", b"data", data_size) + sound


@pytest.mark.parametrize(
    "size",
    [0x7FFFF000, 0x7FFFF024, 2_000_000_000, 1_000_000_000, 0xFFFFFFFF, 0xFFFFFFFF - 36, 0x80000000],
)
def test_lengths_of_pipes(tmp_path: Path, size: int) -> None:
    (tmp_path / "a.wav").write_bytes(wav(size))
    expected = load_audio(wav(2 * RATE)).samples
    for source in (tmp_path / "a.wav", wav(size)):
        audio = load_audio(source)
        assert np.array_equal(audio.samples, expected)
        assert audio.notes == ("its header does not give its length; all that follows was read",)
    assert audio_info(tmp_path / "a.wav").num_samples == RATE
    assert np.array_equal(read_stretch(tmp_path / "a.wav", 0.5)[0][:, 0], expected[RATE // 2 :])


@pytest.mark.parametrize("riff_size", [36, 0, 0xFFFFFFFF, None])
def test_a_crashed_recorder_left_the_length_zero(riff_size: int | None) -> None:
    audio = load_audio(wav(0, riff_size=riff_size))
    assert np.array_equal(audio.samples, load_audio(wav(2 * RATE)).samples)
    assert audio.notes


def test_an_empty_recording_with_tags_behind_it_stays_empty() -> None:
    tags = b"LIST" + struct.pack("<I", 8) + b"INFOabcd"
    with pytest.raises(AudioError, match="no samples"):
        load_audio(wav(0, FIRST[:0]) + tags)


@pytest.mark.parametrize("size", [64_000_001, 1_380_000_123])
def test_a_recording_that_was_cut_off_is_no_pipe(size: int) -> None:
    with pytest.raises(AudioError, match="cut off"):
        load_audio(wav(size))


@pytest.mark.parametrize(
    ("how", "exact"),
    [
        ({"format": "FLAC"}, True),
        ({"format": "WAV"}, True),
        ({"format": "WAV", "subtype": "GSM610"}, False),
        ({"format": "AIFF"}, True),
        ({"format": "OGG", "subtype": "VORBIS"}, False),
        ({"format": "OGG", "subtype": "OPUS"}, False),
        ({"format": "MP3"}, False),
    ],
)
def test_recordings_one_after_another(tmp_path: Path, how: dict[str, str], exact: bool) -> None:
    first, second = encoded(FIRST, **how), encoded(SECOND, **how)
    parts = [load_audio(part).samples for part in (first, second, first)]
    whole = np.concatenate(parts)
    (tmp_path / "a.wav").write_bytes(first + second + first)
    for source in (tmp_path / "a.wav", first + second + first, io.BytesIO(first + second + first)):
        assert np.array_equal(load_audio(source).samples, whole)
    with open_recording(first + second + first) as recording:
        blocks = list(recording.blocks(0.3))
    assert np.array_equal(np.concatenate(blocks)[:, 0], whole)
    assert audio_info(tmp_path / "a.wav").num_samples == len(whole)
    middle = read_stretch(tmp_path / "a.wav", 0.9, 1.4)[0][:, 0]
    assert np.array_equal(middle, whole[round(0.9 * RATE) : round(1.4 * RATE)])
    if exact:
        assert np.abs(whole[RATE : 2 * RATE] - SECOND).max() < 1e-4


def test_an_id3_tag_between_two_mp3() -> None:
    title = b"ID3\x04\0\0" + bytes([0, 0, 4, 0]) + b"T" * 512
    one = encoded(FIRST, format="MP3")
    assert len(load_audio(title + one + title + one).samples) == 2 * len(load_audio(one).samples)


def test_recordings_that_differ_are_refused() -> None:
    first, other = encoded(FIRST, format="FLAC"), encoded(SECOND, 8000, format="FLAC")
    with pytest.raises(AudioError, match="2 recordings.*16000 Hz.*8000 Hz|8000 Hz.*16000 Hz"):
        load_audio(first + other)


def test_the_second_of_two_may_be_cut_off() -> None:
    data = encoded(FIRST, format="FLAC") + encoded(SECOND, format="FLAC")[:5000]
    with pytest.raises(AudioError, match="cut off|cannot be read"):
        load_audio(data)


@pytest.mark.parametrize("how", [{"format": "FLAC"}, {"format": "MP3"}, {"format": "WAV"}])
def test_single_recordings_are_left_to_libsndfile(how: dict[str, str]) -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, 10 * RATE)
    file = io.BytesIO(encoded(noise, **how) + b"TAG" + bytes(125))
    assert spans_of(file) == []
    assert file.tell() == 0


@pytest.mark.parametrize(
    ("how", "rate"),
    [
        ({"format": "WAV", "subtype": "GSM610"}, 8000),
        ({"format": "AU", "subtype": "G721_32"}, 8000),
        ({"format": "AU", "subtype": "G723_24"}, 8000),
    ],
)
def test_formats_that_cannot_seek_give_their_stretches(
    tmp_path: Path, how: dict[str, str], rate: int
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(np.sin(np.arange(4 * rate) * 0.1) * 0.5, rate, **how))
    whole = load_audio(path, rate).samples
    samples, _ = read_stretch(path, 1.0, 2.5)
    assert np.array_equal(samples[:, 0], whole[rate : round(2.5 * rate)])
    assert len(whole) == pytest.approx(4 * rate, abs=400)

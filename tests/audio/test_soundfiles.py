"""Sound files that are cut off, and those that only look so."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from asr.audio.reading import audio_info, load_audio, open_recording, read_stretch
from asr.errors import AudioError

RATE = 16000
TONE = (0.5 * np.sin(np.arange(RATE) * 0.1)).astype(np.float32)


def resampled(source: Any, block_s: float = 30.0) -> list[Any]:
    with open_recording(source) as recording:
        return list(recording.resampled(RATE, block_s=block_s))


def write(path: Path, samples: npt.NDArray[Any] = TONE, rate: int = RATE, **how: Any) -> Path:
    soundfile.write(path, samples, rate, **how)
    return path


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.ogg", "a.mp3", "a.aiff", "a.au"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path: Path, name: str, share: float) -> None:
    path = write(tmp_path / name)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(AudioError, match=r"cut off|cannot be read|no samples"):
        load_audio(path)
    with pytest.raises(AudioError, match=r"cut off|cannot be read|no samples"):
        resampled(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_that_ends_within_a_page_is_refused(tmp_path: Path, subtype: str) -> None:
    whole = tmp_path / "a.ogg"
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000 * 20).astype(np.float32)
    soundfile.write(whole, noise, 16000, format="OGG", subtype=subtype)
    data = whole.read_bytes()
    assert data.count(b"OggS") > 4  # libsndfile reads the pages that are there
    assert len(load_audio(data).samples) == len(load_audio(whole).samples) == len(noise)
    for share in (0.1, 0.5, 0.95):
        cut = data[: int(len(data) * share)]
        with pytest.raises(AudioError, match=r"cut off: its last page.*Copy"):
            load_audio(cut)
        with pytest.raises(AudioError, match="cut off"):
            resampled(io.BytesIO(cut))
    pages = data.rindex(
        b"OggS"
    )  # between two pages: a recorder that was stopped; what there is is whole
    assert 16000 * 15 < len(load_audio(data[:pages]).samples) < len(noise)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_written_to_a_pipe_is_whole(tmp_path: Path, size: int) -> None:
    path = write(tmp_path / "a.wav")
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = size.to_bytes(4, "little")
    data[4:8] = size.to_bytes(4, "little")
    path.write_bytes(data)
    assert len(load_audio(path).samples) == RATE


def test_odd_chunks_are_not_taken_for_cut_off(tmp_path: Path) -> None:
    for count in (1, 3, 16001):
        path = write(tmp_path / "a.wav", np.resize(TONE, count), subtype="PCM_24")
        assert len(load_audio(path).samples) == count


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_flac_written_to_a_pipe_is_whole(tmp_path: Path, as_bytes: bool) -> None:
    path = write(tmp_path / "a.flac")
    expected = load_audio(path).samples
    data = bytearray(path.read_bytes())
    data[21] &= (
        0xF0  # STREAMINFO: 36 bits of samples, which a writer that cannot go back leaves at zero
    )
    data[22:26] = bytes(4)
    path.write_bytes(data)
    np.testing.assert_array_equal(load_audio(bytes(data) if as_bytes else path).samples, expected)
    blocks = resampled(io.BytesIO(data) if as_bytes else path, 0.1)
    np.testing.assert_array_equal(np.concatenate(blocks), expected)
    assert audio_info(path).num_samples == len(expected)
    np.testing.assert_array_equal(
        read_stretch(path, 0.1, 0.3)[0][:, 0], expected[RATE // 10 : 3 * RATE // 10]
    )

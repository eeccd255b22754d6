"""Recordings of every kind, and everything that is none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

from asr.audio.reading import audio_info, load_audio, open_recording, read_stretch
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
    import os
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
    ("dtype", "full", "zero"),
    [("uint8", 127, 128), ("int8", 127, 0), ("int16", 32767, 0), ("int32", 2**31 - 1, 0)],
)
def test_integers_are_scaled_by_their_range(dtype: str, full: int, zero: int) -> None:
    samples = (TONE.astype(np.float64) * full + zero).astype(dtype)
    assert np.abs(load_audio(samples, source_rate=RATE).samples - TONE).max() < 0.02
    lowest = np.full(10, np.iinfo(dtype).min, dtype)
    assert load_audio(lowest, source_rate=RATE).samples.tolist() == [-1.0] * 10


@pytest.mark.parametrize("dtype", [np.float16, np.float64, ">f4"])
def test_floats_of_any_width(dtype: Any) -> None:
    assert np.abs(load_audio(TONE.astype(dtype), source_rate=RATE).samples - TONE).max() < 1e-3


def test_arrays_that_are_strided_or_tensors() -> None:
    stereo = np.stack([TONE, TONE], axis=1)
    assert np.array_equal(load_audio(stereo[:, 0], source_rate=RATE).samples, TONE)
    assert np.array_equal(load_audio(stereo, source_rate=RATE).samples, TONE)
    assert np.array_equal(load_audio(torch.from_numpy(TONE), source_rate=RATE).samples, TONE)  # type: ignore[arg-type]


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
        (torch.zeros(9, requires_grad=True), RATE, "no array"),
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


def test_a_container_says_which_extra_reads_it(tmp_path: Path) -> None:
    try:
        import av  # noqa: F401
    except ModuleNotFoundError:
        from asr.errors import MissingDependencyError

        (tmp_path / "a.m4a").write_bytes(b"\0" * 100)
        with pytest.raises(MissingDependencyError, match=r"asr\[media\]"):
            load_audio(tmp_path / "a.m4a")


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

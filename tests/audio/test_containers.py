"""Containers that PyAV reads, by their names and by their first bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from asr.audio.reading import audio_info, load_audio, open_recording
from asr.errors import AudioError

RATE = 48000


def write(path: Path, samples: npt.NDArray[np.float32]) -> Path:
    """Encode samples (n, 2) at 48 kHz."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus" if path.suffix == ".webm" else "aac", rate=RATE)
        stream.layout = "stereo"
        planes = np.ascontiguousarray(samples.T)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def stereo() -> npt.NDArray[np.float32]:
    tone = np.sin(np.arange(RATE * 3) * 0.1)
    return np.stack([0.5 * tone, 0 * tone], axis=1).astype(np.float32)


@pytest.mark.parametrize("name", ["a.m4a", "a.webm", "a.mp4"])
def test_blocks_are_the_whole_and_sound_like_what_was_encoded(
    tmp_path: Path, name: str, stereo: Any
) -> None:
    path = write(tmp_path / name, stereo)
    info = audio_info(path)
    assert (info.sample_rate, info.channels) == (RATE, 2)
    assert info.duration_s == pytest.approx(3.0, abs=0.1)
    with open_recording(path) as recording:
        blocks = list(recording.blocks(0.5))
    assert len(blocks) > 4
    whole = load_audio(path, RATE, "all").samples
    assert np.array_equal(np.concatenate(blocks), whole)
    level = np.sqrt(np.mean(np.square(whole[RATE : 2 * RATE]), axis=0))
    assert level == pytest.approx([0.5 / np.sqrt(2), 0.0], abs=0.02)


def test_bytes_files_and_other_names_give_the_same(tmp_path: Path, stereo: Any) -> None:
    path = write(tmp_path / "a.m4a", stereo)
    expected = load_audio(path).samples
    data = path.read_bytes()
    (tmp_path / "a.wav").write_bytes(data)  # what it is tell its first bytes
    for source in (data, io.BytesIO(data), tmp_path / "a.wav"):
        assert np.array_equal(load_audio(source).samples, expected)


def test_cut_off_in_its_header(tmp_path: Path, stereo: Any) -> None:
    path = write(tmp_path / "a.m4a", stereo)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AudioError, match="no readable sound"):
        load_audio(path)


def test_pictures_alone_are_no_sound(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 16
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(AudioError, match="no readable sound.*no audio stream"):
        load_audio(tmp_path / "a.mp4")


def test_a_container_says_which_extra_reads_it(tmp_path: Path) -> None:
    try:
        import av  # noqa: F401
    except ModuleNotFoundError:
        from asr.errors import MissingDependencyError

        (tmp_path / "a.m4a").write_bytes(b"\0" * 100)
        with pytest.raises(MissingDependencyError, match=r"asr\[media\]"):
            load_audio(tmp_path / "a.m4a")

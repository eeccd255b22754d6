"""Containers that PyAV reads, by their names and by their first bytes."""

from __future__ import annotations

import io
import os
import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from asr.audio.reading import audio_info, load_audio, open_recording, read_stretch
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


def encode(
    samples: npt.NDArray[np.float32],
    *,
    times: tuple[tuple[float, float, float], ...] = ((0.0, 0.0, 3.0),),
    format: str = "matroska",
    codec: str = "aac",
    title: str = "",
) -> bytes:
    """Encode stretches of samples (n, 2) at 48 kHz.

    Args:
        samples: the sound.
        times: of each stretch: where it lies by the clock of the file, and from when to when it is
            taken from the samples, in seconds.
        format: FFmpeg's name of the container.
        codec: of the sound.
        title: of the recording.
    """
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format=format) as container:
        container.metadata["title"] = title
        stream = container.add_stream(codec, rate=RATE)
        stream.layout = "stereo"
        planes = np.ascontiguousarray(samples.T)
        for clock, begin, end in times:
            for first in range(round(begin * RATE), round(end * RATE), 1024):
                last = min(first + 1024, round(end * RATE))
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(planes[:, first:last]), format="fltp", layout="stereo"
                )
                frame.sample_rate = RATE
                frame.pts = round(clock * RATE) + first - round(begin * RATE)
                container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@pytest.mark.parametrize("format", ["matroska", "mov", "flv", "mpegts", "asf"])
def test_other_containers(stereo: Any, format: str) -> None:
    codec = "libmp3lame" if format == "flv" else "aac"
    data = encode(stereo, format=format, codec=codec)
    if format == "mpegts":  # is not asked for: its one sign is a letter G every 188 bytes
        with pytest.raises(AudioError, match="cannot be read"):
            load_audio(data)
        return
    audio = load_audio(data, RATE, "all")
    assert audio.duration_s == pytest.approx(3.0, abs=0.1)
    assert audio.start_s == 0


@pytest.mark.parametrize("format", ["matroska", "mov"])
def test_sound_that_begins_later_than_the_clock(tmp_path: Path, stereo: Any, format: str) -> None:
    (tmp_path / "late.mkv").write_bytes(encode(stereo, times=((5.0, 0.0, 3.0),), format=format))
    audio = load_audio(tmp_path / "late.mkv", RATE)
    assert audio.start_s == pytest.approx(5.0, abs=0.05)
    assert audio.duration_s == pytest.approx(3.0, abs=0.1)  # no silence is put before
    info = audio_info(tmp_path / "late.mkv")
    assert (info.num_samples, info.start_s) == (len(audio.samples), audio.start_s)
    part, _ = read_stretch(tmp_path / "late.mkv", 6.0, 7.0)  # by the clock of the file
    first = RATE - round((audio.start_s - 5.0) * RATE)
    assert np.array_equal(part.mean(axis=1), audio.samples[first : first + RATE])
    assert len(read_stretch(tmp_path / "late.mkv", 0.0, 4.0)[0]) == 0


def test_a_hole_in_the_sound_keeps_the_clock(stereo: Any) -> None:
    audio = load_audio(encode(stereo, times=((0.0, 0.0, 1.0), (3.0, 1.0, 2.0))), RATE)
    assert audio.duration_s == pytest.approx(4.0, abs=0.1)
    assert not audio.samples[round(1.2 * RATE) : round(2.8 * RATE)].any()
    assert np.abs(audio.samples[round(3.2 * RATE) : round(3.8 * RATE)]).max() > 0.2
    assert len(audio.notes) == 1
    lacking, before = re.findall(r"[0-9.]+", audio.notes[0])
    assert (float(lacking), float(before)) == (pytest.approx(2, abs=0.1), pytest.approx(3, abs=0.1))


def test_a_clock_that_leaps_for_hours_is_refused(stereo: Any) -> None:
    with pytest.raises(AudioError, match="lacks 7.*by its clock"):
        load_audio(encode(stereo, times=((0.0, 0.0, 1.0), (7200.0, 1.0, 2.0))))


def test_a_title_that_is_no_utf_8(stereo: Any) -> None:
    data = encode(stereo, format="mov", title="Cafe brule xx")
    for damaged in (data, data.replace(b"Cafe brule", b"Caf\xe9 br\xfbl\xe9")):
        assert load_audio(damaged).duration_s == pytest.approx(3.0, abs=0.1)


def test_a_stream_without_places(stereo: Any) -> None:
    data = encode(stereo, format="mov")
    with os.fdopen(_pipe(data), "rb") as pipe, open_recording(pipe) as recording:
        samples = recording.read()
    assert np.array_equal(samples, load_audio(data, RATE, "all").samples)


def _pipe(data: bytes) -> int:
    reading, writing = os.pipe()

    def feed() -> None:
        with os.fdopen(writing, "wb") as end:
            end.write(data)

    threading.Thread(target=feed, daemon=True).start()
    return reading


def test_a_named_pipe_and_devices(tmp_path: Path, stereo: Any) -> None:
    data = encode(stereo, format="mov")
    place = f"/dev/fd/{(pipe := _pipe(data))}"  # as a shell makes of <(command)
    if not Path("/dev/fd").is_dir():
        pytest.skip("no /dev/fd here")
    assert np.array_equal(load_audio(place).samples, load_audio(data).samples)
    os.close(pipe)
    with pytest.raises(AudioError, match="is a device"):
        load_audio("/dev/zero")


@pytest.mark.parametrize("format", ["matroska", "mov"])
@pytest.mark.parametrize("share", [0.5, 0.8])
def test_cut_off_in_its_sound(stereo: Any, format: str, share: float) -> None:
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (10 * RATE, 2)).astype(np.float32)
    data = encode(noise, times=((0.0, 0.0, 10.0),), format=format)
    assert load_audio(data).duration_s == pytest.approx(10.0, abs=0.1)
    with pytest.raises(AudioError, match="cut off|no readable sound"):
        load_audio(data[: int(len(data) * share)])


def test_a_playlist_under_the_name_of_a_film_is_not_followed(tmp_path: Path, stereo: Any) -> None:
    (tmp_path / "sound.aac").write_bytes(encode(stereo, format="adts"))
    assert load_audio(tmp_path / "sound.aac").duration_s > 2
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nsound.aac\n#EXT-X-ENDLIST\n"
    for name in ("a.m4a", "a.mp4", "a.m3u8"):
        (tmp_path / name).write_text(playlist)
        with pytest.raises(AudioError, match="cannot be read"):
            load_audio(tmp_path / name)


def test_wav_under_the_name_of_a_film(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(RATE), RATE)
    (tmp_path / "a.m4a").write_bytes((tmp_path / "a.wav").read_bytes())
    assert load_audio(tmp_path / "a.m4a").duration_s == 1.0


def test_names_that_ffmpeg_would_take_for_addresses(tmp_path: Path, stereo: Any) -> None:
    data = encode(stereo, format="mov")
    for name in ("http:x.m4a", "concat:a|b.m4a", "caf\udce9.m4a"):
        (tmp_path / name).write_bytes(data)
        assert load_audio(tmp_path / name).duration_s > 2


def test_a_container_says_which_extra_reads_it(tmp_path: Path) -> None:
    try:
        import av  # noqa: F401
    except ModuleNotFoundError:
        from asr.errors import MissingDependencyError

        (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftyp" + b"\0" * 100)
        with pytest.raises(MissingDependencyError, match=r"asr\[media\]"):
            load_audio(tmp_path / "a.m4a")

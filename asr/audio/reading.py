"""The door for audio: any recording, opened by :func:`open_recording`, and what is read of it.

A recording is a path, an address in a tar shard, bytes, an open file (seekable or not), an array,
or an open :class:`Recording`; nobody outside of here asks which. Legend: n samples.
"""

from __future__ import annotations

import io
import logging
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.audio.arrays import ArrayRecording
from asr.audio.channels import ChannelSelector
from asr.audio.containers import HEADER_BYTES, MEDIA_SUFFIXES, ContainerRecording, media_format
from asr.audio.recording import Recording, Samples, resample
from asr.audio.shar import open_member
from asr.audio.soundfiles import SOUND_SUFFIXES, SoundFileRecording
from asr.errors import AudioError

__all__ = [
    "AUDIO_SUFFIXES",
    "Audio",
    "AudioInfo",
    "Recording",
    "Source",
    "audio_info",
    "load_audio",
    "load_stretch",
    "open_recording",
    "read_stretch",
    "resample",
    "spool",
]

AUDIO_SUFFIXES = SOUND_SUFFIXES | MEDIA_SUFFIXES
SILENCE = 3e-5  # -90 dB of full scale
SPOOL_BYTES = 64 << 20  # of a stream are kept in memory; what is longer goes to a temporary file
SPOOL_BLOCK = 1 << 20

logger = logging.getLogger(__name__)

Source: TypeAlias = Any
"""What :func:`open_recording` opens."""


@dataclass(frozen=True)
class Audio:
    """Samples in [-1, 1] and where they come from.

    Attributes:
        samples: (n,) float32, or (n, channels) where all channels were asked for.
        sample_rate: in Hz.
        name: of the source.
        source_rate: before mixing and resampling.
        source_channels: before mixing and resampling.
        start_s: time of the first sample by the clock of the file, in seconds.
        notes: what is to be said about the recording, a sentence each.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int
    name: str
    source_rate: int
    source_channels: int
    start_s: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def is_silent(self) -> bool:
        """Whether every sample is as good as zero (below -90 dB of full scale)."""
        return bool(np.abs(self.samples).max(initial=0.0) < SILENCE)


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says.

    Attributes:
        sample_rate: in Hz.
        num_samples: of a channel.
        channels: number of them.
        start_s: time of the first sample by the clock of the file, in seconds.
    """

    sample_rate: int
    num_samples: int
    channels: int
    start_s: float = 0.0

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate


def open_recording(source: Source, sample_rate: int | None = None) -> Recording:
    """Return an open recording; close it, or use it in a ``with`` statement.

    Args:
        source: path, address in a tar shard, bytes, open binary file, samples (n,) or
            (n, channels), or an open recording, which is returned as it is. A stream that cannot
            seek is copied first: to memory, and past 64 MB to a temporary file.
        sample_rate: of ``source`` in Hz where it is an array.

    Raises:
        AudioError: the source is missing, empty, damaged, or no audio.
        MissingDependencyError: m4a, mp4 or webm without the extra ``media``.

    Example:
        >>> import numpy as np
        >>> with open_recording(np.zeros((8000, 2), np.float32), 8000) as recording:
        ...     recording.channels, recording.duration_s
        (2, 1.0)
    """
    if isinstance(source, Recording):
        return source
    name = _name(source)
    if isinstance(source, (str, os.PathLike)):
        member = open_member(name)
        return _open_path(Path(source)) if member is None else _open_file(member, name)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _open_file(io.BytesIO(source), name)
    if hasattr(source, "read"):
        can_seek: Callable[[], bool] = getattr(source, "seekable", lambda: True)
        return _open_file(source, name) if can_seek() else _open_stream(source, name)
    if hasattr(source, "__array__"):
        return ArrayRecording(source, name, sample_rate)
    raise AudioError(
        f"A recording cannot be of type {type(source).__name__}.",
        "Give a path, bytes, a file or an array.",
    )


def load_audio(
    source: Source,
    sample_rate: int = 16000,
    channel: str | int = "mix",
    source_rate: int | None = None,
) -> Audio:
    """Return a recording as float32 samples at ``sample_rate``.

    Args:
        source: see :func:`open_recording`.
        sample_rate: wanted, in Hz.
        channel: ``mix`` (mean of the channels), a channel's number, or ``all``.
        source_rate: of ``source`` where it is an array, in Hz.

    Raises:
        AudioError: the source is missing, empty, damaged, no audio, holds NaN, or has no such
            channel.
        MissingDependencyError: m4a, mp4 or webm without the extra ``media``.

    Example:
        >>> import numpy as np
        >>> load_audio(np.zeros(8000, np.float32), 16000, source_rate=8000).samples.shape
        (16000,)
    """
    with open_recording(source, source_rate) as recording:
        samples, rate, name = recording.read(), recording.sample_rate, recording.name
        start_s, notes = recording.start_s, recording.notes
    select = ChannelSelector(channel, name)
    chosen = select(samples)
    if channel == "mix" and samples.shape[1] > 1:
        logger.info("%s: mean of its %d channels", name, samples.shape[1])
    if rate != sample_rate:
        logger.info("%s: resampled from %d to %d Hz", name, rate, sample_rate)
        chosen = resample(chosen, rate, sample_rate)
        if not len(chosen):
            raise AudioError(
                f"{name} is too short to resample ({len(samples)} samples).", "Leave it out."
            )
    contiguous = np.ascontiguousarray(chosen, np.float32)
    return Audio(
        contiguous,
        sample_rate,
        name,
        source_rate=rate,
        source_channels=samples.shape[1],
        start_s=start_s,
        notes=(*notes, *select.notes),
    )


def load_stretch(
    path: str | Path,
    start_s: float,
    duration_s: float,
    sample_rate: int = 16000,
    channel: str | int = "mix",
) -> Samples:
    """Return samples (n,) of a stretch of a recording: the mean of its channels, or one of them.

    No more of the file than that is read, where its format allows.

    Raises:
        AudioError: as :func:`load_audio`, or the recording ends before the stretch begins.
    """
    samples, rate = read_stretch(path, start_s, start_s + duration_s)
    if not len(samples):
        raise AudioError(f"{path} ends before {start_s:.2f} s.", "Prepare the corpus again.")
    return load_audio(samples, sample_rate, channel, source_rate=rate).samples


def read_stretch(
    path: str | Path, start_s: float = 0.0, end_s: float | None = None
) -> tuple[Samples, int]:
    """Return samples (n, channels) of a stretch of a recording, and the rate in Hz.

    Args:
        path: file, or address of a recording in a shard.
        start_s: of the stretch; where the recording ends before, there are no samples.
        end_s: of the stretch; None is the end of the recording.

    Raises:
        AudioError: the recording is missing, empty, damaged or no audio.
    """
    with open_recording(path) as recording:
        return recording.read_stretch(start_s, end_s), recording.sample_rate


def audio_info(path: str | Path) -> AudioInfo:
    """Return what the header of a sound file says; only where it has no length, samples are read.

    Raises:
        AudioError: the file is missing, empty or no audio.
        MissingDependencyError: m4a, mp4 or webm without the extra ``media``.
    """
    with open_recording(path) as recording:
        count = recording.num_samples
        if count is None:
            count = sum(len(block) for block in recording.blocks())
        return AudioInfo(recording.sample_rate, count, recording.channels, recording.start_s)


class _Spool(tempfile.SpooledTemporaryFile):  # type: ignore[type-arg]
    """A copy of a stream, under the stream's name."""

    def __init__(self, name: str) -> None:
        super().__init__(SPOOL_BYTES)
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def seekable(self) -> bool:  # Python 3.10 lacks it
        return True

    def seek(self, *place: int) -> int:  # and tells nobody where it is then, which PyAV asks
        super().seek(*place)
        return self.tell()


def spool(stream: Any, name: str) -> Any:
    """Return an open file with the rest of a binary stream: in memory, and past 64 MB in a
    temporary file that goes when it is closed.

    Args:
        stream: open for reading.
        name: of the new file, in messages.

    Raises:
        AudioError: the stream breaks off, or there is no room.
    """
    copy = _Spool(name)
    try:
        while block := stream.read(SPOOL_BLOCK):
            copy.write(block)
    except OSError as error:  # the stream has broken off, or the disk is full
        copy.close()
        raise AudioError(
            f"{name} cannot be read ({error.strerror or error}).",
            f"If the disk is full, free some space in {tempfile.gettempdir()}.",
        ) from error
    copy.seek(0)
    return copy


def _name(source: object) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    in_memory = isinstance(source, (io.BytesIO, bytes, bytearray, memoryview))
    kind = "recording" if in_memory else type(source).__name__
    return str(getattr(source, "name", None) or f"The {kind}")


def _open_path(path: Path) -> Recording:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise _no_file(path, error) from error
    if stat.S_ISDIR(mode):
        raise AudioError(f"{path} is a folder, not a recording.", "Give a file.")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        raise AudioError(f"{path} is a device, not a recording.", "Give a file or a pipe.")
    try:
        if stat.S_ISREG(mode):
            return _open_regular(path)
        with path.open("rb") as pipe:  # such as /dev/fd/63, which a shell makes of <(command)
            return _open_stream(pipe, str(path))
    except OSError as error:
        raise _no_file(path, error) from error


def _no_file(path: Path, error: Exception) -> AudioError:
    if isinstance(error, FileNotFoundError):
        return AudioError(f"There is no file {path}.", "Check the path.")
    reason = getattr(error, "strerror", None) or error
    return AudioError(f"{path} cannot be read ({reason}).", "Check the path and its permissions.")


def _open_regular(path: Path) -> Recording:
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if not header:
        raise AudioError(f"{path} is an empty file.", "Record or copy it again.")
    return _open_back_end(str(path), str(path), header)


def _open_back_end(source: Any, name: str, header: bytes) -> Recording:
    container = media_format(header)
    if container is None and header[:3] == b"ID3" and name.lower().endswith(".aac"):
        container = "aac"  # a tag comes first, as it may in MP3
    if container is None:
        return SoundFileRecording(source, name)
    return ContainerRecording(source, name, container)


def _open_stream(stream: Any, name: str) -> Recording:
    copy = spool(stream, name)
    try:
        recording = _open_file(copy, name)
    except BaseException:
        copy.close()
        raise
    recording.close_with(copy)
    return recording


def _open_file(file: Any, name: str) -> Recording:
    place = file.tell()
    header = file.read(HEADER_BYTES)
    file.seek(place)
    if not header:
        raise AudioError(f"{name} holds no bytes.", "Record or copy it again.")
    if not isinstance(header, bytes):
        raise AudioError(f"{name} is open as text.", "Open it in binary mode: open(path, 'rb').")
    return _open_back_end(file, name, header)

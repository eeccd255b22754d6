"""Sound in m4a, mp4, webm and other containers, read by PyAV (the extra ``media``). n samples.

The first bytes tell what a file is, not its name. Its own clock counts: where the sound begins
later than the pictures, the recording has a ``start_s``, and silence fills a hole in the sound.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.audio.recording import Recording, Samples
from asr.audio.spans import Span, opened_binary
from asr.errors import AudioError, require

__all__ = ["HEADER_BYTES", "MEDIA_SUFFIXES", "ContainerRecording", "media_format"]

MPEG_SUFFIXES = {".m4a", ".mp4", ".aac", ".mov", ".3gp"}
MEDIA_SUFFIXES = MPEG_SUFFIXES | {".webm", ".mkv", ".mka", ".wma", ".amr"}
HEADER_BYTES = 12
# Place, bytes, FFmpeg's name of the format. Only these are opened: FFmpeg would also take a
# playlist and read the files that it names.
SIGNATURES = (
    (4, b"ftyp", "mov"),
    (4, b"moov", "mov"),
    (4, b"wide", "mov"),
    (4, b"mdat", "mov"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "asf"),
    (0, b"#!AMR", "amr"),
    (0, b"FLV\x01", "flv"),
    (8, b"AVI ", "avi"),
    *((0, bytes([0xFF, second]), "aac") for second in (0xF0, 0xF1, 0xF8, 0xF9)),
)
KNOWS_LENGTH = {"mov", "matroska"}  # formats whose header has a length that can be relied on
HOLE_S = 0.25  # of missing sound: below, timestamps are merely rounded or drift
LONGEST_HOLE_S = 3600.0
SHARE, SLACK_S = 0.98, 0.15  # of the length in the header, which may only be estimated
TIMESTAMPS_JUMP = 0x0200  # FFmpeg's flag of formats such as MPEG-TS, whose clock begins anywhere

Planes = npt.NDArray[np.float32]


def media_format(header: bytes) -> str | None:
    """Return FFmpeg's name of the container that begins with these :data:`HEADER_BYTES`; None where
    it is none that PyAV is asked to read.
    """
    for place, signature, name in SIGNATURES:
        if header[place : place + len(signature)] == signature:
            return name
    return None


class ContainerRecording(Recording):
    """The first audio stream of a container.

    Args:
        source: path, or open binary file that can seek.
        name: in messages.
        format: see :func:`media_format`.

    Raises:
        AudioError: the file holds no readable sound.
        MissingDependencyError: the extra ``media`` is not installed.
    """

    def __init__(self, source: Any, name: str, format: str) -> None:
        self._av = require("av", "media")
        # What PyAV raises: FFmpeg's errors, and its own where a file contradicts itself.
        self._errors = (self._av.FFmpegError, ValueError, OverflowError, RuntimeError, TypeError)
        self._format, self._seconds = format, 0.0
        with contextlib.ExitStack() as opened:
            self._open(source, name, opened)
            shape = self._first.sample_rate, self._first.layout.nb_channels
            super().__init__(name, sample_rate=shape[0], channels=shape[1], num_samples=None)
            self._opened = opened.pop_all()
        self.start_s = self._begin()

    def _open(self, source: Any, name: str, opened: contextlib.ExitStack) -> None:
        # A path is opened here: FFmpeg would take "a:b.m4a" for an address, and knows UTF-8 alone.
        file = opened.enter_context(opened_binary(source))
        place = file.tell()
        # A view, since PyAV misreads temporary files, which can be written to, and closes its file.
        view = Span(place, file.seek(0, io.SEEK_END)).open(file)
        try:
            self._container = opened.enter_context(
                self._av.open(view, format=self._format, metadata_errors="replace")
            )
            if not self._container.streams.audio:
                raise _unreadable(name, "it has no audio stream")
            self._stream = self._container.streams.audio[0]
            self._frames = self._container.decode(self._stream)
            self._first: Any = next(self._frames, None)
        except self._errors as error:
            raise _unreadable(name, error) from error
        if self._first is None or self._first.sample_rate <= 0:
            raise _unreadable(name, "its audio stream is empty")

    def _begin(self) -> float:
        base = 0.0
        if self._container.format.flags & TIMESTAMPS_JUMP:
            base = (self._container.start_time or 0) / self._av.time_base
        start = (self._first.time or 0.0) - base
        return round(start, 6) if start > HOLE_S else 0.0

    @property
    def duration_s(self) -> float | None:
        """Length in seconds, as the header says; None where it does not."""
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        audio_alone = len(self._container.streams) == 1
        if self._container.duration and audio_alone:
            return max(0.0, float(self._container.duration / self._av.time_base) - self.start_s)
        return None

    def close(self) -> None:
        self._opened.close()
        super().close()

    def decode(self, block_s: float) -> Iterator[Samples]:
        size, planes, count = max(1, int(block_s * self.sample_rate)), list[Planes](), 0
        try:
            for part in self._planes():
                planes.append(part)
                count += part.shape[1]
                if count >= size:
                    yield np.concatenate(planes, axis=1).T
                    planes, count = [], 0
        except self._errors as error:
            raise _unreadable(self.name, error) from error
        if planes:
            yield np.concatenate(planes, axis=1).T
        self._check_length()

    def _planes(self) -> Iterator[Planes]:
        """Yield the sound as planes (channels, n), silence where the clock says that some is
        missing.
        """
        layout, origin = self._first.layout.name, self._first.time
        resampler: Any = None
        before, position = None, 0
        for frame in self._all_frames():
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if shape != before:  # frames of whatever format become planes of float32
                if resampler is not None:
                    yield from (part := _arrays(resampler.resample(None)))
                    position += sum(array.shape[1] for array in part)
                resampler = self._av.AudioResampler("fltp", layout, self.sample_rate)
                before = shape
            if frame.time is not None and origin is not None:
                late = frame.time - origin - position / self.sample_rate
                if late > HOLE_S:
                    hole = self._hole(frame.time - origin + self.start_s, late)
                    position += hole.shape[1]
                    yield hole
                elif late < -HOLE_S:  # the clock was set back: a new recording follows
                    origin += late
            yield from (part := _arrays(resampler.resample(frame)))
            position += sum(array.shape[1] for array in part)
        if resampler is not None:
            yield from (part := _arrays(resampler.resample(None)))
            position += sum(array.shape[1] for array in part)
        self._seconds = position / self.sample_rate

    def _all_frames(self) -> Iterator[Any]:
        yield self._first
        yield from self._frames

    def _hole(self, end_s: float, late_s: float) -> Planes:
        if late_s > LONGEST_HOLE_S:
            raise AudioError(
                f"{self.name} lacks {late_s:.0f} s of sound before {end_s:.0f} s, by its clock.",
                "Cut it there.",
            )
        self.notes.append(f"{late_s:.2f} s of sound are missing before {end_s:.2f} s")
        return np.zeros((self.channels, round(late_s * self.sample_rate)), np.float32)

    def _check_length(self) -> None:
        expected = self.duration_s if self._format in KNOWS_LENGTH else None
        if expected is not None and self._seconds < expected * SHARE - SLACK_S:
            raise AudioError(
                f"{self.name} is cut off: its header says {expected:.1f} s, {self._seconds:.1f} s "
                "are there.",
                "Copy the file again.",
            )


def _arrays(frames: list[Any]) -> list[Planes]:
    return [frame.to_ndarray() for frame in frames]


def _unreadable(name: str, error: object) -> AudioError:
    return AudioError(f"{name} holds no readable sound ({error}).", "Convert it to WAV or FLAC.")

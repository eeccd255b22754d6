"""Sound in m4a, mp4, webm and other containers, read by PyAV (the extra ``media``). n samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from asr.audio.recording import Recording, Samples
from asr.errors import AudioError, require

__all__ = ["MEDIA_SUFFIXES", "ContainerRecording", "is_container"]

MEDIA_SUFFIXES = {".m4a", ".mp4", ".webm", ".aac", ".mkv", ".mov"}
HEADER_BYTES = 12


def is_container(header: bytes) -> bool:
    """Return whether a file that starts with these :data:`HEADER_BYTES` is MP4, Matroska (webm) or
    raw AAC.
    """
    return (
        header[4:8] == b"ftyp"
        or header[:4] == b"\x1a\x45\xdf\xa3"
        or header[:2] in (b"\xff\xf1", b"\xff\xf9")
    )


class ContainerRecording(Recording):
    """The first audio stream of a container.

    Args:
        source: path, or open binary file.
        name: in messages.

    Raises:
        AudioError: the file holds no readable sound.
        MissingDependencyError: the extra ``media`` is not installed.
    """

    def __init__(self, source: Any, name: str) -> None:
        self._av = require("av", "media")
        try:
            self._container = self._av.open(source)
        except self._av.FFmpegError as error:
            raise _unreadable(name, error) from error
        if not self._container.streams.audio:
            self._container.close()
            raise _unreadable(name, "it has no audio stream")
        self._stream = self._container.streams.audio[0]
        rate, channels = int(self._stream.rate), int(self._stream.channels)
        count = round(self._seconds() * rate) or None
        super().__init__(name, sample_rate=rate, channels=channels, num_samples=count)

    def _seconds(self) -> float:
        if self._stream.duration:
            return float(self._stream.duration * self._stream.time_base)
        return float((self._container.duration or 0) / self._av.time_base)

    def close(self) -> None:
        self._container.close()
        super().close()

    def decode(self, block_s: float) -> Iterator[Samples]:
        # Frames of a few hundred samples, in whatever format, become planes of float32.
        resampler = self._av.AudioResampler(format="fltp", rate=self.sample_rate)
        size, frames, count = max(1, int(block_s * self.sample_rate)), list[Any](), 0
        try:
            for decoded in self._container.decode(self._stream):
                for frame in resampler.resample(decoded):
                    frames.append(frame.to_ndarray())
                    count += frame.samples
                if count >= size:
                    yield np.concatenate(frames, axis=1).T
                    frames, count = [], 0
        except self._av.FFmpegError as error:
            raise _unreadable(self.name, error) from error
        if frames:
            yield np.concatenate(frames, axis=1).T


def _unreadable(name: str, error: object) -> AudioError:
    return AudioError(f"{name} holds no readable sound ({error}).", "Convert it to WAV or FLAC.")

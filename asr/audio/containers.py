"""Sound in m4a, mp4, webm and other containers, through PyAV (the extra ``media``). n samples."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import AudioError, require

__all__ = ["MEDIA_SUFFIXES", "is_media", "iter_media", "media_info", "read_media"]

MEDIA_SUFFIXES = {".m4a", ".mp4", ".webm", ".aac", ".mkv", ".mov"}
HEADER_BYTES = 12


def is_media(header: bytes) -> bool:
    """Return whether the first :data:`HEADER_BYTES` of a file are those of MP4, Matroska (webm) or
    raw AAC.
    """
    return (
        header[4:8] == b"ftyp"
        or header[:4] == b"\x1a\x45\xdf\xa3"
        or header[:2] in (b"\xff\xf1", b"\xff\xf9")
    )


@contextmanager
def _opened(source: Any, name: str) -> Iterator[tuple[Any, Any, Any]]:
    av = require("av", "media")
    try:
        with av.open(source) as container:
            yield av, container, container.streams.audio[0]
    except (av.FFmpegError, IndexError) as error:
        raise AudioError(
            f"{name} holds no readable sound ({error}).", "Convert it to WAV or FLAC."
        ) from error


def media_info(source: Any, name: str) -> tuple[int, int, int]:
    """Return sample rate, channels, and samples of a channel as the container says (0: it does
    not).

    Raises:
        AudioError: no readable sound. MissingDependencyError: without the extra ``media``.
    """
    with _opened(source, name) as (_, container, stream):
        rate = int(stream.rate)
        seconds = (
            float(stream.duration * stream.time_base)
            if stream.duration
            else (container.duration or 0) / 1e6
        )
        return rate, int(stream.channels), round(seconds * rate)


def iter_media(source: Any, name: str, block_s: float = 30.0) -> Iterator[npt.NDArray[np.float32]]:
    """Yield blocks (n, channels) of about ``block_s`` seconds at the sound's own rate, see
    :func:`media_info`.

    Raises:
        AudioError: no readable sound. MissingDependencyError: without the extra ``media``.
    """
    with _opened(source, name) as (av, container, stream):
        resampler = av.AudioResampler(format="fltp", rate=stream.rate)
        size, frames, count = max(1, int(block_s * stream.rate)), list[Any](), 0
        for decoded in container.decode(stream):
            for frame in resampler.resample(decoded):
                frames.append(frame.to_ndarray())
                count += frame.samples
            if count >= size:
                yield np.concatenate(frames, axis=1).T
                frames, count = [], 0
        if frames:
            yield np.concatenate(frames, axis=1).T


def read_media(source: Any, name: str) -> tuple[npt.NDArray[np.float32], int]:
    """Return samples (n, channels) and their rate; see :func:`iter_media`."""
    rate = media_info(source, name)[0]
    if hasattr(source, "seek"):
        source.seek(0)
    blocks = list(iter_media(source, name))
    return np.concatenate(blocks) if blocks else np.zeros((0, 1), np.float32), rate

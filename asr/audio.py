"""Any recording -> float32 samples at the rate that is asked for; what was changed on the way is said."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import soundfile

from asr.errors import AudioError, require

__all__ = ["AUDIO_SUFFIXES", "Audio", "AudioInfo", "audio_info", "iter_audio_blocks", "load_audio", "resample"]

MEDIA_SUFFIXES = {".m4a", ".mp4", ".webm", ".aac", ".mkv", ".mov"}
AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".w64"} | MEDIA_SUFFIXES

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Audio:
    """Samples in [-1, 1] and where they come from.

    Attributes:
        samples: (n,) float32, or (n, channels) where all channels were asked for. sample_rate: in Hz.
        name: of the source. source_rate, source_channels: before mixing and resampling.
    """

    samples: npt.NDArray[np.float32]
    sample_rate: int
    name: str
    source_rate: int
    source_channels: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate

    @property
    def is_silent(self) -> bool:
        """Whether every sample is as good as zero (below -90 dB of full scale)."""
        return bool(np.abs(self.samples).max(initial=0.0) < 3e-5)


@dataclass(frozen=True)
class AudioInfo:
    """What a file's header says."""

    sample_rate: int
    num_samples: int
    channels: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate


def load_audio(
    source: str | Path | bytes | BinaryIO | npt.NDArray[Any],
    sample_rate: int = 16000,
    channel: str | int = "mix",
    source_rate: int | None = None,
) -> Audio:
    """Return a recording as float32 samples at ``sample_rate``.

    Args:
        source: path, bytes or open binary file of an encoded recording, or samples (n,) or (n, channels).
        sample_rate: wanted, in Hz. channel: ``mix`` (mean of the channels), a channel's number, or ``all``.
        source_rate: of ``source`` where it is an array, in Hz.

    Raises:
        AudioError: the source is missing, empty, damaged, no audio, holds NaN, or has no such channel.
        MissingDependencyError: m4a, mp4 or webm without the extra ``media``.

    Example:
        >>> import numpy as np
        >>> load_audio(np.zeros(8000, np.float32), 16000, source_rate=8000).samples.shape
        (16000,)
    """
    name = _name(source)
    samples, rate = _read(source, name, source_rate)
    if samples.ndim != 2:
        raise AudioError(f"{name} is an array of {samples.ndim} dimensions.", "Give samples (n,) or (n, channels).")
    if not len(samples):
        raise AudioError(f"{name} holds no samples.", "Record it again, or leave it out.")
    if not np.isfinite(samples).all():
        raise AudioError(f"{name} holds NaN or infinite samples.", "Write the file again from its source.")
    channels = samples.shape[1]
    chosen = _choose(samples, channel, name)
    if rate != sample_rate:
        logger.info("%s: resampled from %d to %d Hz", name, rate, sample_rate)
        chosen = resample(chosen, rate, sample_rate)
    return Audio(np.ascontiguousarray(chosen, np.float32), sample_rate, name, rate, channels)


def resample(samples: npt.NDArray[np.float32], from_rate: float, to_rate: float) -> npt.NDArray[np.float32]:
    """Return samples (n,) or (n, channels) at another rate (soxr, high quality)."""
    import soxr

    resampled: npt.NDArray[np.float32] = soxr.resample(samples, from_rate, to_rate)
    return resampled


def _name(source: object) -> str:
    if isinstance(source, (str, Path)):
        return str(source)
    return str(getattr(source, "name", "")) or f"<{type(source).__name__}>"


def _read(source: Any, name: str, source_rate: int | None) -> tuple[npt.NDArray[np.float32], int]:
    if isinstance(source, np.ndarray) or (hasattr(source, "__array__") and not isinstance(source, (str, bytes))):
        return _from_array(np.asarray(source), name, source_rate)
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    if isinstance(source, (str, Path)):
        _check_path(Path(source))
        if Path(source).suffix.lower() in MEDIA_SUFFIXES:
            return _read_media(source, name)
    try:
        with soundfile.SoundFile(source) as file:
            expected, rate = len(file), file.samplerate
            samples = file.read(dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        raise AudioError(
            f"{name} cannot be read as audio ({str(error).rstrip('.')}).",
            "Known: WAV, FLAC, OGG, OPUS, MP3, AIFF; m4a, mp4 and webm with pip install 'asr[media]'.",
        ) from error
    if len(samples) < expected and expected < 2**62:
        raise AudioError(
            f"{name} is cut off: its header says {expected} samples, {len(samples)} are there.", "Copy the file again."
        )
    return samples, rate


def _from_array(samples: npt.NDArray[Any], name: str, rate: int | None) -> tuple[npt.NDArray[np.float32], int]:
    if rate is None or rate <= 0:
        raise AudioError("Samples came without their sample rate.", "Give sample_rate=, in Hz.")
    if samples.dtype.kind in "iu":
        samples = samples.astype(np.float32) / np.iinfo(samples.dtype).max
    elif samples.dtype.kind != "f":
        raise AudioError(f"{name} holds {samples.dtype}, not numbers.", "Give float samples in [-1, 1] or integers.")
    return samples.astype(np.float32, copy=False).reshape(len(samples), -1) if samples.ndim == 1 else samples, rate


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise AudioError(f"{path} is a folder, not a recording.", "Give a file.")
    if not path.is_file():
        raise AudioError(f"There is no file {path}.", "Check the path.")
    if not path.stat().st_size:
        raise AudioError(f"{path} is an empty file.", "Record or copy it again.")


def _read_media(source: str | Path, name: str) -> tuple[npt.NDArray[np.float32], int]:
    av = require("av", "media")
    try:
        with av.open(str(source)) as container:
            stream = container.streams.audio[0]
            blocks = [frame.to_ndarray() for frame in _planar_floats(av, container, stream)]
            rate = int(stream.rate)
    except (av.FFmpegError, IndexError) as error:
        raise AudioError(f"{name} holds no readable sound ({error}).", "Convert it to WAV or FLAC.") from error
    return np.concatenate(blocks, axis=1).T if blocks else np.zeros((0, 1), np.float32), rate


def _planar_floats(av: Any, container: Any, stream: Any) -> Iterator[Any]:
    resampler = av.AudioResampler(format="fltp", rate=stream.rate)
    for frame in container.decode(stream):
        yield from resampler.resample(frame)


def _choose(samples: npt.NDArray[np.float32], channel: str | int, name: str) -> npt.NDArray[np.float32]:
    channels = samples.shape[1]
    if channel == "all":
        return samples
    if channel == "mix":
        if channels > 1:
            logger.info("%s: mean of its %d channels", name, channels)
        mixed: npt.NDArray[np.float32] = samples[:, 0] if channels == 1 else samples.mean(axis=1)
        return mixed
    if not isinstance(channel, int) or not 0 <= channel < channels:
        raise AudioError(f"{name} has channels 0 to {channels - 1}, not {channel!r}.", "Give a number, mix, or all.")
    return samples[:, channel]


def audio_info(path: str | Path) -> AudioInfo:
    """Return what the header of a sound file says, without reading its samples.

    Raises:
        AudioError: the file is missing, empty or no audio.
    """
    _check_path(Path(path))
    try:
        info = soundfile.info(str(path))
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{path} cannot be read as audio ({str(error).rstrip('.')}).", "Convert it to WAV or FLAC."
        ) from error
    return AudioInfo(info.samplerate, info.frames, info.channels)


def iter_audio_blocks(
    path: str | Path, block_s: float = 30.0, sample_rate: int = 16000
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield a long recording as mono blocks (n,) float32 at ``sample_rate``, in bounded memory.

    Raises:
        AudioError: the file is missing, empty or no audio.
    """
    import soxr

    info = audio_info(path)
    resampler = soxr.ResampleStream(info.sample_rate, sample_rate, 1, dtype="float32")
    with soundfile.SoundFile(str(path)) as file:
        while len(block := file.read(int(block_s * info.sample_rate), dtype="float32", always_2d=True)):
            last = file.tell() >= info.num_samples
            mono = block.mean(axis=1)
            yield mono if info.sample_rate == sample_rate else resampler.resample_chunk(mono, last=last)

"""Any recording -> float32 samples at the rate that is asked for; what was changed on the way is said."""

from __future__ import annotations

import io
import logging
import re
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

SILENCE = 3e-5  # -90 dB of full scale
MAX_CHANNELS = 64
MAX_PEAK = 100.0  # float recordings may pass 1, but integers that were never scaled go far beyond
CUT_OFF = re.compile(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
PLACEHOLDER_SIZE = 0x7FFFFF00  # what writers to a pipe leave in the header
SLOPPY_BYTES = 64  # some writers count their header as sound

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
        return bool(np.abs(self.samples).max(initial=0.0) < SILENCE)


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
    _check_samples(samples, name)
    channels = samples.shape[1]
    chosen = _choose(samples, channel, name)
    if rate != sample_rate:
        logger.info("%s: resampled from %d to %d Hz", name, rate, sample_rate)
        chosen = resample(chosen, rate, sample_rate)
        if not len(chosen):
            raise AudioError(f"{name} is too short to resample ({len(samples)} samples).", "Leave it out.")
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


def _check_samples(samples: npt.NDArray[np.float32], name: str) -> None:
    if not samples.size:
        raise AudioError(f"{name} holds no samples.", "Record it again, or leave it out.")
    if samples.shape[1] > MAX_CHANNELS:
        raise AudioError(
            f"{name} has the shape {samples.shape}, which would be {samples.shape[1]} channels.",
            "Samples are (n,) or (n, channels); transpose it.",
        )
    peak = float(np.abs(samples).max())
    if not np.isfinite(peak):
        raise AudioError(f"{name} holds NaN or infinite samples.", "Write the file again from its source.")
    if peak > MAX_PEAK:
        raise AudioError(
            f"{name} reaches {peak:g}, but float samples lie in [-1, 1].",
            "Divide 16-bit values by 32768, or give int16.",
        )


def _read(source: Any, name: str, source_rate: int | None) -> tuple[npt.NDArray[np.float32], int]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        if not len(source):
            raise AudioError(f"{name} holds no bytes.", "Record or copy it again.")
        return _read_sound(io.BytesIO(source), name)
    if isinstance(source, (str, Path)):
        _check_path(Path(source))
        if Path(source).suffix.lower() in MEDIA_SUFFIXES:
            return _read_media(source, name)
        return _read_sound(str(source), name)
    if hasattr(source, "read"):
        seekable = getattr(source, "seekable", lambda: True)()
        return _read_sound(source, name) if seekable else _read(source.read(), name, source_rate)
    if hasattr(source, "__array__"):
        return _from_array(source, name, source_rate)
    raise AudioError(
        f"A recording cannot be of type {type(source).__name__}.", "Give a path, bytes, a file or an array."
    )


def _read_sound(source: Any, name: str) -> tuple[npt.NDArray[np.float32], int]:
    try:
        with soundfile.SoundFile(source) as file:
            expected = _declared_length(file)
            samples = file.read(dtype="float32", always_2d=True)
            rate, loose = file.samplerate, file.format == "MP3"
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        raise _unreadable(name, error) from error
    _check_length(len(samples), expected, loose, name)
    return samples, rate


def _unreadable(name: str, error: Exception) -> AudioError:
    return AudioError(
        f"{name} cannot be read as audio ({str(error).rstrip('.')}).",
        "It is damaged or of another kind. Known: WAV, FLAC, OGG, OPUS, MP3, AIFF; m4a, mp4 and webm with "
        "pip install 'asr[media]'.",
    )


def _declared_length(file: Any) -> int:
    """Return the samples that the header promises; libsndfile itself shortens a cut-off WAV to what is there."""
    frames = int(file.frames)
    if (cut := CUT_OFF.search(file.extra_info)) is None:
        return frames
    declared, present = int(cut[1]), int(cut[2])
    if declared - present <= SLOPPY_BYTES or declared >= PLACEHOLDER_SIZE:
        return frames
    return round(frames * declared / max(present, 1))


def _check_length(num_samples: int, expected: int, loose: bool, name: str) -> None:
    if expected >= 2**62 or num_samples >= expected * (0.98 if loose else 1):  # an MP3's header may only estimate
        return
    raise AudioError(
        f"{name} is cut off: its header says {expected} samples, {num_samples} are there.", "Copy the file again."
    )


def _from_array(source: Any, name: str, rate: int | None) -> tuple[npt.NDArray[np.float32], int]:
    if rate is None or rate <= 0:
        raise AudioError("Samples came without their sample rate.", "Give sample_rate=, in Hz.")
    try:
        samples = np.asarray(source)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on a GPU, or one that needs gradients
        raise AudioError(f"{name} is no array of samples ({error}).", "Give a numpy array.") from error
    if samples.ndim not in (1, 2):
        raise AudioError(f"{name} is an array of {samples.ndim} dimensions.", "Give samples (n,) or (n, channels).")
    floats = _as_floats(samples, name)
    return floats[:, None] if floats.ndim == 1 else floats, rate


def _as_floats(samples: npt.NDArray[Any], name: str) -> npt.NDArray[np.float32]:
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    if samples.dtype in (np.uint8, np.int8, np.int16, np.int32):  # unsigned 8 bit as in WAV: 128 is zero
        middle, full = (128, 128) if samples.dtype == np.uint8 else (0, -int(np.iinfo(samples.dtype).min))
        return ((samples.astype(np.float64) - middle) / full).astype(np.float32)
    raise AudioError(
        f"{name} holds {samples.dtype}.", "Give float samples in [-1, 1], or 8-, 16- or 32-bit integers of full scale."
    )


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
        MissingDependencyError: m4a, mp4 or webm without the extra ``media``.
    """
    _check_path(Path(path))
    if Path(path).suffix.lower() in MEDIA_SUFFIXES:
        samples, rate = _read_media(path, str(path))
        return AudioInfo(rate, len(samples), samples.shape[1])
    try:
        info = soundfile.info(str(path))
    except (soundfile.LibsndfileError, TypeError) as error:
        raise _unreadable(str(path), error) from error
    return AudioInfo(info.samplerate, info.frames, info.channels)


def iter_audio_blocks(
    path: str | Path, block_s: float = 30.0, sample_rate: int = 16000
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield a long recording as mono blocks (n,) float32 at ``sample_rate``, in bounded memory.

    The samples of m4a, mp4 and webm are read whole.

    Raises:
        AudioError: the file is missing, empty, damaged or no audio.
    """
    import soxr

    if Path(path).suffix.lower() in MEDIA_SUFFIXES:
        samples = load_audio(path, sample_rate).samples
        step = max(1, int(block_s * sample_rate))
        yield from (samples[i : i + step] for i in range(0, len(samples), step))
        return
    rate = audio_info(path).sample_rate
    blocks = _mono_blocks(str(path), block_s)
    if rate == sample_rate:
        yield from blocks
        return
    resampler = soxr.ResampleStream(rate, sample_rate, 1, dtype="float32")
    for block in blocks:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def _mono_blocks(path: str, block_s: float) -> Iterator[npt.NDArray[np.float32]]:
    total = 0
    try:
        with soundfile.SoundFile(path) as file:
            expected, loose = _declared_length(file), file.format == "MP3"
            size = max(1, int(block_s * file.samplerate))
            while len(block := file.read(size, dtype="float32", always_2d=True)):
                _check_samples(block, path)
                total += len(block)
                yield block.mean(axis=1)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _unreadable(path, error) from error
    _check_length(total, expected, loose, path)
    if not total:
        raise AudioError(f"{path} holds no samples.", "Record it again, or leave it out.")

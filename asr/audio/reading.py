"""Any recording -> float32 samples at the rate that is asked for; what was changed on the way is
said.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
import soundfile

from asr.audio.containers import (
    HEADER_BYTES,
    MEDIA_SUFFIXES,
    is_media,
    iter_media,
    media_info,
    read_media,
)
from asr.audio.shar import open_member
from asr.errors import AudioError

__all__ = [
    "AUDIO_SUFFIXES",
    "UNKNOWN_LENGTH",
    "Audio",
    "AudioInfo",
    "audio_info",
    "iter_audio_blocks",
    "load_audio",
    "load_stretch",
    "num_channels",
    "read_stretch",
    "resample",
]

AUDIO_SUFFIXES = {
    ".wav",
    ".flac",
    ".ogg",
    ".oga",
    ".opus",
    ".mp3",
    ".aif",
    ".aiff",
    ".au",
    ".w64",
} | MEDIA_SUFFIXES

SILENCE = 3e-5  # -90 dB of full scale
MAX_CHANNELS = 64
MAX_PEAK = 100.0  # float recordings may pass 1, but integers that were never scaled go far beyond
CUT_OFF = re.compile(r"^ *(?:data|SSND|Data Size) *: (\d+) \(should be (\d+)\)", re.MULTILINE)
PLACEHOLDER_SIZE = 0x7FFFFF00  # what writers to a pipe leave in the header
OGG, OGG_HEADER_BYTES, OGG_PAGE_BYTES = b"OggS", 27, 65307
SLOPPY_BYTES = 64  # some writers count their header as sound
UNKNOWN_LENGTH = 2**62  # samples, in libsndfile's words: FLAC that was written to a pipe
BLOCK = 1 << 20  # samples read at once of such a one

logger = logging.getLogger(__name__)

Source: TypeAlias = Any
"""A recording: path or address (see `asr.audio.shar`), bytes, open binary file, or array of samples (n,) or (n, channels)."""


@dataclass(frozen=True)
class Audio:
    """Samples in [-1, 1] and where they come from.

    Attributes:
        samples: (n,) float32, or (n, channels) where all channels were asked for.
        sample_rate: in Hz.
        name: of the source.
        source_rate: before mixing and resampling.
        source_channels: before mixing and resampling.
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
        source: path, bytes or open binary file of an encoded recording, or samples (n,) or (n,
            channels).
        sample_rate: wanted, in Hz.
        channel: ``mix`` (mean of the channels), a channel's number, or ``all``.
        source_rate: of ``source`` where it is an array, in Hz.

    Raises:
        AudioError: the source is missing, empty, damaged, no audio, holds NaN, or has no such
        channel. MissingDependencyError: m4a, mp4 or webm without the extra ``media``.

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
            raise AudioError(
                f"{name} is too short to resample ({len(samples)} samples).", "Leave it out."
            )
    return Audio(np.ascontiguousarray(chosen, np.float32), sample_rate, name, rate, channels)


def load_stretch(
    path: str | Path, start_s: float, duration_s: float, sample_rate: int = 16000
) -> npt.NDArray[np.float32]:
    """Return samples (n,) of a stretch of a recording, its channels mixed; no more of the file than
    that is read.

    Raises:
        AudioError: as :func:`load_audio`, or the recording ends before the stretch begins.
    """
    samples, rate = read_stretch(path, start_s, start_s + duration_s)
    if not len(samples):
        raise AudioError(f"{path} ends before {start_s:.2f} s.", "Prepare the corpus again.")
    return load_audio(samples, sample_rate, source_rate=rate).samples


def read_stretch(
    path: str | Path, start_s: float = 0.0, end_s: float | None = None
) -> tuple[npt.NDArray[np.float32], int]:
    """Return samples (n, channels) of a stretch of a recording, none where it ends before, and the
    rate in Hz.

    Args:
        path: file, or address of a recording in a shard.
        start_s: the stretch; to the end where that is None.
        end_s: the stretch; to the end where that is None.

    Raises:
        AudioError: the recording is missing, empty, damaged or no audio.
    """
    source = _opened(path)
    if _in_container(source):
        return _cut(*read_media(source, str(path)), start_s, end_s)
    try:
        with _open_sound(source) as file:
            if file.frames >= UNKNOWN_LENGTH:
                return _cut(_read_all(file), file.samplerate, start_s, end_s)
            start = min(round(start_s * file.samplerate), file.frames)
            stop = (
                file.frames if end_s is None else min(round(end_s * file.samplerate), file.frames)
            )
            file.seek(start)
            return file.read(max(0, stop - start), "float32", always_2d=True), file.samplerate
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        raise _unreadable(str(path), error) from error


def _cut(
    samples: npt.NDArray[np.float32], rate: int, start_s: float, end_s: float | None
) -> tuple[npt.NDArray[np.float32], int]:
    return samples[round(start_s * rate) : None if end_s is None else round(end_s * rate)], rate


def resample(
    samples: npt.NDArray[np.float32], from_rate: float, to_rate: float
) -> npt.NDArray[np.float32]:
    """Return samples (n,) or (n, channels) at another rate (soxr, high quality)."""
    import soxr

    resampled: npt.NDArray[np.float32] = soxr.resample(samples, from_rate, to_rate)
    return resampled


def _name(source: object) -> str:
    if isinstance(source, (str, Path)):
        return str(source)
    kind = (
        "recording"
        if isinstance(source, (io.BytesIO, bytes, bytearray, memoryview))
        else type(source).__name__
    )
    return str(getattr(source, "name", "")) or f"The {kind}"


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
        raise AudioError(
            f"{name} holds NaN or infinite samples.", "Write the file again from its source."
        )
    if peak > MAX_PEAK:
        raise AudioError(
            f"{name} reaches {peak:g}, but float samples lie in [-1, 1].",
            "Divide 16-bit values by 32768, or give int16.",
        )


def _read(source: Any, name: str, source_rate: int | None) -> tuple[npt.NDArray[np.float32], int]:
    if isinstance(source, (bytes, bytearray, memoryview)):
        if not len(source):
            raise AudioError(f"{name} holds no bytes.", "Record or copy it again.")
        return _read(io.BytesIO(source), name, source_rate)
    source = _opened(source)
    if isinstance(source, str):
        return read_media(source, name) if _in_container(source) else _read_sound(source, name)
    if hasattr(source, "read"):
        if not getattr(source, "seekable", lambda: True)():
            return _read(source.read(), name, source_rate)
        return read_media(source, name) if _in_container(source) else _read_sound(source, name)
    if hasattr(source, "__array__"):
        return _from_array(source, name, source_rate)
    raise AudioError(
        f"A recording cannot be of type {type(source).__name__}.",
        "Give a path, bytes, a file or an array.",
    )


def _opened(source: Any) -> Any:
    """Return a path as text once there is a file, an address inside a shard as an open file, all
    else as it is.
    """
    if not isinstance(source, (str, Path)):
        return source
    if (member := open_member(source)) is not None:
        return member
    _check_path(Path(source))
    return str(source)


def _in_container(source: Any) -> bool:
    """Whether a path, by its suffix, or an open file, by its first bytes, is for PyAV to read."""
    if isinstance(source, (str, Path)):
        return Path(source).suffix.lower() in MEDIA_SUFFIXES
    if not hasattr(source, "tell"):
        return False
    place = source.tell()
    header = source.read(HEADER_BYTES)
    source.seek(place)
    if not header:
        raise AudioError(f"{_name(source)} holds no bytes.", "Record or copy it again.")
    return isinstance(header, bytes) and is_media(header)


def _read_sound(source: Any, name: str) -> tuple[npt.NDArray[np.float32], int]:
    _check_last_page(source, name)
    try:
        with _open_sound(source) as file:
            expected = _declared_length(file)
            samples = _read_all(file)
            rate, loose = file.samplerate, file.format == "MP3"
    except (soundfile.LibsndfileError, RuntimeError, TypeError, ValueError) as error:
        raise _unreadable(name, error) from error
    _check_length(len(samples), expected, loose, name)
    return samples, rate


class _Endless(soundfile.SoundFile):  # type: ignore[misc]
    """A sound of unknown length, in which libsndfile cannot seek and soundfile would."""

    def seekable(self) -> bool:
        return False


def _open_sound(source: Any) -> Any:
    place = source.tell() if hasattr(source, "tell") else 0
    file = soundfile.SoundFile(source)
    if file.frames < UNKNOWN_LENGTH:
        return file
    file.close()
    if hasattr(source, "seek"):
        source.seek(place)
    return _Endless(source)


def _read_all(file: Any) -> npt.NDArray[np.float32]:
    if file.frames < UNKNOWN_LENGTH:
        samples: npt.NDArray[np.float32] = file.read(dtype="float32", always_2d=True)
        return samples
    blocks = [file.read(BLOCK, "float32", always_2d=True)]
    while len(blocks[-1]):
        blocks.append(file.read(BLOCK, "float32", always_2d=True))
    return np.concatenate(blocks)


def _unreadable(name: str, error: Exception) -> AudioError:
    reason = str(
        getattr(error, "error_string", "") or error
    )  # without libsndfile's name of the source
    return AudioError(
        f"{name} cannot be read as audio ({reason.rstrip('.')}).",
        "It is damaged or of another kind. Known: WAV, FLAC, OGG, OPUS, MP3, AIFF; m4a, mp4 and webm with "
        "pip install 'asr[media]'.",
    )


def _declared_length(file: Any) -> int:
    """Return the samples that the header promises; libsndfile itself shortens a cut-off WAV to what
    is there.
    """
    frames = int(file.frames)
    if (cut := CUT_OFF.search(file.extra_info)) is None:
        return frames
    declared, present = int(cut[1]), int(cut[2])
    if declared - present <= SLOPPY_BYTES or declared >= PLACEHOLDER_SIZE:
        return frames
    return round(frames * declared / max(present, 1))


def _check_length(num_samples: int, expected: int, loose: bool, name: str) -> None:
    share = 0.98 if loose else 1  # an MP3's header may only estimate
    if expected >= UNKNOWN_LENGTH or num_samples >= expected * share:
        return
    raise AudioError(
        f"{name} is cut off: its header says {expected} samples, {num_samples} are there.",
        "Copy the file again.",
    )


def _check_last_page(source: Any, name: str) -> None:
    """Refuse Ogg that ends within a page, of which libsndfile reads what is there (RFC 3533,
    section 6).
    """
    if not isinstance(source, str) and not hasattr(source, "tell"):
        return
    with (
        Path(source).open("rb")
        if isinstance(source, str)
        else contextlib.nullcontext(source) as file
    ):
        place = file.tell()
        if file.read(len(OGG)) == OGG:
            size = file.seek(0, io.SEEK_END)
            file.seek(max(place, size - 2 * OGG_PAGE_BYTES))
            tail = file.read()
            page = tail[max(tail.rfind(OGG), 0) :]
            head = OGG_HEADER_BYTES + (
                page[OGG_HEADER_BYTES - 1] if len(page) >= OGG_HEADER_BYTES else 0
            )
            if page.startswith(OGG) and len(page) < head + sum(page[OGG_HEADER_BYTES:head]):
                raise AudioError(
                    f"{name} is cut off: its last page is not wholly there.", "Copy the file again."
                )
        file.seek(place)


def _from_array(source: Any, name: str, rate: int | None) -> tuple[npt.NDArray[np.float32], int]:
    if rate is None or rate <= 0:
        raise AudioError("Samples came without their sample rate.", "Give sample_rate=, in Hz.")
    try:
        samples = np.asarray(source)
    except (
        TypeError,
        ValueError,
        RuntimeError,
    ) as error:  # a tensor on a GPU, or one that needs gradients
        raise AudioError(
            f"{name} is no array of samples ({error}).", "Give a numpy array."
        ) from error
    if samples.ndim not in (1, 2):
        raise AudioError(
            f"{name} is an array of {samples.ndim} dimensions.",
            "Give samples (n,) or (n, channels).",
        )
    floats = _as_floats(samples, name)
    return floats[:, None] if floats.ndim == 1 else floats, rate


def _as_floats(samples: npt.NDArray[Any], name: str) -> npt.NDArray[np.float32]:
    if samples.dtype.kind == "f":
        return samples.astype(np.float32, copy=False)
    if samples.dtype in (
        np.uint8,
        np.int8,
        np.int16,
        np.int32,
    ):  # unsigned 8 bit as in WAV: 128 is zero
        middle, full = (
            (128, 128) if samples.dtype == np.uint8 else (0, -int(np.iinfo(samples.dtype).min))
        )
        return ((samples.astype(np.float64) - middle) / full).astype(np.float32)
    raise AudioError(
        f"{name} holds {samples.dtype}.",
        "Give float samples in [-1, 1], or 8-, 16- or 32-bit integers of full scale.",
    )


def _check_path(path: Path) -> None:
    if path.is_dir():
        raise AudioError(f"{path} is a folder, not a recording.", "Give a file.")
    if not path.is_file():
        raise AudioError(f"There is no file {path}.", "Check the path.")
    if not path.stat().st_size:
        raise AudioError(f"{path} is an empty file.", "Record or copy it again.")


def _choose(
    samples: npt.NDArray[np.float32], channel: str | int, name: str, aloud: bool = True
) -> npt.NDArray[np.float32]:
    channels = samples.shape[1]
    if channel == "all":
        return samples
    if channel == "mix":
        if channels > 1 and aloud:
            logger.info("%s: mean of its %d channels", name, channels)
        mixed: npt.NDArray[np.float32] = samples[:, 0] if channels == 1 else samples.mean(axis=1)
        return mixed
    if not isinstance(channel, int) or not 0 <= channel < channels:
        raise AudioError(
            f"{name} has channels 0 to {channels - 1}, not {channel!r}.",
            "Give a number, mix, or all.",
        )
    return samples[:, channel]


def audio_info(path: str | Path) -> AudioInfo:
    """Return what the header of a sound file says, without reading its samples.

    Raises:
        AudioError: the file is missing, empty or no audio.
        MissingDependencyError: m4a, mp4 or webm without the extra ``media``.
    """
    source = _opened(path)
    if _in_container(source):
        rate, channels, count = media_info(source, str(path))
        if not count:  # the container does not say
            if hasattr(source, "seek"):
                source.seek(0)
            count = sum(len(block) for block in iter_media(source, str(path)))
        return AudioInfo(rate, count, channels)
    try:
        with _open_sound(source) as file:
            count = file.frames if file.frames < UNKNOWN_LENGTH else len(_read_all(file))
            return AudioInfo(file.samplerate, count, file.channels)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        raise _unreadable(str(path), error) from error


def num_channels(source: Source) -> int:
    """Return the channels of a recording.

    Raises:
        AudioError: it is missing, empty or no audio.
    """
    if hasattr(source, "__array__"):
        return 1 if source.ndim == 1 else int(source.shape[1])
    if isinstance(source, (str, Path)):
        return audio_info(source).channels
    return int(next(iter_audio_blocks(source, 0.1, channel="all")).shape[1])


def iter_audio_blocks(
    source: str | Path | BinaryIO,
    block_s: float = 30.0,
    sample_rate: int = 16000,
    channel: str | int = "mix",
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield a long recording as blocks (n,) float32 at ``sample_rate``, in bounded memory.

    Args:
        source: path or open binary file that can seek.
        block_s: length of a block, about.
        sample_rate: wanted, in Hz.
        channel: ``mix`` or a number; ``all`` yields blocks (n, channels).

    Raises:
        AudioError: the file is missing, empty, damaged, no audio, or has no such channel.
        MissingDependencyError: m4a, mp4 or webm without the extra ``media``.
    """
    import soxr

    name = _name(source)
    source = _opened(source)
    rate, blocks = _blocks(source, name, block_s)
    resampler, first = None, True
    for block in blocks:
        _check_samples(block, name)
        chosen = _choose(block, channel, name, aloud=first)
        first = False
        if rate != sample_rate:
            if resampler is None:
                logger.info("%s: resampled from %d to %d Hz", name, rate, sample_rate)
                channels = 1 if chosen.ndim == 1 else chosen.shape[1]
                resampler = soxr.ResampleStream(rate, sample_rate, channels, dtype="float32")
            chosen = resampler.resample_chunk(np.ascontiguousarray(chosen))
        yield chosen
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros((0, *chosen.shape[1:]), np.float32), last=True)


def _blocks(
    source: Any, name: str, block_s: float
) -> tuple[int, Iterator[npt.NDArray[np.float32]]]:
    """Return the rate of a sound and its blocks (n, channels)."""
    if _in_container(source):
        rate = media_info(source, name)[0]
        if hasattr(source, "seek"):
            source.seek(0)
        return rate, iter_media(source, name, block_s)
    _check_last_page(source, name)
    try:
        file = _open_sound(source)
    except (soundfile.LibsndfileError, RuntimeError, TypeError) as error:
        raise _unreadable(name, error) from error
    return file.samplerate, _sound_blocks(file, name, block_s)


def _sound_blocks(file: Any, name: str, block_s: float) -> Iterator[npt.NDArray[np.float32]]:
    total = 0
    try:
        with file:
            expected, loose = _declared_length(file), file.format == "MP3"
            size = max(1, int(block_s * file.samplerate))
            while len(block := file.read(size, dtype="float32", always_2d=True)):
                total += len(block)
                yield block
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise _unreadable(name, error) from error
    _check_length(total, expected, loose, name)
    if not total:
        raise AudioError(f"{name} holds no samples.", "Record it again, or leave it out.")

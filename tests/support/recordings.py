"""Recordings of every kind, good and broken, made in memory."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

RATE = 16000
Samples = npt.NDArray[np.float32]

SOUND_FILES: dict[str, tuple[dict[str, str], int]] = {
    "pcm.wav": ({"format": "WAV", "subtype": "PCM_16"}, RATE),
    "pcm24.wav": ({"format": "WAV", "subtype": "PCM_24"}, RATE),
    "u8.wav": ({"format": "WAV", "subtype": "PCM_U8"}, RATE),
    "float.wav": ({"format": "WAV", "subtype": "FLOAT"}, RATE),
    "double.wav": ({"format": "WAV", "subtype": "DOUBLE"}, RATE),
    "ulaw.wav": ({"format": "WAV", "subtype": "ULAW"}, 8000),
    "alaw.wav": ({"format": "WAV", "subtype": "ALAW"}, 8000),
    "adpcm.wav": ({"format": "WAV", "subtype": "IMA_ADPCM"}, RATE),
    "gsm.wav": ({"format": "WAV", "subtype": "GSM610"}, 8000),
    "g721.au": ({"format": "AU", "subtype": "G721_32"}, 8000),
    "a.au": ({"format": "AU", "subtype": "PCM_16"}, RATE),
    "a.w64": ({"format": "W64", "subtype": "PCM_16"}, RATE),
    "a.aiff": ({"format": "AIFF", "subtype": "PCM_16"}, 44100),
    "a.flac": ({"format": "FLAC", "subtype": "PCM_16"}, RATE),
    "vorbis.ogg": ({"format": "OGG", "subtype": "VORBIS"}, RATE),
    "a.opus": ({"format": "OGG", "subtype": "OPUS"}, 48000),
    "a.mp3": ({"format": "MP3"}, RATE),
}
# FFmpeg's name of the format, and the codec
CONTAINERS = {
    "a.m4a": ("mov", "aac"),
    "a.mp4": ("mp4", "aac"),
    "a.mkv": ("matroska", "flac"),
    "a.mka": ("matroska", "aac"),
    "a.webm": ("webm", "libopus"),
    "a.aac": ("adts", "aac"),
    "a.wma": ("asf", "wmav2"),
}


def encode(samples: Samples, name: str) -> bytes:
    """Return samples (n,) at 16 kHz as a file of the kind that ``name`` stands for: a key of
    :data:`SOUND_FILES` or :data:`CONTAINERS`.
    """
    file = io.BytesIO()
    if name in SOUND_FILES:
        how, rate = SOUND_FILES[name]
        soundfile.write(file, _at(samples, rate), rate, **how)
        return file.getvalue()
    av = pytest.importorskip("av")
    format, codec = CONTAINERS[name]
    with av.open(file, "w", format=format) as container:
        stream = container.add_stream(codec, rate=48000)
        stream.layout, stream.bit_rate = "mono", 96000
        whole = (_at(samples, 48000)[None] * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(whole, format="s16", layout="mono")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return file.getvalue()


def _at(samples: Samples, rate: int) -> Samples:
    from asr.audio.reading import resample

    return resample(samples, RATE, rate)


def wav_header(data_size: int) -> bytes:
    """Return the header of a WAV file of 16 bits at 16 kHz."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    size = (data_size + 36) % 2**32
    return (
        b"RIFF" + struct.pack("<I", size) + b"WAVE" + form + b"data" + struct.pack("<I", data_size)
    )


def _piped(size: int) -> Callable[[Samples], bytes]:
    return lambda samples: wav_header(size) + (samples * 32767).astype("<i2").tobytes()


GOOD: dict[str, Callable[[Samples], bytes]] = {
    **{name: (lambda s, n=name: encode(s, n)) for name in (*SOUND_FILES, *CONTAINERS)},  # type: ignore[misc]
    "sox.wav": _piped(0x7FFFF000),
    "crashed.wav": _piped(0),
    "m4a named.wav": lambda samples: encode(samples, "a.m4a"),
    "wav named.m4a": lambda samples: encode(samples, "pcm.wav"),
    "chained.ogg": lambda s: b"".join(encode(h, "vorbis.ogg") for h in np.array_split(s, 2)),
    "chained.flac": lambda s: b"".join(encode(h, "a.flac") for h in np.array_split(s, 2)),
}
"""Samples at 16 kHz -> a file that says what they say."""


def _nan(samples: Samples) -> bytes:
    broken = samples.copy()
    broken[100] = np.nan
    return encode(broken, "float.wav")


def _cut(name: str, share: float) -> Callable[[Samples], bytes]:
    def cut(samples: Samples) -> bytes:
        data = encode(samples, name)
        return data[: int(share * len(data))]

    return cut


BROKEN: dict[str, Callable[[Samples], bytes]] = {
    "empty.wav": lambda samples: b"",
    "text.wav": lambda samples: b"No sound in here.\n" * 40,
    "zeros.flac": lambda samples: bytes(4000),
    "random.mp3": lambda samples: np.random.default_rng(0).bytes(4000),
    "header.wav": lambda samples: wav_header(0),
    "riff.wav": lambda samples: b"RIFF",
    "nan.wav": _nan,
    "int floats.wav": lambda samples: encode(samples * 32768, "float.wav"),
    "one sample.wav": lambda samples: encode(samples[:1], "pcm.wav"),
    "playlist.m4a": lambda samples: b"#EXTM3U\n#EXTINF:3,\npcm.wav\n#EXT-X-ENDLIST\n",
    "picture.mp4": lambda samples: b"\x89PNG\r\n\x1a\n" + bytes(500),
    "cut.wav": _cut("pcm.wav", 0.6),
    "cut.flac": _cut("a.flac", 0.6),
    "cut.ogg": _cut("vorbis.ogg", 0.6),
    "cut.opus": _cut("a.opus", 0.6),
    "cut.mp3": _cut("a.mp3", 0.6),
    "cut.aiff": _cut("a.aiff", 0.6),
    "cut.m4a": _cut("a.m4a", 0.6),
    "cut.mkv": _cut("a.mkv", 0.6),
    "cut header.m4a": _cut("a.m4a", 0.01),
    "cut header.flac": _cut("a.flac", 0.001),
}
"""Samples at 16 kHz -> a file that no transcript can be made of."""

"""Players: the audio of an utterance embedded in the page, or a link to its file."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from asr.audio.reading import read_stretch
from asr.audio.shar import parse_address
from asr.errors import AudioError
from asr.scoring import Utterance

__all__ = ["player", "samples_of"]

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


def player(utterance: Utterance, mode: str, page: Path) -> str:
    """Return an ``<audio>`` element for an utterance; empty if its recording is unknown.

    Args:
        utterance: with ``audio``, and with ``start`` and ``end`` in seconds if it is a segment.
        mode: ``embed``, ``link`` or ``none``.
        page: path of the page; links are relative to it.

    Raises:
        AudioError: a recording to embed is missing or cannot be read.
    """
    if mode == "none" or not utterance.audio:
        return ""
    source = _embedded(utterance) if mode == "embed" else _linked(utterance, page)
    return f'<audio controls preload="none" src="{source}"></audio>'


def _linked(utterance: Utterance, page: Path) -> str:
    if parse_address(utterance.audio):
        raise AudioError(
            f"{utterance.audio} is inside a shard, to which a page cannot link.",
            "Use --audio embed.",
        )
    target = os.path.relpath(Path(str(utterance.audio)).resolve(), page.resolve().parent)
    span = (
        ""
        if utterance.start is None or utterance.end is None
        else f"#t={utterance.start:.3f},{utterance.end:.3f}"
    )
    return quote(Path(target).as_posix()) + span


def _embedded(utterance: Utterance) -> str:
    """Return a data URL: MP3, which is small and plays in every browser, or else WAV."""
    import soundfile

    samples, rate = samples_of(utterance)
    small = rate in _MP3_RATES and "MP3" in soundfile.available_formats()
    buffer = io.BytesIO()
    form = {"format": "MP3"} if small else {"format": "WAV", "subtype": "PCM_16"}
    soundfile.write(buffer, samples, rate, **form)
    kind = "audio/mpeg" if small else "audio/wav"
    return f"data:{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def samples_of(utterance: Utterance) -> tuple[npt.NDArray[np.float32], int]:
    """Return the samples (n,) of an utterance, channels averaged, and their rate in Hz.

    Raises:
        AudioError: the recording is missing or cannot be read.
    """
    try:
        samples, rate = read_stretch(str(utterance.audio), utterance.start or 0.0, utterance.end)
    except AudioError as error:
        raise AudioError(
            f"The recording of {utterance.id}: {error.message}",
            "Correct the manifest, or use --audio none.",
        ) from None
    return np.ascontiguousarray(samples.mean(axis=1)), rate

"""Recordings of synthetic voices: men and women of eSpeak NG who are easy to tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from asr.audio.reading import resample
from data_prep.espeak import speak

RATE = 16000
VOICES: dict[str, dict[str, Any]] = {
    "man": {"voice": "en-us", "variant": "m3", "pitch": 25},
    "woman": {"voice": "en-gb", "variant": "f3", "pitch": 75},
    "other": {"voice": "en-029", "variant": "m7", "pitch": 50},
}
LINES = (
    "good morning everybody and thank you for coming here today",
    "we have three things to talk about before the break",
    "the first one is the new building near the river",
    "nobody has told me when the work is going to begin",
    "please send me the numbers as soon as you have them",
    "that is what I wanted to hear, so let us go on",
)
Samples = npt.NDArray[np.float32]


def said(who: str, text: str) -> Samples:
    """Return the sound of a text in one of :data:`VOICES`."""
    speech = speak(text, **VOICES[who])
    samples = resample(speech.samples.astype(np.float32), speech.sample_rate, RATE)
    return (0.3 * samples / max(1e-6, float(np.abs(samples).max()))).astype(np.float32)


def talk(
    speakers: Sequence[str], pause_s: float = 0.4
) -> tuple[Samples, list[tuple[float, float, str]]]:
    """Return a talk in which each says a line in turn, and (start, end, speaker) of the lines."""
    pause = np.zeros(round(pause_s * RATE), np.float32)
    parts, turns, now = [pause], [], pause_s
    for number, who in enumerate(speakers):
        line = said(who, LINES[number % len(LINES)])
        parts += [line, pause]
        turns.append((now, now + len(line) / RATE, who))
        now += len(line) / RATE + pause_s
    rng = np.random.default_rng(0)
    samples = np.concatenate(parts)
    return (samples + 1e-4 * rng.standard_normal(len(samples))).astype(np.float32), turns


def write(path: Path, samples: Samples) -> Path:
    """Write samples to a file; return its path."""
    soundfile.write(path, samples, RATE)
    return path

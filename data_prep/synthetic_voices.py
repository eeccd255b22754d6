"""Speakers of a synthetic corpus, and the sound of an utterance: jitter, pauses, noise and level.

The variants of eSpeak NG were compared by level, pitch and spectrum. Those that clip, whisper,
croak or sound like a robot are left out, and of nearly equal ones all but one, so that an unseen
speaker sounds different.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.audio.reading import resample
from asr.errors import DataError
from data_prep.espeak import SPEEDS, speak

__all__ = [
    "ENGLISH",
    "NOISES",
    "Speaker",
    "add_noise",
    "babble",
    "choose_speakers",
    "make_noise",
    "render",
]

SAMPLE_RATE = 16_000
ENGLISH = (
    "en-us",
    "en-gb",
    "en-us",
    "en-us-nyc",
    "en-gb-x-rp",
    "en-us",
    "en-gb-scotland",
    "en-029",
)
MEN = (
    "m1",
    "m2",
    "m3",
    "m4",
    "m5",
    "m6",
    "m7",
    "m8",
    "Andy",
    "Denis",
    "Diogo",
    "Gene",
    "Henrique",
    "Lee",
    "Mario",
    "Michael",
    "boris",
    "gustave",
    "marcelo",
    "max",
    "michel",
    "mike2",
    "norbert",
    "pablo",
    "pedro",
    "quincy",
    "rob",
    "robert",
    "travis",
)
WOMEN = (
    "f1",
    "f2",
    "f3",
    "f5",
    "Alicia",
    "Andrea",
    "Annie",
    "anika",
    "aunty",
    "belinda",
    "grandma",
    "linda",
    "shelby",
    "steph",
)
NOISES = ("white", "pink", "babble")
LEVELS = (-30.0, -18.0)  # range of the speech level, in dB of full scale
PEAK = 0.95

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Speaker:
    """A voice with its speed and pitch.

    Attributes:
        id: number in the corpus.
        split: ``train``, ``dev`` or ``test``.
        sex: ``M`` or ``F``.
        voice: language or accent of eSpeak NG.
        variant: speaker of eSpeak NG.
        speed_wpm: words per minute.
        pitch: 0 to 100.
        pitch_range: 0 to 100.
    """

    id: int
    split: str
    sex: str
    voice: str
    variant: str
    speed_wpm: int
    pitch: int
    pitch_range: int


def choose_speakers(
    counts: dict[str, int],
    seed: int,
    accents: Sequence[str] = ENGLISH,
    speed_wpm: tuple[int, int] = (140, 190),
) -> list[Speaker]:
    """Return speakers for each split; no variant is in two splits, a third are women.

    If training needs more speakers than there are variants, variants are used again with another
    accent, speed and pitch.

    Raises:
        DataError: more speakers for dev and test than there are variants, or no accent.
    """
    rng = random.Random(f"speakers {seed}")
    unseen = sum(number for split, number in counts.items() if split != "train")
    if unseen >= len(MEN) + len(WOMEN) or not accents:
        raise DataError(
            f"{unseen} speakers for dev and test and {len(accents)} accents were asked for.",
            f"Ask for fewer than {len(MEN) + len(WOMEN)} speakers and at least one accent.",
        )
    pool = _interleaved(rng)
    speakers: list[Speaker] = []
    # Training comes last, and takes the remaining variants.
    for split in sorted(counts, key=lambda name: name == "train"):
        own = pool if split == "train" else [pool.pop(0) for _ in range(counts[split])]
        for index in range(counts[split]):
            sex, variant = own[index % len(own)]
            voice = accents[(index + index // len(own)) % len(accents)]
            speaker = Speaker(
                id=1001 + len(speakers),
                split=split,
                sex=sex,
                voice=voice,
                variant=variant,
                speed_wpm=rng.randint(*speed_wpm),
                pitch=rng.randint(40, 60),
                pitch_range=rng.randint(40, 65),
            )
            speakers.append(speaker)
    return speakers


def _interleaved(rng: random.Random) -> list[tuple[str, str]]:
    men, women = rng.sample(MEN, len(MEN)), rng.sample(WOMEN, len(WOMEN))
    pool: list[tuple[str, str]] = []
    while men or women:
        source, sex = (women, "F") if women and (len(pool) % 3 == 1 or not men) else (men, "M")
        pool.append((sex, source.pop()))
    return pool


def render(
    text: str,
    speaker: Speaker,
    rng: np.random.Generator,
    snr_db: tuple[float, float],
    background: Samples,
) -> Samples:
    """Return an utterance (n,) at 16 kHz with random speed, pitch, pauses, noise and level.

    Args:
        text: text to speak.
        speaker: its speed and pitch are the means of the random ones.
        rng: random generator of this utterance.
        snr_db: range of the signal-to-noise ratio in dB.
        background: babble noise, see :func:`babble`.

    Raises:
        DataError: eSpeak NG does not know the voice, or its speech is silent.
    """
    speech = speak(
        text,
        speaker.voice,
        variant=speaker.variant,
        speed_wpm=int(np.clip(speaker.speed_wpm * rng.uniform(0.93, 1.07), *SPEEDS)),
        pitch=int(np.clip(speaker.pitch + rng.integers(-6, 7), 0, 100)),
        pitch_range=speaker.pitch_range,
    )
    samples = resample(speech.samples, speech.sample_rate, SAMPLE_RATE)
    before, after = (rng.uniform(0.1, 0.35, 2) * SAMPLE_RATE).astype(int)
    samples = np.pad(samples, (before, after))
    noise = make_noise(str(rng.choice(NOISES)), len(samples), rng, background)
    noisy = add_noise(samples, noise, float(rng.uniform(*snr_db)))
    noisy *= 10 ** (rng.uniform(*LEVELS) / 20) / np.sqrt(_speech_power(samples))
    noisy *= min(1.0, PEAK / float(np.abs(noisy).max()))
    scaled: Samples = noisy.astype(np.float32)
    return scaled


def add_noise(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Return speech (n,) plus noise (n,) at ``snr_db`` below the power of the active speech."""
    power = float(np.mean(np.square(noise, dtype=np.float64)))
    if power == 0.0:
        return np.array(samples, np.float32)
    gain = np.sqrt(_speech_power(samples) / power) * 10 ** (-snr_db / 20)
    noisy: Samples = samples + noise * np.float32(gain)
    return noisy


def make_noise(kind: str, length: int, rng: np.random.Generator, background: Samples) -> Samples:
    """Return noise (length,): ``white``, ``pink`` (power 1/f) or ``babble`` from ``background``."""
    if kind == "babble":
        start = int(rng.integers(len(background)))
        cut: Samples = np.take(background, np.arange(start, start + length), mode="wrap")
        return cut
    white = rng.standard_normal(length, np.float32)
    if kind == "white":
        return white
    spectrum = np.fft.rfft(white)
    pink: Samples = np.fft.irfft(
        spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), length
    ).astype(np.float32)
    return pink


def babble(
    texts: Sequence[str], speakers: Sequence[Speaker], rng: np.random.Generator, voices: int = 5
) -> Samples:
    """Return babble (n,) at 16 kHz: several equally loud speakers, three sentences each."""
    tracks = []
    for index in rng.integers(len(speakers), size=voices):
        who, sentences = speakers[index], [texts[i] for i in rng.integers(len(texts), size=3)]
        parts = [
            speak(
                text,
                who.voice,
                variant=who.variant,
                speed_wpm=who.speed_wpm,
                pitch=who.pitch,
                pitch_range=who.pitch_range,
            )
            for text in sentences
        ]
        track = resample(
            np.concatenate([p.samples for p in parts]), parts[0].sample_rate, SAMPLE_RATE
        )
        tracks.append(track / np.sqrt(_speech_power(track)))
    length = min(len(track) for track in tracks)
    mixed: Samples = np.sum([track[:length] for track in tracks], axis=0, dtype=np.float32)
    return mixed


def _speech_power(samples: Samples) -> float:
    """Return the mean power of the 20 ms blocks within 30 dB of the loudest one."""
    size = SAMPLE_RATE // 50
    pieces = (
        np.square(samples[: len(samples) // size * size], dtype=np.float64)
        .reshape(-1, size)
        .mean(1)
    )
    return float(pieces[pieces >= pieces.max(initial=0.0) / 1000].mean())

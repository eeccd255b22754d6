"""Who speaks in a synthetic corpus, and how one utterance sounds: jitter, pauses, noise and level.

The variants of eSpeak NG were compared in numbers (level, pitch, spectrum). Left out are those that
clip, whisper, croak or play a robot, and all but one of those that are nearly the same, so that an
unseen speaker is another one.
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
LEVELS = (-30.0, -18.0)  # of the speech, in dB of full scale
PEAK = 0.95

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Speaker:
    """A voice with its habits.

    Attributes:
        id: number in the corpus.
        split: ``train``, ``dev`` or ``test``.
        sex: ``M`` or ``F``.
        voice: of eSpeak NG.
        variant: of eSpeak NG.
        speed_wpm: words a minute.
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

    Training may ask for more speakers than there are variants: they come again with another accent,
    speed and pitch.

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
    for split in sorted(
        counts, key=lambda name: name == "train"
    ):  # training takes what the others leave
        own = pool if split == "train" else [pool.pop(0) for _ in range(counts[split])]
        for index in range(counts[split]):
            sex, variant = own[index % len(own)]
            voice = accents[(index + index // len(own)) % len(accents)]
            speed, pitch, pitch_range = (
                rng.randint(*speed_wpm),
                rng.randint(40, 60),
                rng.randint(40, 65),
            )
            speakers.append(
                Speaker(
                    id=1001 + len(speakers),
                    split=split,
                    sex=sex,
                    voice=voice,
                    variant=variant,
                    speed_wpm=speed,
                    pitch=pitch,
                    pitch_range=pitch_range,
                )
            )
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
    """Return an utterance (n,) at 16 kHz: speed and pitch around the speaker's own, pauses, noise,
    some level.

    Args:
        text: what is said.
        speaker: by whom.
        rng: of this utterance.
        snr_db: range of the signal-to-noise ratio in dB.
        background: babble to take noise from, see :func:`babble`.

    Raises:
        DataError: eSpeak NG does not know the voice, or nothing audible came of the text.
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
    """Return speech (n,) with noise (n,), whose power is ``snr_db`` below that of the parts where
    somebody speaks.
    """
    power = float(np.mean(np.square(noise, dtype=np.float64)))
    if power == 0.0:
        return np.array(samples, np.float32)
    gain = np.sqrt(_speech_power(samples) / power) * 10 ** (-snr_db / 20)
    noisy: Samples = samples + noise * np.float32(gain)
    return noisy


def make_noise(kind: str, length: int, rng: np.random.Generator, background: Samples) -> Samples:
    """Return noise (length,): ``white``, ``pink`` (power as 1/f), or ``babble`` cut from
    ``background`` (n,).
    """
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
    """Return several people (n,) at 16 kHz talking at once, as loud as each other; each says two or
    three sentences.
    """
    tracks = []
    for index in rng.integers(len(speakers), size=voices):
        who, said = speakers[index], [texts[i] for i in rng.integers(len(texts), size=3)]
        parts = [
            speak(
                text,
                who.voice,
                variant=who.variant,
                speed_wpm=who.speed_wpm,
                pitch=who.pitch,
                pitch_range=who.pitch_range,
            )
            for text in said
        ]
        track = resample(
            np.concatenate([p.samples for p in parts]), parts[0].sample_rate, SAMPLE_RATE
        )
        tracks.append(track / np.sqrt(_speech_power(track)))
    length = min(len(track) for track in tracks)
    mixed: Samples = np.sum([track[:length] for track in tracks], axis=0, dtype=np.float32)
    return mixed


def _speech_power(samples: Samples) -> float:
    """Return the mean power of the 20 ms pieces that are within 30 dB of the loudest."""
    size = SAMPLE_RATE // 50
    pieces = (
        np.square(samples[: len(samples) // size * size], dtype=np.float64)
        .reshape(-1, size)
        .mean(1)
    )
    return float(pieces[pieces >= pieces.max(initial=0.0) / 1000].mean())

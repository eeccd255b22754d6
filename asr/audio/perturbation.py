"""Data augmentation of waveforms: speed, noise, reverberation.

A copy is drawn with the utterance's id and its number as the seed, so that it is the same in every
process and on every machine. Legend: n samples.
"""

from __future__ import annotations

import functools
import hashlib
import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.audio.reading import AUDIO_SUFFIXES, load_audio, resample
from asr.config import check_range
from asr.errors import ConfigError, DataError
from asr.files import files_below

__all__ = ["NoiseConfig", "add_noise", "add_reverberation", "change_speed", "noisy_copy"]

KEPT_SAMPLES = 1 << 26  # of noise in memory (256 MB): reading one takes longer than adding it

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class NoiseConfig:
    """Further copies with background noise or reverberation.

    Attributes:
        folder: of noise recordings, at any depth; several, each of them as likely, with the
            system's path separator between them (``:``, on Windows ``;``); empty for reverberation
            only.
        copies: of each utterance.
        snr_db_low: lowest signal-to-noise ratio; it is drawn uniformly.
        snr_db_high: highest signal-to-noise ratio.
        reverb_share: share of the copies that get reverberation (and noise as well, if there is a
            folder).
        t60_low_s: shortest reverberation time; it is drawn uniformly.
        t60_high_s: longest reverberation time.
        speeds: one is drawn for each copy.
    """

    folder: str = ""
    copies: int = 1
    snr_db_low: float = 5.0
    snr_db_high: float = 20.0
    reverb_share: float = 0.5
    t60_low_s: float = 0.2
    t60_high_s: float = 0.8
    speeds: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        check_range("noise.copies", self.copies, 1, 20)
        check_range("noise.snr_db_high", self.snr_db_high, self.snr_db_low)
        check_range("noise.reverb_share", self.reverb_share, 0 if self.folder else 1, 1)
        check_range("noise.t60_low_s", self.t60_low_s, 0.05)
        check_range("noise.t60_high_s", self.t60_high_s, self.t60_low_s, 5)
        if not self.speeds:
            raise ConfigError("noise.speeds names no speed.", "Give at least one, such as 1.0.")
        for speed in self.speeds:
            check_range("noise.speeds", speed, 0.5, 2.0)


def noisy_copy(
    samples: Samples, sample_rate: int, config: NoiseConfig, utterance_id: str, copy: int
) -> Samples:
    """Return samples (n,) with noise or reverberation.

    Args:
        samples: (n,).
        sample_rate: in Hz.
        config: what is added.
        utterance_id: seed of the copy, together with ``copy``.
        copy: number of the copy.

    Raises:
        DataError: the folder holds no noise.
        AudioError: a noise recording cannot be read.
    """
    rng = np.random.default_rng(list(hashlib.sha256(f"{utterance_id}\n{copy}".encode()).digest()))
    if (
        len(config.speeds) > 1
    ):  # not drawn without need: one speed leaves the other draws as they were
        samples = change_speed(samples, sample_rate, float(rng.choice(config.speeds)))
    if rng.random() < config.reverb_share:
        t60_s = rng.uniform(config.t60_low_s, config.t60_high_s)
        samples = add_reverberation(samples, sample_rate, t60_s, rng)
    if config.folder:
        folders = config.folder.split(os.pathsep)
        files = noise_files(folders[rng.integers(len(folders)) if len(folders) > 1 else 0])
        noise = _noise(files[rng.integers(len(files))], sample_rate)
        snr_db = rng.uniform(config.snr_db_low, config.snr_db_high)
        samples = add_noise(samples, np.roll(noise, -int(rng.integers(len(noise)))), snr_db)
    return samples


def change_speed(samples: Samples, sample_rate: int, speed: float) -> Samples:
    """Return samples played ``speed`` times as fast, about n / speed of them, at another pitch."""
    return samples if speed == 1.0 else resample(samples, sample_rate * speed, sample_rate)


def add_noise(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Return samples (n,) plus ``noise``, which is repeated to their length and scaled to a
    signal-to-noise ratio of mean powers.
    """
    noise = np.resize(noise, len(samples))
    power, noise_power = np.mean(np.square(samples)), np.mean(np.square(noise))
    gain = np.sqrt(power / max(float(noise_power), 1e-12) / 10 ** (snr_db / 10))
    mixed: Samples = (samples + gain * noise).astype(np.float32)
    return mixed


def add_reverberation(
    samples: Samples, sample_rate: int, t60_s: float, rng: np.random.Generator
) -> Samples:
    """Return samples (n,) convolved with a random room impulse response, at the same level.

    The response is a direct path and Gaussian noise that decays by 60 dB in ``t60_s`` (Polack
    1988), 0 to 10 dB below the direct path.

    Args:
        samples: (n,).
        sample_rate: in Hz.
        t60_s: reverberation time.
        rng: draws the response.
    """
    length = round(t60_s * sample_rate)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    tail[: round(0.002 * sample_rate)] = 0  # the first reflection arrives after two milliseconds
    tail *= np.sqrt(10 ** (-rng.uniform(0, 10) / 10) / np.sum(np.square(tail)))
    tail[0] = 1.0
    size = 1 << (len(samples) + length - 1).bit_length()  # so long that nothing wraps round
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(tail, size), size)[: len(samples)]
    level = np.sqrt(np.mean(np.square(samples)) / max(float(np.mean(np.square(wet))), 1e-12))
    reverberant: Samples = (wet * level).astype(np.float32)
    return reverberant


@functools.lru_cache(maxsize=64)
def noise_files(folder: str) -> tuple[str, ...]:
    """Return the recordings in a folder, at any depth.

    Raises:
        DataError: the folder holds no recording.
    """
    paths = [str(p) for p in files_below(folder) if p.suffix.lower() in AUDIO_SUFFIXES]
    if not paths:
        raise DataError(
            f"There are no noise recordings in {folder}.",
            f"Known: {' '.join(sorted(AUDIO_SUFFIXES))}",
        )
    return tuple(paths)


def _noise(path: str, sample_rate: int) -> Samples:
    known = _noises.get((path, sample_rate))
    if known is not None:
        return known
    audio = load_audio(path, sample_rate)
    if audio.is_silent:
        raise DataError(f"The noise {path} is silent.", "Take it out of the folder.")
    if sum(map(len, _noises.values())) + len(audio.samples) > KEPT_SAMPLES:
        _noises.clear()
    _noises[path, sample_rate] = audio.samples
    return audio.samples


_noises: dict[
    tuple[str, int], Samples
] = {}  # read before; a few hundred short ones, or a few long ones

"""Synthetic sound that moves like speech, for checks and benchmarks without recordings."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["made_audio"]


def made_audio(seconds: float, sample_rate: int = 16000, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return samples (n,) that move like speech: a buzz through three moving formants, four
    syllables a second.

    There are no words in it: the network takes as long as for speech, a beam search usually less.

    Args:
        seconds: length.
        sample_rate: in Hz.
        seed: of everything random.
    """
    rng = np.random.default_rng(seed)
    n = round(seconds * sample_rate)
    t = np.arange(n) / sample_rate
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    sound = np.zeros(n)
    for base, spread, rate in ((500, 250, 3.1), (1500, 600, 2.3), (2600, 300, 1.7)):
        resonance = base + spread * np.sin(2 * np.pi * rate * t + rng.uniform(0, 6))
        for harmonic in range(1, 28):
            gain = np.exp(-(((harmonic * pitch - resonance) / 180) ** 2))
            sound += gain * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 4 * t + rng.uniform(0, 6)) + 0.4, 0, None)
    noisy = sound * syllables / 4 + 0.01 * rng.standard_normal(n)
    return np.asarray(0.3 * noisy / max(1e-9, np.abs(noisy).max(initial=0)), np.float32)

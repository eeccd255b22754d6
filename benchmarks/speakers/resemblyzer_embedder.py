"""Resemblyzer (GE2E, three LSTM layers of 256) behind our embedder's interface, to compare with.

    pip install --target FOLDER --no-deps resemblyzer

FOLDER goes to `--resemblyzer`. Its voice detector is not used: both networks get the same stretches
of speech.
"""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from asr.speakers.config import front_end
from asr.speakers.embedder import Calibration, SpeakerEmbedder

Array = npt.NDArray[np.float32]
LOUDNESS_DB = -30.0  # to which it raises quiet recordings


class Resemblyzer(SpeakerEmbedder):
    """Resemblyzer's network on windows of its own features.

    Args:
        folder: where the package was installed.
    """

    def __init__(self, folder: str) -> None:
        sys.path.insert(0, folder)
        for name in ("webrtcvad", "scipy.ndimage.morphology"):  # imported, and not used here
            sys.modules.setdefault(name, types.ModuleType(name))
        sys.modules["scipy.ndimage.morphology"].binary_dilation = scipy.ndimage.binary_dilation
        import torch
        from resemblyzer import VoiceEncoder
        from resemblyzer.audio import wav_to_mel_spectrogram

        torch.set_num_threads(1)
        self.encoder, self.mel = VoiceEncoder("cpu", verbose=False).eval(), wav_to_mel_spectrogram
        features = replace(front_end(), n_mels=40)
        super().__init__(features, self._windows, Calibration(), "resemblyzer")

    def frames(self, samples: Array) -> Array:
        """Return its mel powers (T, 40)."""
        level_db = 10 * np.log10(max(float(np.mean(np.square(samples))), 1e-10))
        gain = 10 ** (max(0.0, LOUDNESS_DB - level_db) / 20)
        return self.mel(samples * np.float32(gain))

    def _windows(self, windows: Array) -> Array:
        import torch

        with torch.inference_mode():
            rows: Array = self.encoder(torch.from_numpy(np.ascontiguousarray(windows))).numpy()
        return rows

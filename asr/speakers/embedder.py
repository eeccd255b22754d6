"""Voices -> embeddings, with a model folder; it needs no torch where the network was exported.

Legend: N samples, T frames, F mel bands, B windows, E embedding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asr.audio.reading import Source, open_recording
from asr.config import build_config
from asr.errors import AudioError, ModelError
from asr.features.front_end import FrontEnd
from asr.model_folder import WEIGHTS, Bundle, open_model
from asr.onnx.sessions import new_session
from asr.speakers.config import front_end
from asr.speakers.sharing import SharedNetwork, Windows, even_starts
from asr.speakers.windows import Array, EmbeddedStretch, speech_embeddings

__all__ = [
    "DEFAULT_MODEL",
    "NETWORK_FILE",
    "TASK",
    "Calibration",
    "OnnxNetwork",
    "SpeakerEmbedder",
    "Voice",
]

DEFAULT_MODEL = "speaker"
NETWORK_FILE = "speaker.onnx"
TASK = "speaker"
AT_ONCE = 32  # windows that the network takes together
LEAST_SPEECH_S = 0.4

Embed = Callable[[Array], Array]


@dataclass(frozen=True)
class Calibration:
    """What cosines of embeddings mean; measured on speakers that the network did not learn from.

    Attributes:
        scale: the log-odds that two voices are one person's, at even odds before, are
            ``scale * cosine + shift``.
        shift: see there.
        overlap: probability from which the network's word is taken that two voices speak at once.
        threshold: mean squared distance of stretches of speech from their speakers' centres that a
            second speaker takes away, at least, beside what noise explains; a third one and others
            less, see :mod:`asr.speakers.stretches`.
        noise: that part of it, over 1 / seconds of the two nearest speakers, summed.
    """

    scale: float = 20.0
    shift: float = -8.0
    overlap: float = 0.3
    threshold: float = 0.07
    noise: float = 0.1

    def log_odds(self, cosine: float) -> float:
        """Return the natural logarithm of the odds that two voices are one person's."""
        return self.scale * cosine + self.shift

    def probability(self, cosine: float) -> float:
        """Return the probability, 0 to 1, that two voices are one person's, at even odds before."""
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, self.log_odds(cosine)))))


@dataclass(frozen=True)
class Voice:
    """The voice in a recording.

    Attributes:
        embedding: (E,) of length 1.
        speech_s: seconds of speech that it was computed from.
        agreement: mean cosine of its windows with it: low where it is noise, or several voices.
    """

    embedding: Array
    speech_s: float
    agreement: float


@dataclass(frozen=True)
class _Saved:
    """What is read of ``config.yaml``; the rest describes the network to torch."""

    task: str = TASK
    features: FrontEnd = field(default_factory=front_end)
    calibration: Calibration = field(default_factory=Calibration)
    centred: bool = False  # of an imported network: each window less its mean


class SpeakerEmbedder:
    """Turns speech into embeddings of its speaker's voice.

    Args:
        features: how samples become frames.
        embed: log-Mel features (B, T, F) -> embeddings (B, E) of length 1.
        calibration: what their cosines mean.
        name: of the model.

    Example:
        >>> import asr
        >>> embedder = asr.SpeakerEmbedder.load()  # doctest: +SKIP
        >>> a, b = embedder.voice("a.wav"), embedder.voice("b.wav")  # doctest: +SKIP
        >>> embedder.calibration.probability(float(a.embedding @ b.embedding))  # doctest: +SKIP
        0.98
    """

    def __init__(
        self,
        features: FrontEnd,
        embed: Embed,
        calibration: Calibration | None = None,
        name: str = "",
    ) -> None:
        self.features, self.calibration, self.name = features, calibration or Calibration(), name
        self._embed = embed

    @classmethod
    def load(cls, model: str | Path | Bundle = DEFAULT_MODEL, threads: int = 1) -> SpeakerEmbedder:
        """Return the embedder of a model folder, or of a run folder that holds one.

        Args:
            model: its path, or its name where it comes with asr.
            threads: of the processor, for an exported network.

        Raises:
            ModelError: no model there, a damaged one, one of another task, or one without a
                network.
        """
        bundle = open_model(model, task=TASK)
        known = {
            key: bundle.config[key]
            for key in ("features", "calibration", "centred")
            if bundle.config.get(key)
        }
        saved = build_config(_Saved, known, where=str(bundle.path))
        if NETWORK_FILE in bundle.files:
            session = new_session(
                bundle.file(NETWORK_FILE), "Export the model again.", threads=threads
            )
            embed: Embed = OnnxNetwork(session, saved.centred)
            if len(session.get_inputs()) == 2:
                embed = SharedNetwork(session, bundle.config["network"]["conv_strides"])
        elif WEIGHTS in bundle.files:
            from asr.speakers.model import FittedSpeakers

            embed = FittedSpeakers.load(bundle).embed
        else:
            raise ModelError(
                f"The model {bundle.path} holds no network: neither {NETWORK_FILE} nor {WEIGHTS}.",
                "Copy the whole folder again.",
            )
        return cls(saved.features, embed, saved.calibration, bundle.name)

    def embed_stretches(
        self, stretches: Sequence[Array], window_s: float, hop_s: float
    ) -> list[EmbeddedStretch]:
        """Return the embeddings of the windows of each stretch of speech.

        Windows lie evenly, so that the last one ends with its stretch; a stretch that is shorter
        than a window is one.

        Args:
            stretches: log-Mel features (T, F) of each.
            window_s: length of a window.
            hop_s: from one window to the next, at most.
        """
        shift_s = self.features.frame_shift / self.sample_rate
        fixed = self._embed.length if isinstance(self._embed, OnnxNetwork) else 0
        windows = Windows(fixed or round(window_s / shift_s), max(1, round(hop_s / shift_s)))
        starts = [even_starts(len(frames), windows) for frames in stretches]
        lengths = [min(windows.length, len(frames)) for frames in stretches]
        middles = [
            ((first + length / 2) * shift_s).astype(np.float32)
            for first, length in zip(starts, lengths, strict=True)
        ]
        if isinstance(self._embed, SharedNetwork):
            found = self._embed.stretches(stretches, windows)
            return list(map(EmbeddedStretch, middles, *found))
        cut = [
            np.resize(frames[first : first + length], (windows.length, *frames.shape[1:]))
            for frames, firsts, length in zip(stretches, starts, lengths, strict=True)
            for first in firsts
        ]
        if not cut:
            return []
        rows = self.embed_windows(np.stack(cut))
        parts = np.split(rows, np.cumsum([*map(len, starts)])[:-1])
        return list(map(EmbeddedStretch, middles, parts))

    @property
    def sample_rate(self) -> int:
        """Samples a second that the network takes."""
        return self.features.sample_rate

    def with_calibration(self, calibration: Calibration) -> SpeakerEmbedder:
        """Return an embedder with another calibration, which shares the network."""
        return SpeakerEmbedder(self.features, self._embed, calibration, self.name)

    def embed_windows(self, windows: Array) -> Array:
        """Return the embeddings (B, E) of log-Mel features (B, T, F)."""
        parts = [
            self._embed(windows[first : first + AT_ONCE])
            for first in range(0, len(windows), AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)

    def frames(self, samples: Array) -> Array:
        """Return the log-Mel features (T, F) of samples (N,)."""
        return self.features(samples)

    def voice(self, source: Source, sample_rate: int | None = None) -> Voice:
        """Return the voice in a recording of one speaker.

        Args:
            source: path, bytes, binary file object, or samples (n,) or (n, channels) in [-1, 1].
            sample_rate: of ``source`` in Hz where it is an array of samples.

        Raises:
            AudioError: the recording cannot be read, or has less than 0.4 s of speech.
        """
        with open_recording(source, sample_rate) as recording:
            blocks = recording.resampled(self.sample_rate, "mix")
            parts = list(speech_embeddings(blocks, self))
            name = recording.name
        speech_s = sum(part.end - part.start for part in parts)
        if speech_s < LEAST_SPEECH_S:
            raise AudioError(
                f"{name} has {speech_s:.1f} s of speech, too little to know a voice by.",
                "Give a recording with some seconds of speech.",
            )
        rows = np.concatenate([part.embeddings for part in parts])
        weights = np.concatenate(
            [np.full(len(p.embeddings), (p.end - p.start) / len(p.embeddings)) for p in parts]
        )
        mean = weights @ rows
        embedding = (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32)
        agreement = float(weights @ (rows @ embedding) / weights.sum())
        return Voice(embedding, round(speech_s, 2), agreement)


class OnnxNetwork:
    """A network in ONNX that takes whole windows.

    Args:
        session: of ONNX Runtime.
        centred: whether the mean over time is taken from each window.

    Attributes:
        length: frames of a window, where the graph takes no others; else 0.
    """

    def __init__(self, session: Any, centred: bool = False) -> None:
        self._session, self._centred = session, centred
        port = session.get_inputs()[0]
        self._input, shape = port.name, port.shape
        self._alone = shape[0] == 1
        self.length = shape[1] if len(shape) > 1 and isinstance(shape[1], int) else 0

    def __call__(self, windows: Array) -> Array:
        """Windows (B, T, F) or (B, N) -> embeddings (B, E) of length 1."""
        if self._centred:
            windows = windows - windows.mean(1, keepdims=True)
        batches = np.split(windows, len(windows)) if self._alone else [windows]
        rows: Array = np.concatenate([self._run(batch) for batch in batches])
        unit: Array = rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-9)
        return unit

    def _run(self, windows: Array) -> Any:
        return self._session.run(None, {self._input: np.ascontiguousarray(windows)})[0]

"""The speech of a recording, stretch by stretch, with embeddings of its windows, in bounded memory.

Legend: n samples, B windows, E embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from asr.audio.segmentation import SegmentationConfig, speech_windows
from asr.features.front_end import FrontEnd

__all__ = [
    "HOP_S",
    "SPEECH",
    "WINDOW_S",
    "Array",
    "EmbeddedStretch",
    "Embeds",
    "SpeechPart",
    "speech_embeddings",
]

WINDOW_S = 1.5
HOP_S = 0.5

# Stretches end at short pauses already: where speakers change there mostly is one.
SPEECH = SegmentationConfig(
    max_window_s=20.0, min_pause_s=0.3, shortest_pause_s=0.1, pad_s=0.05, context_s=0.0
)
Array = npt.NDArray[np.float32]

POOLED = 64  # stretches whose windows go through the network together


def _not_told() -> Array:
    return np.zeros(0, np.float32)


class Embeds(Protocol):
    """What turns samples into embeddings: :class:`asr.speakers.embedder.SpeakerEmbedder`."""

    features: FrontEnd

    @property
    def sample_rate(self) -> int:
        """Samples a second."""

    def frames(self, samples: Array) -> Array:
        """Samples (n,) -> features (T, F)."""

    def embed_stretches(
        self, stretches: Sequence[Array], window_s: float, hop_s: float
    ) -> list[EmbeddedStretch]:
        """Features (T, F) each -> what the network makes of them."""


@dataclass(frozen=True)
class EmbeddedStretch:
    """What the network makes of a stretch of speech.

    Attributes:
        middles: (B,) of its windows, in seconds from its start.
        embeddings: (B, E) of the windows, of length 1.
        overlap: (S,) probability at even steps that two voices speak at once; (0,) where the
            network does not tell.
    """

    middles: Array
    embeddings: Array
    overlap: Array = field(default_factory=_not_told)


@dataclass(frozen=True)
class SpeechPart:
    """A stretch of speech without a longer pause.

    Attributes:
        start: in seconds.
        end: in seconds.
        middles: (B,) of its windows, in seconds.
        embeddings: (B, E) of length 1.
        overlap: see :class:`EmbeddedStretch`.
    """

    start: float
    end: float
    middles: Array
    embeddings: Array
    overlap: Array = field(default_factory=_not_told)

    @classmethod
    def of(cls, start: float, end: float, stretch: EmbeddedStretch) -> SpeechPart:
        """Return an embedded stretch at its place in the recording, in seconds."""
        middles = stretch.middles + np.float32(start)
        return cls(start, end, middles, stretch.embeddings, stretch.overlap)


def speech_embeddings(
    blocks: Iterable[Array],
    embedder: Embeds,
    window_s: float = WINDOW_S,
    hop_s: float = HOP_S,
) -> Iterator[SpeechPart]:
    """Yield the stretches of speech in a recording that comes in blocks, in order of time.

    Args:
        blocks: (n,) at the embedder's rate.
        embedder: of the voices.
        window_s: length of the windows.
        hop_s: from one window to the next, at most.
    """
    rate, least = embedder.sample_rate, embedder.features.frame_length
    pool: list[tuple[float, float, Array]] = []

    def embedded() -> Iterator[SpeechPart]:
        rows = embedder.embed_stretches([frames for _, _, frames in pool], window_s, hop_s)
        for (start, end, _), stretch in zip(pool, rows, strict=True):
            yield SpeechPart.of(start, end, stretch)

    for window in speech_windows(blocks, rate, SPEECH):
        if len(window.samples) < 2 * least:
            continue
        pool.append((window.start / rate, window.stop / rate, embedder.frames(window.samples)))
        if len(pool) == POOLED:
            yield from embedded()
            pool.clear()
    yield from embedded()

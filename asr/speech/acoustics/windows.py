"""What of a recording the network takes at once: all of a short one, windows of a long one.

Legend: n samples, T output frames, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from asr.audio.reading import SILENCE
from asr.audio.segmentation import SegmentationConfig, Window, speech_windows
from asr.audio.trimming import trimmed_windows
from asr.errors import AudioError
from asr.speech.acoustics.frames import FrameShape
from asr.speech.acoustics.protocol import Acoustics
from asr.speech.acoustics.stitching import Section, in_batches, stitched_sections, whole_log_probs

__all__ = ["LONG_S", "Heard", "Hearing", "RecordingReader"]

LONG_S = 30.0  # from here on a recording is read in windows
BATCH_S = 40.0  # seconds, padding included, that the network gets at once; more leaves the caches

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Heard:
    """A recording of which all is in memory.

    Attributes:
        samples: (n,) or (n, channels) at the rate of the network.
        start_s: time of the first one by the clock of the file, in seconds.
        notes: what is to be said about the recording.
    """

    samples: Samples
    start_s: float = 0.0
    notes: tuple[str, ...] = ()


class Hearing:
    """Blocks of a recording on their way to the network; what is to be known of all of them.

    Args:
        blocks: (n,) each.

    Attributes:
        count: samples so far.
        peak: the largest of them, from 0.
    """

    def __init__(self, blocks: Iterable[Samples]) -> None:
        self._blocks, self.count, self.peak = blocks, 0, 0.0

    def __iter__(self) -> Iterator[Samples]:
        for block in self._blocks:
            self.count += len(block)
            self.peak = max(self.peak, float(np.abs(block).max(initial=0.0)))
            yield block

    def check(self, name: str, frames: FrameShape) -> None:
        """Refuse a recording, after its last block, with which no text can be aligned.

        Raises:
            AudioError: it is silent, or shorter than one frame.
        """
        frames.check_lengths([range(self.count)])
        if self.peak < SILENCE:
            raise AudioError(
                f"{name} is silent: no text can be aligned with it.", "Check the recording."
            )


@dataclass(frozen=True)
class RecordingReader:
    """Gives the network recordings of any length, in pieces and batches that it can take.

    Attributes:
        acoustics: the network.
        segmentation: how long recordings are cut.
    """

    acoustics: Acoustics
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)

    @property
    def frames(self) -> FrameShape:
        """Shape of the network's frames."""
        return self.acoustics.frames

    def is_long(self, num_samples: int) -> bool:
        """Return whether a recording is read in windows."""
        return num_samples > LONG_S * self.frames.sample_rate

    def parts(self, samples: Samples) -> list[Window]:
        """Return what of a short recording (n,) the network hears, each stretch by itself.

        That is all of it, or its speech where the network learned from speech alone
        (``features.trim``).
        """
        whole = [Window(0, samples)]
        if not self.frames.features.trim or len(samples) < self.frames.frame_length:
            return whole
        return list(trimmed_windows(whole, self.frames.sample_rate))

    def channel_parts(self, recording: Samples) -> list[Window]:
        """Return the :meth:`parts` of each channel of (n,) or (n, channels)."""
        return [
            replace(part, channel=channel)
            for channel, samples in enumerate(np.atleast_2d(recording.T))
            for part in self.parts(np.ascontiguousarray(samples))
        ]

    def log_probs(self, recordings: Sequence[Samples]) -> list[Samples]:
        """Return log-probabilities (T, V) of short recordings (n,), batched by length."""
        return in_batches(recordings, self.acoustics.log_probs, self._max_batch)

    def whole_log_probs(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield log-probabilities (T, V) of a recording of any length, silence included.

        Args:
            blocks: the recording, (n,) each.
        """
        stride, rate = self.frames.stride, self.frames.sample_rate
        window, context = (
            round(seconds * rate / stride) * stride
            for seconds in (self.segmentation.max_window_s, self.segmentation.context_s)
        )
        return whole_log_probs(
            blocks,
            self._padded_log_probs,
            stride=stride,
            window=window,
            context=context,
            max_batch=self._max_batch,
        )

    def sections(
        self, blocks: Iterable[Samples], starts_word: npt.NDArray[np.bool_]
    ) -> Iterator[Section]:
        """Yield the stretches of speech of a long recording, in order of time for each channel.

        Args:
            blocks: the recording, (n,) or (n, channels) each.
            starts_word: (V,) tokens that begin a word.
        """
        stride, rate = self.frames.stride, self.frames.sample_rate
        hop = round(rate / 100)  # samples of a frame of the speech detector
        # windows are cut where both a detector's frame and an output frame begin
        multiple = math.lcm(stride, hop) // hop
        windows = speech_windows(blocks, rate, self.segmentation, multiple)
        if self.frames.features.trim:
            windows = trimmed_windows(windows, rate)
        return stitched_sections(
            windows, self._padded_log_probs, stride, starts_word, self._max_batch
        )

    @property
    def _max_batch(self) -> int:
        return round(BATCH_S * self.frames.sample_rate)

    def _padded_log_probs(self, recordings: Sequence[Samples]) -> list[Samples]:
        """As :meth:`Acoustics.log_probs`; what is shorter than a frame, as the end of a recording
        may be, is padded.
        """
        shortest = self.frames.frame_length
        padded = [np.pad(r, (0, max(0, shortest - len(r)))) for r in recordings]
        return self.acoustics.log_probs(padded)

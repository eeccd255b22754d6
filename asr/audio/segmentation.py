"""Voice activity detection and segmentation of long recordings, in bounded memory.

A frame (10 ms) is speech if its energy lies clearly above the noise floor, a low percentile of the
energies within some seconds to both sides. A window ends at a pause; the longer the window has
grown, the shorter a pause is enough. Where nobody pauses, windows overlap, and the network's
outputs are stitched together by :mod:`asr.speech.acoustics.stitching`.

Legend: n samples, T frames of 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.config import check_range

__all__ = [
    "SegmentationConfig",
    "SpeechDetector",
    "Window",
    "frame_energies",
    "percentiles",
    "speech_windows",
]

FRAME_S = 0.01
SECOND = 100  # frames
FLOOR_DB = -100.0
STEADY_DB = 6.0  # speech of some seconds always varies by more
BACKGROUND_DB = 12.0

Samples = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SegmentationConfig:
    """How a long recording is cut; all times in seconds.

    Attributes:
        max_window_s: longest window, without its context.
        min_pause_s: pause that ends any window.
        shortest_pause_s: pause that ends a window of nearly ``max_window_s``.
        pad_s: kept before and after speech.
        context_s: on both sides of a cut without a pause, that both windows share.
        noise_window_s: on each side of a frame, from which its noise floor is estimated.
        threshold_db: of speech above the noise floor, at least; more where speech is much louder
            than the noise.
        silence_db: level, relative to full scale, below which nothing is speech.
    """

    max_window_s: float = 28.0
    min_pause_s: float = 0.6
    shortest_pause_s: float = 0.15
    pad_s: float = 0.3
    context_s: float = 2.56
    noise_window_s: float = 8.0
    threshold_db: float = 4.0
    silence_db: float = -75.0

    def __post_init__(self) -> None:
        check_range("segmentation.max_window_s", self.max_window_s, 1, 600)
        check_range(
            "segmentation.shortest_pause_s", self.shortest_pause_s, 2 * FRAME_S, self.min_pause_s
        )
        check_range("segmentation.pad_s", self.pad_s, 0, 10)
        check_range("segmentation.context_s", self.context_s, 0, self.max_window_s / 2)
        check_range("segmentation.noise_window_s", self.noise_window_s, 1, 60)


@dataclass(frozen=True)
class Window:
    """A stretch of a recording that the network takes at once.

    Attributes:
        start: index in the recording of the first sample that is not context.
        samples: (n,), context included.
        before: number of context samples at the beginning, which belong to the window before.
        after: number of context samples at the end, which belong to the window after.
        goes_on: the next window begins where this one ends, without a pause.
        channel: of the recording, from 0.
    """

    start: int
    samples: Samples
    before: int = 0
    after: int = 0
    goes_on: bool = False
    channel: int = 0

    @property
    def stop(self) -> int:
        """Index in the recording of the sample after the last one that is not context."""
        return self.start + len(self.samples) - self.before - self.after


def frame_energies(samples: Samples, hop: int, previous: float = 0.0) -> npt.NDArray[np.float32]:
    """Return the energy (T,) of each frame in dB of full scale.

    The samples are differenced first (pre-emphasis with coefficient 1), which removes hum.

    Args:
        samples: (n,); an incomplete frame at the end is left out.
        hop: samples per frame.
        previous: the sample before the first one.
    """
    count = len(samples) // hop
    steps = np.empty(count * hop, np.float32)
    steps[:1] = samples[: min(1, count)] - np.float32(previous)
    np.subtract(samples[1 : count * hop], samples[: max(0, count * hop - 1)], out=steps[1:])
    frames = steps.reshape(count, hop)
    power = np.einsum("th,th->t", frames, frames) / hop
    levels: npt.NDArray[np.float32] = np.maximum(10 * np.log10(power + 1e-10), FLOOR_DB).astype(
        np.float32
    )
    return levels


def percentiles(values: npt.NDArray[np.floating[Any]], *percents: float) -> list[float]:
    """Return what ``np.percentile`` does for (n,) values, n > 0, in a fraction of its time for a
    thousand of them; that one also imports ``numpy.ma``, 0.05 s of the start.
    """
    last = len(values) - 1
    places = [percent / 100 * last for percent in percents]
    below = [int(place) for place in places]
    ordered = np.partition(values, [*below, *(min(low + 1, last) for low in below)])
    found = []
    for place, low in zip(places, below, strict=True):
        one, other = float(ordered[low]), float(ordered[min(low + 1, last)])
        found.append(one + (other - one) * (place - low))
    return found


class SpeechDetector:
    """Classifies frames as speech, second by second, from their energies and those around them.

    Args:
        config: thresholds.
    """

    def __init__(self, config: SegmentationConfig) -> None:
        self.config = config
        self.reach = round(config.noise_window_s / FRAME_S)
        self.loudest = FLOOR_DB

    def flags(
        self, energies: npt.NDArray[np.float32], first: int, last: int
    ) -> npt.NDArray[np.bool_]:
        """Return whether each frame from ``first`` to ``last`` is speech.

        Calls must follow each other in time: the detector remembers how loud speech has been.

        Args:
            energies: (T,) in dB; those around the asked frames say how loud the noise is.
            first: index in ``energies`` of the first frame to classify.
            last: index after the last one.
        """
        smooth = energies  # averaged over five frames, where there are any
        if len(energies):
            smooth = np.convolve(np.pad(energies, 2, mode="edge"), np.full(5, 0.2), "valid")
        speech = np.zeros(last - first, np.bool_)
        for begin in range(first, last, SECOND):
            around = smooth[max(0, begin - self.reach) : begin + SECOND + self.reach]
            levels = smooth[begin : min(begin + SECOND, last)]
            flags = levels > self._threshold(around)
            if flags.any():
                self.loudest = max(self.loudest, percentiles(levels[flags], 90)[0])
            speech[begin - first : begin - first + len(levels)] = flags
        return speech

    def _threshold(self, around: npt.NDArray[np.float32]) -> float:
        config = self.config
        noise, peak = percentiles(around, 10, 97)
        if peak - noise >= STEADY_DB:
            above = max(config.threshold_db, 0.3 * (peak - noise))
            return max(config.silence_db, noise + above)
        # The level is steady. If speech has been much louder, this is background noise; else it may
        # be speech, and is kept.
        return float("inf") if peak < self.loudest - BACKGROUND_DB else config.silence_db


class _Cutter:
    """Turns speech flags into the boundaries of windows: (first frame, end frame, goes on).

    Frames are counted from the beginning of the recording.

    Args:
        config: lengths of windows and pauses.
        grid: a window that goes on has a multiple of so many frames.
    """

    def __init__(self, config: SegmentationConfig, grid: int) -> None:
        self.config, self.grid = config, grid
        self.frame = 0  # the next one
        self.start = -1  # first frame of the open window; negative between windows
        self.last_speech = -1
        self.end = 0  # of the window before
        self.pad = round(config.pad_s / FRAME_S)
        self.limit = max(1, round(config.max_window_s / FRAME_S) // grid) * grid

    def push(self, flags: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int, bool]]:
        for flag in flags.tolist():
            if flag:
                if self.start < 0:
                    self.start = max(self.end, self.frame - self.pad)
                self.last_speech = self.frame
            elif self.start >= 0 and self.frame - self.last_speech >= self._needed():
                yield self._close()
            self.frame += 1
            if self.start >= 0 and self.frame - self.start >= self.limit:
                begin, self.start = self.start, self.start + self.limit
                self.end = self.start
                yield begin, self.start, True

    def finish(self) -> Iterator[tuple[int, int, bool]]:
        if self.start >= 0:
            yield self._close()

    def _close(self) -> tuple[int, int, bool]:
        pause = self.frame - self.last_speech - 1
        padding = min(self.pad, max(pause, 0) // 2)  # half of the pause is left to the next window
        begin, self.start = self.start, -1
        self.end = max(begin + 1, self.last_speech + 1 + padding)
        return begin, self.end, False

    def _needed(self) -> int:
        """Frames of pause that end the window at its present length.

        From half of the longest length on, they fall linearly to the shortest pause.
        """
        long_s, short_s = self.config.min_pause_s, self.config.shortest_pause_s
        share = min(1.0, max(0.0, 2 * (self.frame - self.start) / self.limit - 1))
        return round((long_s + share * (short_s - long_s)) / FRAME_S)


class _Recording:
    """Buffer of a recording's latest samples and energies; its frames are counted from the
    recording's beginning.
    """

    def __init__(self, hop: int) -> None:
        self.hop, self.offset, self.previous = hop, 0, 0.0
        self.samples = np.zeros(0, np.float32)
        self.energies = np.zeros(0, np.float32)

    @property
    def frames(self) -> int:
        return self.offset + len(self.energies)

    @property
    def stop(self) -> int:
        return self.offset * self.hop + len(self.samples)

    def push(self, block: Samples) -> None:
        done = len(self.energies) * self.hop
        self.samples = np.concatenate([self.samples, block])
        previous = float(self.samples[done - 1]) if done else self.previous
        self.energies = np.concatenate(
            [self.energies, frame_energies(self.samples[done:], self.hop, previous)]
        )

    def drop_before(self, frame: int) -> None:
        """Drop what lies before ``frame``."""
        count = max(0, min(frame - self.offset, len(self.energies)))
        if count:
            # Copies, since a view would keep the whole old array in memory.
            self.previous = float(self.samples[count * self.hop - 1])
            self.samples = self.samples[count * self.hop :].copy()
            self.energies = self.energies[count:].copy()
            self.offset += count

    def cut(self, begin: int, end: int) -> Samples:
        """Return samples ``begin`` to ``end``, counted from the beginning of the recording."""
        first = self.offset * self.hop
        return np.array(self.samples[begin - first : end - first])


class _Windows:
    """Windows of one channel; see :func:`speech_windows`."""

    def __init__(
        self, sample_rate: int, config: SegmentationConfig, grid: int, channel: int
    ) -> None:
        self.hop, self.channel = round(sample_rate * FRAME_S), channel
        self.recording, self.cutter = _Recording(self.hop), _Cutter(config, grid)
        self.detector = SpeechDetector(config)
        self.ahead = self.detector.reach + SECOND  # frames that a decision has to wait for
        self.context = round(config.context_s / FRAME_S / grid) * grid
        self.before = 0  # context samples of the next window
        self.waiting: list[tuple[int, int, bool]] = []

    def push(self, block: Samples) -> Iterator[Window]:
        self.recording.push(block)
        self._flag((self.recording.frames - self.ahead) // SECOND * SECOND)
        while self.waiting and self.recording.frames >= self.waiting[0][1] + self.context:
            yield self._window(*self.waiting.pop(0), last=False)
        pending = self.waiting[0][0] if self.waiting else self.cutter.start
        oldest = min(pending, self.cutter.frame) if pending >= 0 else self.cutter.frame
        self.recording.drop_before(oldest - max(self.context, self.ahead))

    def finish(self) -> Iterator[Window]:
        self._flag(self.recording.frames)
        self.waiting += self.cutter.finish()
        while self.waiting:
            yield self._window(*self.waiting.pop(0), last=not self.waiting)

    def _flag(self, until: int) -> None:
        first, offset = self.cutter.frame, self.recording.offset
        if until > first:
            self.waiting += self.cutter.push(
                self.detector.flags(self.recording.energies, first - offset, until - offset)
            )

    def _window(self, begin: int, end: int, goes_on: bool, last: bool) -> Window:
        recording, before = self.recording, self.before
        stop = recording.stop if last and end >= recording.frames else end * self.hop
        after = min(self.context * self.hop, recording.stop - stop) if goes_on else 0
        self.before = self.context * self.hop if goes_on else 0
        samples = recording.cut(begin * self.hop - before, stop + after)
        return Window(begin * self.hop, samples, before, after, goes_on, channel=self.channel)


def speech_windows(
    blocks: Iterable[Samples],
    sample_rate: int,
    config: SegmentationConfig | None = None,
    grid: int = 4,
) -> Iterator[Window]:
    """Yield windows of the speech in a recording that comes in blocks, in order of time.

    Between windows lies silence; windows that meet without a pause (``goes_on``) overlap by their
    context. The result does not depend on how the recording is cut into blocks. Memory is that of a
    window, a block and the noise window.

    Args:
        blocks: (n,), or (n, channels): then each channel has windows of its own, in order of time
            within the channel.
        sample_rate: in Hz.
        config: how the recording is cut.
        grid: frames of 10 ms between two outputs of the network; the length of a window that goes
            on is a multiple of it.
    """
    config, channels = config or SegmentationConfig(), list[_Windows]()
    for block in blocks:
        columns = np.atleast_2d(block.T)
        new = range(len(channels), len(columns))  # the first block says how many there are
        channels += [_Windows(sample_rate, config, grid, channel) for channel in new]
        for windows, samples in zip(channels, columns, strict=True):
            yield from windows.push(samples)
    for windows in channels:
        yield from windows.finish()

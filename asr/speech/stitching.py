"""Windows of a long recording -> log-probabilities of whole stretches of speech, each to be decoded
at once.

Windows that go on overlap by their context. Of the overlap, each side keeps the frames that are its
own, so that a word at the seam is heard with what surrounds it, and stands in the result once.
Stretches without a pause are cut between two words, at the longest blank. Legend: T output frames,
V vocabulary, n samples.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.audio.segmentation import Window

__all__ = ["Section", "between_words", "in_batches", "stitched_sections", "whole_log_probs"]

Array = npt.NDArray[np.float32]
POOL = 32  # windows looked at together, so that those of similar lengths share a batch


@dataclass(frozen=True)
class Section:
    """A stretch of speech.

    Attributes:
        start: number of its first sample.
        log_probs: (T, V).
        channel: of the recording, from 0.
    """

    start: int
    log_probs: Array
    channel: int = 0


def stitched_sections(
    windows: Iterable[Window],
    log_probs: Callable[[Sequence[Array]], list[Array]],
    stride: int,
    starts_word: npt.NDArray[np.bool_],
    max_batch: int,
) -> Iterator[Section]:
    """Yield the stretches of speech of a recording, those of each channel in order of time.

    Args:
        windows: as :func:`asr.audio.segmentation.speech_windows` yields them, cut at multiples of
            ``stride``.
        log_probs: recordings (n,) -> (T, V) each.
        stride: samples an output frame.
        starts_word: (V,) tokens that begin a word.
        max_batch: padded samples given to ``log_probs`` at once.
    """
    carried: dict[int, Section] = {}  # of each channel: what follows the last cut
    for window, frames in _computed(windows, log_probs, max_batch):
        channel, own = window.channel, _own(window, frames, stride)
        section = Section(window.start, own, channel)
        if (before := carried.pop(channel, None)) is not None:
            section = Section(before.start, np.concatenate([before.log_probs, own]), channel)
        if window.goes_on:
            cut = between_words(section.log_probs, starts_word)
            start = section.start + cut * stride
            carried[channel] = Section(start, section.log_probs[cut:], channel)
            section = Section(section.start, section.log_probs[:cut], channel)
        if len(section.log_probs):
            yield section


def whole_log_probs(
    samples: Array,
    log_probs: Callable[[Sequence[Array]], list[Array]],
    stride: int,
    window: int,
    context: int,
    max_batch: int,
) -> Array:
    """Return log-probabilities (T, V) of a recording (n,) of any length, silence included, from
    overlapping windows.

    Args:
        log_probs: see :func:`stitched_sections`.
        stride: see :func:`stitched_sections`.
        max_batch: see :func:`stitched_sections`.
        window: samples of a window, and context: samples that it hears of its neighbours; multiples
            of ``stride``.
    """
    windows = []
    for start in range(
        0, max(1, len(samples) - context), window
    ):  # no window of a moment at the end
        goes_on = start + window < len(samples) - context
        stop = start + window if goes_on else len(samples)
        first, last = max(0, start - context), min(len(samples), stop + context)
        windows.append(Window(start, samples[first:last], start - first, last - stop, goes_on))
    return np.concatenate(
        [_own(w, frames, stride) for w, frames in _computed(windows, log_probs, max_batch)]
    )


def _own(window: Window, frames: Array, stride: int) -> Array:
    """Of a window's output frames those that no neighbour owns."""
    first = window.before // stride
    return frames[
        first : first + (window.stop - window.start) // stride if window.goes_on else None
    ]


def in_batches(
    recordings: Sequence[Array], log_probs: Callable[[Sequence[Array]], list[Array]], max_batch: int
) -> list[Array]:
    """Return log-probabilities (T, V) of recordings (n,), those of similar lengths computed
    together.

    Args:
        log_probs: of a batch of recordings.
        max_batch: samples of a batch, padding included.
    """
    found: dict[int, Array] = {}
    order = sorted(range(len(recordings)), key=lambda i: len(recordings[i]))
    while order:
        batch = [order.pop()]  # the longest that is left, and as many of the next ones as fit
        while order and (len(batch) + 1) * len(recordings[batch[0]]) <= max_batch:
            batch.append(order.pop())
        found.update(zip(batch, log_probs([recordings[i] for i in batch]), strict=True))
    return [found[i] for i in range(len(recordings))]


def _computed(
    windows: Iterable[Window], log_probs: Callable[[Sequence[Array]], list[Array]], max_batch: int
) -> Iterator[tuple[Window, Array]]:
    windows = iter(windows)
    while pool := list(itertools.islice(windows, POOL)):
        yield from zip(
            pool, in_batches([w.samples for w in pool], log_probs, max_batch), strict=True
        )


def between_words(log_probs: Array, starts_word: npt.NDArray[np.bool_]) -> int:
    """Return the frame in the later half of (T, V) to cut at: in the longest blank before a word's
    first token.

    Where no word begins, that is the end.
    """
    path = log_probs.argmax(axis=1)
    path_is_token = (path != 0) & (path != np.roll(path, 1))
    path_is_token[:1] = path[:1] != 0
    spoken = np.flatnonzero(path != 0)
    best, cut = -1, len(path)
    for frame in np.flatnonzero(path_is_token & starts_word[path]).tolist():
        place = int(np.searchsorted(spoken, frame))
        gap = frame - (int(spoken[place - 1]) + 1 if place else 0)
        if frame >= len(path) // 2 and gap >= best:
            best, cut = gap, frame - gap // 2
    return cut

"""Log-probabilities of long recordings, put together from overlapping windows.

Windows without a pause between them overlap by their context. Each window keeps the frames that are
not context, so that a word at the boundary is computed with what surrounds it and appears in the
result once. Stretches without a pause are cut between two words, at the longest run of blanks, so
that each can be decoded at once. Legend: T output frames, V vocabulary, n samples.
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
POOL = 32  # windows sorted by length together, so that a batch has little padding


@dataclass(frozen=True)
class Section:
    """A stretch of speech.

    Attributes:
        start: index of its first sample in the recording.
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
        windows: from :func:`asr.audio.segmentation.speech_windows`, cut at multiples of ``stride``.
        log_probs: gives the log-probabilities (T, V) of each recording (n,) of a batch.
        stride: samples between two output frames.
        starts_word: (V,) whether a token begins a word.
        max_batch: samples of a batch, padding included.
    """
    carried: dict[int, Section] = {}  # of each channel: the rest of a section after a cut
    for window, frames in _with_log_probs(windows, log_probs, max_batch):
        channel, own = window.channel, _without_context(window, frames, stride)
        section = Section(window.start, own, channel)
        if (before := carried.pop(channel, None)) is not None:
            section = Section(before.start, np.concatenate([before.log_probs, own]), channel)
        if window.goes_on:  # no pause: cut between two words, and carry the rest to the next window
            cut = between_words(section.log_probs, starts_word)
            start = section.start + cut * stride
            carried[channel] = Section(start, section.log_probs[cut:], channel)
            section = Section(section.start, section.log_probs[:cut], channel)
        if len(section.log_probs):
            yield section


def whole_log_probs(
    blocks: Iterable[Array],
    log_probs: Callable[[Sequence[Array]], list[Array]],
    *,
    stride: int,
    window: int,
    context: int,
    max_batch: int,
) -> Iterator[Array]:
    """Yield the log-probabilities (T, V) of a recording of any length, silence included, from
    overlapping windows, in order of time.

    Args:
        blocks: the recording, (n,) each.
        log_probs: see :func:`stitched_sections`.
        stride: see :func:`stitched_sections`.
        window: samples of a window without its context; a multiple of ``stride``.
        context: samples that a window shares with each neighbour; a multiple of ``stride``.
        max_batch: see :func:`stitched_sections`.
    """
    computed = _with_log_probs(_whole_windows(blocks, window, context), log_probs, max_batch)
    return (_without_context(w, frames, stride) for w, frames in computed)


def _whole_windows(blocks: Iterable[Array], window: int, context: int) -> Iterator[Window]:
    """Yield windows of a whole recording; the last one is longer than its context."""
    held, first, start = np.zeros(0, np.float32), 0, 0  # samples from `first` on
    for block in blocks:
        held = np.concatenate([held, block])
        while first + len(held) > start + window + context:
            stop = start + window
            samples = held[: stop + context - first].copy()
            yield Window(start, samples, start - first, context, goes_on=True)
            dropped = max(0, stop - context) - first
            held, first, start = held[dropped:], first + dropped, stop
    yield Window(start, held, start - first)


def _without_context(window: Window, frames: Array, stride: int) -> Array:
    """Return the output frames of a window that belong to none of its neighbours."""
    first = window.before // stride
    count = (window.stop - window.start) // stride
    return frames[first : first + count if window.goes_on else None]


def in_batches(
    recordings: Sequence[Array], log_probs: Callable[[Sequence[Array]], list[Array]], max_batch: int
) -> list[Array]:
    """Return log-probabilities (T, V) of recordings (n,), computed in batches of similar lengths.

    Args:
        recordings: in any order, which the result has too.
        log_probs: see :func:`stitched_sections`.
        max_batch: samples of a batch, padding included.
    """
    results: dict[int, Array] = {}
    order = sorted(range(len(recordings)), key=lambda i: len(recordings[i]))
    while order:
        batch = [order.pop()]  # the longest that is left, and as many of the next ones as fit
        while order and (len(batch) + 1) * len(recordings[batch[0]]) <= max_batch:
            batch.append(order.pop())
        results.update(zip(batch, log_probs([recordings[i] for i in batch]), strict=True))
    return [results[i] for i in range(len(recordings))]


def _with_log_probs(
    windows: Iterable[Window], log_probs: Callable[[Sequence[Array]], list[Array]], max_batch: int
) -> Iterator[tuple[Window, Array]]:
    """Yield each window beside its log-probabilities, context included."""
    windows = iter(windows)
    while pool := list(itertools.islice(windows, POOL)):
        arrays = in_batches([window.samples for window in pool], log_probs, max_batch)
        yield from zip(pool, arrays, strict=True)


def between_words(log_probs: Array, starts_word: npt.NDArray[np.bool_]) -> int:
    """Return the frame at which to cut (T, V) between two words, in its later half: within the
    longest run of blanks before a word; T where no word begins.

    Args:
        log_probs: of a stretch of speech.
        starts_word: (V,) whether a token begins a word.
    """
    path = log_probs.argmax(axis=1)
    path_is_token = (path != 0) & (path != np.roll(path, 1))  # where a new token begins
    path_is_token[:1] = path[:1] != 0
    spoken = np.flatnonzero(path != 0)
    longest, cut = -1, len(path)
    for frame in np.flatnonzero(path_is_token & starts_word[path]).tolist():
        place = int(np.searchsorted(spoken, frame))
        blanks = frame - (int(spoken[place - 1]) + 1 if place else 0)
        if frame >= len(path) // 2 and blanks >= longest:
            longest, cut = blanks, frame - blanks // 2
    return cut

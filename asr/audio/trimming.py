"""Recordings cut down to their speech, at borders that the speech itself decides.

What surrounds a sentence, silence or other sentences, moves none of its borders, not even by a
sample: frames are counted from its loudest sample, levels are compared with its own loudest frame
and its own pauses, and what is kept beside it ends where the sound of the room does. So a network
hears a sentence in a long recording exactly as it hears it alone, and says the same of it (with
8-bit weights nearly so: a batch has one scale).

Legend: n samples, T frames of 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from asr.audio.segmentation import FRAME_S, Samples, Window, frame_energies

__all__ = ["speech_parts", "trim", "trimmed_windows"]

BELOW_PEAK_DB = 32.0  # how much softer than the loudest frame speech may be
ABOVE_NOISE_DB = 4.0  # and how much louder than the pauses it must be, where that is more
NOISE_PERCENTILE = 10  # of the levels between the first and the last speech: the pauses
STEADY_DB = 6.0  # below this range there are no pauses
SILENCE_DB = -75.0  # under full scale: nothing is speech
# below the pauses: the recording has ended here, and what follows is another room, or none
DEAD_DB = 10.0
NO_SOUND_DB = -95.0  # digital silence is nobody's room
SMOOTH = 5  # frames over which levels are averaged
PAUSE = 55  # frames of pause at which speech is cut in two
PAD = 10  # frames kept beside speech, as far as they are of its room
LEAST = 5  # frames: what is shorter is a click
ROUNDS = 10  # until borders stay where they are; two or three do
ROOM_S, ROOM_LEVEL = (
    0.15,
    1e-4,
)  # faint noise put before and after every part, since a file may begin in a word


def speech_parts(samples: Samples, sample_rate: int, cut: bool = True) -> list[tuple[int, int]]:
    """Return begin and end, in samples, of each stretch of speech in (n,), in order of time; pauses
    part them.

    Args:
        cut: False to return one stretch, pauses and all.
    """
    hop = round(sample_rate * FRAME_S)
    return list(_parts(samples, hop, cut, 0, len(samples)))


def trim(samples: Samples, sample_rate: int) -> Samples:
    """Return (n',): samples (n,) without the silence before and after the speech, but with the same
    room for all.
    """
    return _in_room(
        samples,
        sample_rate,
        *(speech_parts(samples, sample_rate, cut=False) or [(0, len(samples))])[0],
    )


def trimmed_windows(windows: Iterable[Window], sample_rate: int) -> Iterator[Window]:
    """Yield the speech in windows of a recording, each stretch with its room before and after.

    Windows that share a seam with another stay as they are.
    """
    room = _room(sample_rate)
    for window in windows:
        if window.goes_on or window.before:
            yield window
            continue
        for begin, end in speech_parts(window.samples, sample_rate):
            heard = _in_room(window.samples, sample_rate, begin, end)
            yield Window(window.start + begin - len(room), heard, channel=window.channel)


def _room(sample_rate: int) -> Samples:
    return (
        np.random.default_rng(0)
        .normal(0, ROOM_LEVEL, round(ROOM_S * sample_rate))
        .astype(np.float32)
    )


def _in_room(samples: Samples, sample_rate: int, begin: int, end: int) -> Samples:
    room = _room(sample_rate)
    return np.concatenate([room, samples[begin:end], room])


def _parts(
    samples: Samples, hop: int, cut: bool, begin: int, end: int
) -> Iterator[tuple[int, int]]:
    """Yield the stretches of speech between two samples; the longest pause parts them first."""
    low, high = begin, end
    for _ in range(ROUNDS):
        if end - begin < LEAST * hop:
            return
        first, spoken, noise_db = _speech_frames(samples, hop, begin, end)
        if not len(spoken):
            return
        onset, offset = first + int(spoken[0]) * hop, first + (int(spoken[-1]) + 1) * hop
        within = min(
            SMOOTH * hop, offset - onset
        )  # levels are averaged: the room may end in the first of the frames
        before = _room_around(
            samples[max(low, onset - PAD * hop) : onset + within][::-1], within, hop, noise_db
        )
        after = _room_around(
            samples[offset - within : min(high, offset + PAD * hop)], within, hop, noise_db
        )
        borders = (onset - before, offset + after)
        if borders == (begin, end):
            break
        begin, end = borders
    pauses = np.diff(spoken) - 1
    if cut and len(pauses) and pauses.max() >= PAUSE:
        last = int(pauses.argmax())
        middle = first + (int(spoken[last]) + 1 + int(pauses[last]) // 2) * hop
        yield from _parts(samples, hop, cut, low, middle)
        yield from _parts(samples, hop, cut, middle, high)
    else:
        yield begin, end


def _speech_frames(
    samples: Samples, hop: int, begin: int, end: int
) -> tuple[int, npt.NDArray[np.int64], float]:
    """Return the sample at which the first frame begins, the numbers of the frames with speech, the
    level of pauses.
    """
    loudest = begin + int(np.abs(samples[begin:end]).argmax())
    first = begin + (loudest - begin) % hop
    levels = frame_energies(samples[first:end], hop, float(samples[first - 1]) if first else 0.0)
    smooth = np.convolve(
        np.pad(levels, SMOOTH // 2, mode="edge"), np.full(SMOOTH, 1 / SMOOTH), "valid"
    )
    peak = float(smooth.max())
    threshold = max(peak - BELOW_PEAK_DB, SILENCE_DB)
    spoken = np.flatnonzero(smooth > threshold)
    if not len(spoken):
        return first, spoken, threshold
    noise = float(np.percentile(smooth[spoken[0] : spoken[-1] + 1], NOISE_PERCENTILE))
    if peak - noise >= STEADY_DB and noise + ABOVE_NOISE_DB > threshold:
        spoken = np.flatnonzero(smooth > noise + ABOVE_NOISE_DB)
    return first, spoken, noise


def _room_around(outward: Samples, within: int, hop: int, noise_db: float) -> int:
    """Return how many samples beyond a border, of whole frames, are of the same room; negative: so
    many before it.

    Args:
        outward: samples from ``within`` the speech to its outside.
    """
    power = np.square(np.diff(outward, prepend=outward[:1]), dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    least = 10 ** (max(noise_db - DEAD_DB, NO_SOUND_DB) / 10)
    dead = np.flatnonzero(sums[hop:] - sums[:-hop] < least * hop)  # the 10 ms from every sample on
    kept = len(outward)
    if len(dead):  # which still begin with the last of the room
        last = np.flatnonzero(power[dead[0] : dead[0] + hop] > 4 * least)
        kept = int(dead[0]) + (int(last[-1]) if len(last) else 0)
    return (kept - within) // hop * hop

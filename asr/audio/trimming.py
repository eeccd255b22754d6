"""Recordings trimmed to their speech, at boundaries that only the speech itself decides.

What surrounds a sentence, silence or other sentences, moves none of its boundaries, not even by one
sample: frames are counted from its loudest sample, energies are compared with its own loudest frame
and its own pauses, and the padding beside it ends where the room tone does. So the network gets the
same samples of a sentence in a long recording as of the sentence alone, and its output is the same
(nearly so with dynamic 8-bit quantization, where a batch shares one scale).

Legend: n samples, T frames of 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from asr.audio.segmentation import FRAME_S, Samples, Window, frame_energies, percentiles

__all__ = ["speech_parts", "trim", "trimmed_windows"]

BELOW_PEAK_DB = 32.0  # speech is at most so much softer than the loudest frame,
ABOVE_NOISE_DB = 4.0  # and at least so much louder than the pauses, where that is the higher limit
NOISE_PERCENTILE = 10  # of the energies between the first and the last speech: the pauses
STEADY_DB = 6.0  # where energies vary by less, there are no pauses
SILENCE_DB = -75.0  # relative to full scale: nothing below is speech
# So much below the pauses, the recording has ended: what follows is another room, or digital
# silence.
DEAD_DB = 10.0
NO_SOUND_DB = -95.0  # digital silence
SMOOTH = 5  # frames over which energies are averaged
PAUSE = 55  # frames: a pause of this length splits speech in two
PAD = 10  # frames kept beside speech, as far as the room tone reaches
LEAST = 5  # frames: what is shorter is a click
ROUNDS = 10  # at most, until the boundaries stay where they are; two or three are usual
# Seconds and level of the faint noise put before and after each part, since a file may begin within
# a word.
ROOM_S, ROOM_LEVEL = 0.15, 1e-4


def speech_parts(samples: Samples, sample_rate: int, split: bool = True) -> list[tuple[int, int]]:
    """Return begin and end, in samples, of each stretch of speech in (n,), in order of time.

    Args:
        samples: (n,).
        sample_rate: in Hz.
        split: at long pauses; False returns one stretch, pauses and all.
    """
    hop = round(sample_rate * FRAME_S)
    return list(_parts(samples, hop, split, 0, len(samples)))


def trim(samples: Samples, sample_rate: int) -> Samples:
    """Return (n',): samples (n,) without the silence before and after the speech, between two
    stretches of faint noise that are the same for every recording.
    """
    whole = (0, len(samples))
    begin, end = next(iter(speech_parts(samples, sample_rate, split=False)), whole)
    return _in_room(samples, sample_rate, begin, end)


def trimmed_windows(windows: Iterable[Window], sample_rate: int) -> Iterator[Window]:
    """Yield the speech in windows of a recording, each stretch between two of faint noise.

    Windows that overlap with another stay as they are.
    """
    room = _room(sample_rate)
    for window in windows:
        if window.goes_on or window.before:
            yield window
            continue
        for begin, end in speech_parts(window.samples, sample_rate):
            samples = _in_room(window.samples, sample_rate, begin, end)
            yield Window(window.start + begin - len(room), samples, channel=window.channel)


def _room(sample_rate: int) -> Samples:
    noise = np.random.default_rng(0).normal(0, ROOM_LEVEL, round(ROOM_S * sample_rate))
    return noise.astype(np.float32)


def _in_room(samples: Samples, sample_rate: int, begin: int, end: int) -> Samples:
    room = _room(sample_rate)
    return np.concatenate([room, samples[begin:end], room])


def _parts(
    samples: Samples, hop: int, split: bool, begin: int, end: int
) -> Iterator[tuple[int, int]]:
    """Yield the stretches of speech between two samples; the longest pause splits them first."""
    low, high = begin, end
    for _ in range(ROUNDS):  # new boundaries change the frames and the pauses, and so themselves
        if end - begin < LEAST * hop:
            return
        first, spoken, noise_db = _speech_frames(samples, hop, begin, end)
        if not len(spoken):
            return
        onset, offset = first + int(spoken[0]) * hop, first + (int(spoken[-1]) + 1) * hop
        # Energies are averaged, so that the room tone may end within the first or last frames.
        within = min(SMOOTH * hop, offset - onset)
        before = samples[max(low, onset - PAD * hop) : onset + within][::-1]
        after = samples[offset - within : min(high, offset + PAD * hop)]
        boundaries = (
            onset - _room_tone(before, within, hop, noise_db),
            offset + _room_tone(after, within, hop, noise_db),
        )
        if boundaries == (begin, end):
            break
        begin, end = boundaries
    pauses = np.diff(spoken) - 1
    if split and len(pauses) and pauses.max() >= PAUSE:
        last = int(pauses.argmax())
        middle = first + (int(spoken[last]) + 1 + int(pauses[last]) // 2) * hop
        yield from _parts(samples, hop, split, low, middle)
        yield from _parts(samples, hop, split, middle, high)
    else:
        yield begin, end


def _speech_frames(
    samples: Samples, hop: int, begin: int, end: int
) -> tuple[int, npt.NDArray[np.int64], float]:
    """Return the sample at which the first frame begins, the indices of the frames with speech, and
    the energy of the pauses in dB.
    """
    # The frames are aligned with the loudest sample, which does not depend on what surrounds it.
    loudest = begin + int(np.abs(samples[begin:end]).argmax())
    first = begin + (loudest - begin) % hop
    energies = frame_energies(samples[first:end], hop, float(samples[first - 1]) if first else 0.0)
    padded = np.pad(energies, SMOOTH // 2, mode="edge")
    smooth = np.convolve(padded, np.full(SMOOTH, 1 / SMOOTH), "valid")
    peak = float(smooth.max())
    threshold = max(peak - BELOW_PEAK_DB, SILENCE_DB)
    spoken = np.flatnonzero(smooth > threshold)
    if not len(spoken):
        return first, spoken, threshold
    noise = percentiles(smooth[spoken[0] : spoken[-1] + 1], NOISE_PERCENTILE)[0]
    if peak - noise >= STEADY_DB and noise + ABOVE_NOISE_DB > threshold:
        spoken = np.flatnonzero(smooth > noise + ABOVE_NOISE_DB)
    return first, spoken, noise


def _room_tone(outward: Samples, within: int, hop: int, noise_db: float) -> int:
    """Return how many samples beyond a boundary, in whole frames, still have the room tone; a
    negative number where it ends before the boundary.

    Args:
        outward: samples from inside the speech outwards.
        within: how many of them lie inside the speech.
        hop: samples per frame.
        noise_db: energy of the pauses.
    """
    power = np.square(np.diff(outward, prepend=outward[:1]), dtype=np.float64)
    sums = np.concatenate([[0.0], np.cumsum(power)])
    least = 10 ** (max(noise_db - DEAD_DB, NO_SOUND_DB) / 10)
    dead = np.flatnonzero(sums[hop:] - sums[:-hop] < least * hop)  # the 10 ms from each sample on
    kept = len(outward)
    if len(dead):  # the first of these 10 ms may begin with the last of the room tone
        last = np.flatnonzero(power[dead[0] : dead[0] + hop] > 4 * least)
        kept = int(dead[0]) + (int(last[-1]) if len(last) else 0)
    return (kept - within) // hop * hop

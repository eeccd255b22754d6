"""Level of a recording: quiet speech is raised, and what is wrong with a level is said.

The features have a floor. Quiet speech falls below it: from 40 dB under full scale on, words are
lost. So a recording is raised to the usual level, by one factor, where its loudest half second lies
below that of every corpus that was looked at. What is not that quiet is left as it is, to the bit.
Training, alignment and recognition do the same. Legend: n samples, T frames of 10 ms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from asr.audio.segmentation import FRAME_S, frame_energies, percentiles

__all__ = ["Clipping", "LevelledBlocks", "LiveLevel", "levelled"]

# Levels are of the loudest half second, after pre-emphasis, in dB of full scale. LibriSpeech's
# utterances lie between -50 and -20, AN4's between -54 and -28.
QUIET_DB = -55.0
USUAL_DB = -35.0
SILENT_DB = -95.0  # no more than the last bit of 16
STEADY_DB = 6.0  # between the loud and the soft frames; speech varies by more
LOUD_FRAMES = 50
LOUD_SHARE = 0.2  # of the frames of a recording of less than 2.5 s
HOLD_S = 600.0  # of a recording that begins quietly are looked at before the factor is fixed
LIVE_BLOCK = 10  # frames after which the factor of a live stream may change
LIVE_MAX_DB = 25.0  # a stream is raised by at most: what follows may be louder
LIVE_PEAK_DB = -20.0  # a block may reach this after it is raised; louder ones lower the factor
CLIPPED_SHARE = 1e-3  # of the samples
CLIPPED_PEAK = 0.05  # below, a few steps of the quantisation look the same

Samples = npt.NDArray[np.float32]


def levelled(samples: Samples, sample_rate: int) -> Samples:
    """Return samples (n,) or (n, channels), raised to the usual level where they are quiet."""
    return _raised(samples, _gain(_energies(samples, sample_rate)))


class LevelledBlocks:
    """The blocks of a recording, raised to the usual level where it is quiet.

    One factor holds for the whole recording. It is known when the recording has been loud enough,
    at its end, or after ten minutes; until then, blocks are held. Where later blocks are louder, it
    falls.

    Args:
        blocks: (n,) or (n, channels).
        sample_rate: in Hz.

    Attributes:
        notes: what is to be said about the level, after the last block.
    """

    def __init__(self, blocks: Iterable[Samples], sample_rate: int) -> None:
        self.notes: list[str] = []
        self._blocks, self._sample_rate = blocks, sample_rate
        self._loudest = self._all = np.zeros(0, np.float32)  # energies of frames
        self._peak = 0.0

    def __iter__(self) -> Iterator[Samples]:
        held: list[Samples] = []
        gain: float | None = None
        for block in self._blocks:
            energies = self._measured(block)
            if gain is None:
                held.append(block)
                gain = self._decided(energies, sum(map(len, held)))
                if gain is None:
                    continue
            else:
                held = [block]
            if gain > 1:
                gain = min(gain, max(1.0, _ratio(USUAL_DB - float(self._loudest[-1]))))
            yield from (_raised(one, gain) for one in held)
            held = []
        if gain is None:
            gain = _gain(self._all)
            yield from (_raised(one, gain) for one in held)
        if gain > 1:
            level, raised = (20 * np.log10(max(x, 1e-9)) for x in (self._peak, gain))
            self.notes.append(f"quiet (its peak is at {level:.0f} dB): raised by {raised:.0f} dB")

    def _measured(self, block: Samples) -> npt.NDArray[np.float32]:
        energies = _energies(block, self._sample_rate)
        self._loudest = np.sort(np.concatenate([self._loudest, energies]))[-LOUD_FRAMES:][::-1]
        self._peak = max(self._peak, float(np.abs(block).max(initial=0.0)))
        return energies

    def _decided(self, energies: npt.NDArray[np.float32], held: int) -> float | None:
        """Return the factor, once it is known."""
        self._all = np.concatenate([self._all, energies])
        if _loud(self._all) >= QUIET_DB:
            return 1.0
        return _gain(self._all) if held >= HOLD_S * self._sample_rate else None


class LiveLevel:
    """Raises a live stream to the usual level while it is quiet.

    What is to come is not known, so the factor follows from what was heard: it is looked at every
    tenth of a second, and holds for what comes next. The pieces that the stream comes in make no
    difference. What is not quiet is left as it is, to the bit.

    Args:
        sample_rate: in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._hop = round(sample_rate * FRAME_S)
        self._counts = np.zeros(
            128, np.int64
        )  # frames heard, by their level in dB below full scale
        self._held = np.zeros(0, np.float32)  # of the block that is not complete
        self._before = 0.0  # the sample before it
        self._factor = 1.0

    def push(self, samples: Samples) -> Samples:
        """Return the next samples (n,) of the stream at their level."""
        size, start, pieces = LIVE_BLOCK * self._hop, 0, []
        while start < len(samples):
            piece = samples[start : start + size - len(self._held)]
            pieces.append(_raised(piece, self._factor))
            self._held = np.concatenate([self._held, piece])
            if len(self._held) == size:
                self._look()
            start += len(piece)
        return np.concatenate(pieces) if pieces else samples

    def _look(self) -> None:
        """Choose the factor, now that a block is complete."""
        energies = frame_energies(self._held, self._hop, self._before)
        self._before, self._held = float(self._held[-1]), self._held[:0]
        np.add.at(self._counts, np.clip(-energies, 0, 127).astype(np.int64), 1)
        seen = np.cumsum(self._counts)
        loud = -float(np.searchsorted(seen, _num_loud(int(seen[-1]))))
        soft = -float(np.searchsorted(seen, 0.9 * seen[-1]))
        gain_db = min(USUAL_DB - loud, LIVE_MAX_DB, LIVE_PEAK_DB - float(energies.max()))
        self._factor = max(1.0, _ratio(gain_db)) if _is_quiet_speech(loud, soft) else 1.0


class Clipping:
    """Counts samples that a recorder has cut at its highest level.

    Attributes:
        count: samples seen.
        clipped: of them, those in a run of three or more with the same extreme value.
    """

    def __init__(self) -> None:
        self.count = self.clipped = 0
        self._peak = 0.0

    def add(self, samples: Samples) -> None:
        """Take the next samples (n, channels)."""
        peak = float(np.abs(samples).max(initial=0.0))
        if peak > self._peak:  # what came before was not the highest level
            self._peak, self.clipped = peak, 0
        self.count += samples.size
        if self._peak >= CLIPPED_PEAK and peak == self._peak:
            top = np.abs(samples) >= self._peak * 0.9999
            run = top[2:] & top[1:-1] & top[:-2]
            runs = (samples[2:] == samples[1:-1]) & (samples[1:-1] == samples[:-2]) & run
            self.clipped += int(runs.sum())

    @property
    def notes(self) -> list[str]:
        """What is to be said about it, nothing where little is clipped."""
        if self.clipped <= CLIPPED_SHARE * self.count:
            return []
        share = 100 * self.clipped / self.count
        return [f"clipped: {share:.1f} % of its samples are at the highest level"]


def _energies(samples: Samples, sample_rate: int) -> npt.NDArray[np.float32]:
    """Return the energy (T,) of each frame in dB; of several channels, that of the loudest."""
    hop = round(sample_rate * FRAME_S)
    channels = [frame_energies(np.ascontiguousarray(c), hop) for c in np.atleast_2d(samples.T)]
    return np.max(channels, axis=0) if channels else np.zeros(0, np.float32)


def _loud(energies: npt.NDArray[np.float32]) -> float:
    """Return what the loudest half second reaches at least, in dB."""
    if not len(energies):
        return 0.0
    count = _num_loud(len(energies))
    return float(np.partition(energies, len(energies) - count)[len(energies) - count])


def _gain(energies: npt.NDArray[np.float32]) -> float:
    """Return the factor that brings a recording with frames of these energies to its level."""
    if not len(energies):
        return 1.0
    loud, soft = _loud(energies), percentiles(energies, 10)[0]
    return _ratio(USUAL_DB - loud) if _is_quiet_speech(loud, soft) else 1.0


def _num_loud(frames: int) -> int:
    """Return how many of the loudest frames decide the level of so many."""
    return min(LOUD_FRAMES, 1 + int(LOUD_SHARE * frames))


def _is_quiet_speech(loud: float, soft: float) -> bool:
    """Return whether loud and soft frames of these levels in dB are those of quiet speech."""
    return SILENT_DB < loud < QUIET_DB and loud - soft >= STEADY_DB


def _ratio(level_db: float) -> float:
    return float(10 ** (level_db / 20))


def _raised(samples: Samples, gain: float) -> Samples:
    return samples if gain == 1 else samples * np.float32(gain)

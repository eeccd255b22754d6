"""What every audio back end gives: a recording's header, and its samples in blocks.

A back end (:mod:`asr.audio.soundfiles`, :mod:`asr.audio.containers`, :mod:`asr.audio.arrays`)
implements :meth:`Recording.decode`; all else is the same for all. Legend: n samples.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import IO

import numpy as np
import numpy.typing as npt

from asr.audio.channels import ChannelSelector
from asr.audio.level import Clipping
from asr.errors import AudioError

__all__ = ["Recording", "Samples", "check_peak", "resample"]

Samples = npt.NDArray[np.float32]

BLOCK_S = 30.0
MAX_CHANNELS = 64
MIN_RATE, MAX_RATE = 1000, 1_000_000  # Hz; beyond, a header is damaged
MAX_PEAK = 100.0  # float recordings may exceed 1, but unscaled integers exceed it by far

logger = logging.getLogger(__name__)


class Recording(ABC):
    """An open recording, to be read once from its beginning: by :meth:`blocks`, :meth:`resampled`
    or :meth:`read`.

    Attributes:
        name: in messages.
        sample_rate: in Hz.
        channels: number of them.
        num_samples: of a channel, as the header says; None where it does not.
        start_s: time of the first sample by the clock of the file, in seconds: the sound of a
            video may begin later than its pictures.
        notes: what of the recording its listener should know, a sentence each.
    """

    def __init__(
        self, name: str, *, sample_rate: int, channels: int, num_samples: int | None
    ) -> None:
        self.name, self.sample_rate = name, sample_rate
        self.channels, self.num_samples = channels, num_samples
        self.start_s, self.notes = 0.0, list[str]()
        self._copy: IO[bytes] | None = None
        if not MIN_RATE <= sample_rate <= MAX_RATE:
            raise AudioError(
                f"{name} has {sample_rate} samples a second; read are {MIN_RATE} to {MAX_RATE}.",
                "If it is sound, write it again at a usual rate such as 16000.",
            )
        if channels > MAX_CHANNELS:
            raise AudioError(
                f"{name} has {channels} channels; at most {MAX_CHANNELS} are read.",
                "Samples are (n,) or (n, channels); transpose an array that is (channels, n).",
            )

    @abstractmethod
    def decode(self, block_s: float) -> Iterator[Samples]:
        """Yield all samples as blocks (n, channels) of about ``block_s`` seconds, unchecked.

        Raises:
            AudioError: the recording is damaged or cut off.
        """

    def decode_stretch(self, start_s: float, end_s: float | None) -> Samples:
        """Return the samples (n, channels) between two times, counted from the first sample;
        decodes the rest as well, unless the back end can seek.
        """
        samples = _joined(self.decode(BLOCK_S), self.channels)
        stop = None if end_s is None else round(end_s * self.sample_rate)
        return samples[round(start_s * self.sample_rate) : stop]

    def close_with(self, copy: IO[bytes]) -> None:
        """Have :meth:`close` close this file too: a copy made for this recording alone."""
        self._copy = copy

    def close(self) -> None:
        """Close what was opened for this recording; a file that the caller opened stays open."""
        if self._copy is not None:
            self._copy.close()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def duration_s(self) -> float | None:
        """Length in seconds, as the header says; None where it does not."""
        return None if self.num_samples is None else self.num_samples / self.sample_rate

    def blocks(self, block_s: float = BLOCK_S) -> Iterator[Samples]:
        """Yield the recording as blocks (n, channels) of about ``block_s`` seconds at its own rate.

        All channels come from one decode, and memory is that of a block.

        Raises:
            AudioError: it is empty, damaged, cut off, or holds NaN or samples out of range.
        """
        clipping = Clipping()
        for block in self.decode(block_s):
            checked = self._checked(block)
            clipping.add(checked)
            yield checked
        if not clipping.count:
            raise self._empty()
        self.notes += clipping.notes

    def read(self) -> Samples:
        """Return the whole recording (n, channels) at its own rate; see :meth:`blocks`."""
        samples, clipping = self._checked(self.decode_stretch(0.0, None)), Clipping()
        if not samples.size:
            raise self._empty()
        clipping.add(samples)
        self.notes += clipping.notes
        return samples

    def read_stretch(self, start_s: float, end_s: float | None = None) -> Samples:
        """Return the samples (n, channels) between two times, none where the recording ends before.

        Args:
            start_s: in seconds, by the clock of the file (:attr:`start_s`).
            end_s: in seconds; None is the end of the recording.

        Raises:
            AudioError: as :meth:`blocks`, an empty stretch excepted; or the times are no numbers.
        """
        if not math.isfinite(start_s) or (end_s is not None and not math.isfinite(end_s)):
            raise AudioError(
                f"{self.name} has no stretch from {start_s} to {end_s} s.", "Give seconds."
            )
        first = max(0.0, start_s - self.start_s)
        last = None if end_s is None else max(0.0, end_s - self.start_s)
        return self._checked(self.decode_stretch(first, last))

    def resampled(
        self, sample_rate: int, channel: str | int = "mix", block_s: float = BLOCK_S
    ) -> Iterator[Samples]:
        """Yield the recording as blocks at another rate, in bounded memory.

        Args:
            sample_rate: wanted, in Hz.
            channel: ``mix`` (mean of the channels) or a channel's number, which give blocks (n,),
                or ``all``, which gives blocks (n, channels).
            block_s: length of a block in seconds, about.

        Raises:
            AudioError: as :meth:`blocks`, or there is no such channel.
        """
        blocks = self._channel(channel, block_s)
        if channel == "mix" and self.channels > 1:
            logger.info("%s: mean of its %d channels", self.name, self.channels)
        if sample_rate == self.sample_rate:
            yield from blocks
        else:
            logger.info("%s: resampled from %d to %d Hz", self.name, self.sample_rate, sample_rate)
            width = self.channels if channel == "all" else 1
            yield from self._resampled(blocks, sample_rate, width)

    def _channel(self, channel: str | int, block_s: float) -> Iterator[Samples]:
        select = ChannelSelector(channel, self.name)
        for block in self.blocks(block_s):
            yield select(block)
        self.notes += select.notes

    def _resampled(
        self, blocks: Iterator[Samples], sample_rate: int, channels: int
    ) -> Iterator[Samples]:
        import soxr

        stream = soxr.ResampleStream(self.sample_rate, sample_rate, channels, dtype="float32")
        shape: tuple[int, ...] = ()
        for block in blocks:
            shape = block.shape[1:]
            yield stream.resample_chunk(np.ascontiguousarray(block))
        yield stream.resample_chunk(np.zeros((0, *shape), np.float32), last=True)

    def _checked(self, samples: Samples) -> Samples:
        check_peak(samples, self.name)
        return samples

    def _empty(self) -> AudioError:
        return AudioError(f"{self.name} holds no samples.", "Record it again, or leave it out.")


def check_peak(samples: npt.NDArray[np.floating], name: str) -> None:
    """Refuse float samples that are not in [-1, 1] or nearly so.

    Raises:
        AudioError: there is NaN, infinity, or integers that were not scaled.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if not np.isfinite(peak):
        raise AudioError(
            f"{name} holds NaN or infinite samples.", "Write the file again from its source."
        )
    if peak > MAX_PEAK:
        raise AudioError(
            f"{name} reaches {peak:g}, but float samples lie in [-1, 1].",
            "Divide 16-bit values by 32768, or give int16.",
        )


def _joined(blocks: Iterator[Samples], channels: int) -> Samples:
    every = list(blocks)
    return np.concatenate(every) if every else np.zeros((0, channels), np.float32)


def resample(samples: Samples, from_rate: float, to_rate: float) -> Samples:
    """Return samples (n,) or (n, channels) at another rate (soxr, high quality)."""
    import soxr

    resampled: Samples = soxr.resample(samples, from_rate, to_rate)
    return resampled

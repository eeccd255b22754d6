"""What every audio back end gives: a recording's header, and its samples in blocks.

A back end (:mod:`asr.audio.soundfiles`, :mod:`asr.audio.containers`, :mod:`asr.audio.arrays`)
implements :meth:`Recording.decode`; all else is the same for all. Legend: n samples.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import IO

import numpy as np
import numpy.typing as npt

from asr.errors import AudioError

__all__ = ["Recording", "Samples", "resample", "select_channel"]

Samples = npt.NDArray[np.float32]

BLOCK_S = 30.0
MAX_CHANNELS = 64
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
    """

    def __init__(
        self, name: str, *, sample_rate: int, channels: int, num_samples: int | None
    ) -> None:
        self.name, self.sample_rate = name, sample_rate
        self.channels, self.num_samples = channels, num_samples
        self._copy: IO[bytes] | None = None
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
        """Return the samples (n, channels) between two times; decodes the rest as well, unless the
        back end can seek.
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
        total = 0
        for block in self.decode(block_s):
            total += block.size
            yield self._checked(block)
        if not total:
            raise self._empty()

    def read(self) -> Samples:
        """Return the whole recording (n, channels) at its own rate; see :meth:`blocks`."""
        samples = self._checked(self.decode_stretch(0.0, None))
        if not samples.size:
            raise self._empty()
        return samples

    def read_stretch(self, start_s: float, end_s: float | None = None) -> Samples:
        """Return the samples (n, channels) between two times, none where the recording ends before.

        Args:
            start_s: in seconds.
            end_s: in seconds; None is the end of the recording.

        Raises:
            AudioError: as :meth:`blocks`, an empty stretch excepted.
        """
        return self._checked(self.decode_stretch(start_s, end_s))

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
        blocks = (select_channel(block, channel, self.name) for block in self.blocks(block_s))
        if channel == "mix" and self.channels > 1:
            logger.info("%s: mean of its %d channels", self.name, self.channels)
        if sample_rate == self.sample_rate:
            yield from blocks
        else:
            logger.info("%s: resampled from %d to %d Hz", self.name, self.sample_rate, sample_rate)
            width = self.channels if channel == "all" else 1
            yield from self._resampled(blocks, sample_rate, width)

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
        peak = float(np.abs(samples).max(initial=0.0))
        if not np.isfinite(peak):
            raise AudioError(
                f"{self.name} holds NaN or infinite samples.",
                "Write the file again from its source.",
            )
        if peak > MAX_PEAK:
            raise AudioError(
                f"{self.name} reaches {peak:g}, but float samples lie in [-1, 1].",
                "Divide 16-bit values by 32768, or give int16.",
            )
        return samples

    def _empty(self) -> AudioError:
        return AudioError(f"{self.name} holds no samples.", "Record it again, or leave it out.")


def _joined(blocks: Iterator[Samples], channels: int) -> Samples:
    every = list(blocks)
    return np.concatenate(every) if every else np.zeros((0, channels), np.float32)


def select_channel(samples: Samples, channel: str | int, name: str) -> Samples:
    """Return one channel (n,) of samples (n, channels), their mean (``mix``), or ``all`` of them.

    Raises:
        AudioError: there is no such channel.
    """
    channels = samples.shape[1]
    if channel == "all":
        return samples
    if channel == "mix":
        mean: Samples = samples[:, 0] if channels == 1 else samples.mean(axis=1)
        return mean
    if not isinstance(channel, int) or not 0 <= channel < channels:
        raise AudioError(
            f"{name} has channels 0 to {channels - 1}, not {channel!r}.",
            "Give a number, mix, or all.",
        )
    return samples[:, channel]


def resample(samples: Samples, from_rate: float, to_rate: float) -> Samples:
    """Return samples (n,) or (n, channels) at another rate (soxr, high quality)."""
    import soxr

    resampled: Samples = soxr.resample(samples, from_rate, to_rate)
    return resampled

"""A recording that is read more than once: to transcribe it, and to tell its speakers apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asr.audio.reading import Source, open_recording
from asr.audio.recording import BLOCK_S, Recording, Samples

__all__ = ["KEPT_S", "KeptRecording"]

KEPT_S = 1800.0  # 115 MB at 16 kHz


class KeptRecording(Recording):
    """A recording that opens its source when it is entered, as often as it is entered.

    Resampled samples are kept once they have been read to the end, so that another reading at the
    same rate decodes nothing. Those of a recording longer than :data:`KEPT_S` are not.

    Args:
        source: that :func:`asr.audio.reading.open_recording` takes; no open recording.
    """

    def __init__(self, source: Source) -> None:
        self._source: Any = source
        self._inner: Recording | None = None
        self._kept: dict[tuple[int, str | int], list[Samples]] = {}

    def __enter__(self) -> Recording:
        """Open the source, unless its samples are here.

        Raises:
            AudioError: see :func:`asr.audio.reading.open_recording`.
        """
        if not self._kept:
            self._open()
        return self

    def _open(self) -> Recording:
        if hasattr(self._source, "seek"):
            self._source.seek(0)
        self._inner = inner = open_recording(self._source)
        super().__init__(
            inner.name,
            sample_rate=inner.sample_rate,
            channels=inner.channels,
            num_samples=inner.num_samples,
        )
        self.start_s, self.notes = inner.start_s, inner.notes
        return inner

    def decode(self, block_s: float) -> Iterator[Samples]:
        """Yield the blocks of the source; see :meth:`asr.audio.recording.Recording.decode`."""
        yield from (self._inner or self._open()).decode(block_s)

    def resampled(
        self, sample_rate: int, channel: str | int = "mix", block_s: float = BLOCK_S
    ) -> Iterator[Samples]:
        """Yield blocks at another rate; see :meth:`asr.audio.recording.Recording.resampled`."""
        key = (sample_rate, channel)
        if key in self._kept:
            yield from self._kept[key]
            return
        blocks, count = list[Samples](), 0
        for block in super().resampled(sample_rate, channel, block_s):
            count += block.size
            if count <= KEPT_S * sample_rate:
                blocks.append(block)
            else:
                blocks.clear()
            yield block
        if count <= KEPT_S * sample_rate:
            self._kept[key] = blocks

    def close(self) -> None:
        """Close the source; samples that are kept stay."""
        if self._inner is not None:
            self._inner.close()
            self._inner = None

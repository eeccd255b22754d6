"""Windows that share the network's frames: stretches of speech go through it once, in pieces.

Legend: T frames, F mel bands, T' steps of a piece, B pieces, W windows, E embedding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["SharedNetwork", "Windows", "even_starts"]

PIECE = 208  # frames of a piece, at most
LEAST = 96  # and at least: a shorter stretch is repeated
AT_ONCE = 32  # pieces that the network takes together

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Windows:
    """How windows lie in a stretch of speech.

    Attributes:
        length: of a window, in frames.
        hop: frames from one window to the next, at most.
    """

    length: int
    hop: int


def even_starts(frames: int, windows: Windows) -> npt.NDArray[np.int64]:
    """Return the first frames (W,) of windows that lie evenly, the last one at the end."""
    count = 1 + max(0, -(-(frames - windows.length) // windows.hop))
    last = max(0, frames - windows.length)
    starts: npt.NDArray[np.int64] = np.linspace(0, last, count).round().astype(np.int64)
    return starts


@dataclass(frozen=True)
class _Stretch:
    """A stretch of speech, cut.

    Attributes:
        place: its number.
        pieces: (n, T, F).
        members: (W, n * T') 1 where a step belongs to a window, else 0.
        new: (n, T') whether a step is in no piece before.
    """

    place: int
    pieces: Array
    members: Array
    new: npt.NDArray[np.bool_]


class SharedNetwork:
    """An exported network with inputs ``features`` (B, T, F) and ``windows`` (W, B * T').

    Its outputs are embeddings (W, E), and, of some networks, overlap (B, T').

    Args:
        session: of ONNX Runtime.
        strides: of its convolutions.
    """

    def __init__(self, session: Any, strides: Sequence[int]) -> None:
        self._session, self._strides = session, tuple(strides)
        self._step = int(np.prod(strides))

    def __call__(self, windows: Array) -> Array:
        """Windows (B, T, F) -> embeddings (B, E) of length 1."""
        steps = windows.shape[1]
        for stride in self._strides:
            steps = -(-steps // stride)
        members = np.repeat(np.eye(len(windows)), steps, axis=1)
        return self._run(windows, members.astype(np.float32))[0]

    def stretches(
        self, stretches: Sequence[Array], windows: Windows
    ) -> tuple[list[Array], list[Array]]:
        """Return the embeddings (W, E) of the windows of each stretch (T, F), and its overlap.

        That is the probability (T',) of each step that two voices speak at once; of a network that
        does not tell, (0,).
        """
        rows: list[Array] = [np.zeros((0, 0), np.float32)] * len(stretches)
        overlaps: list[Array] = [np.zeros(0, np.float32)] * len(stretches)
        cut = [self._cut(place, frames, windows) for place, frames in enumerate(stretches)]
        for batch in _batches(cut):
            steps = sum(stretch.members.shape[1] for stretch in batch)
            members = np.zeros((sum(len(s.members) for s in batch), steps), np.float32)
            row = column = 0
            for stretch in batch:
                count, width = stretch.members.shape
                members[row : row + count, column : column + width] = stretch.members
                row, column = row + count, column + width
            pieces = np.concatenate([stretch.pieces for stretch in batch])
            found, *overlap = self._run(pieces, members)
            row = piece = 0
            for stretch in batch:
                count, own = stretch.members.shape[0], len(stretch.pieces)
                rows[stretch.place] = found[row : row + count]
                if overlap:
                    overlaps[stretch.place] = overlap[0][piece : piece + own][stretch.new]
                row, piece = row + count, piece + own
        return rows, overlaps

    def _run(self, features: Array, members: Array) -> list[Array]:
        inputs = {"features": np.ascontiguousarray(features), "windows": members}
        outputs: list[Array] = self._session.run(None, inputs)
        return outputs

    def _cut(self, place: int, frames: Array, windows: Windows) -> _Stretch:
        """Cut a stretch into pieces of one length, and say which of their steps are whose."""
        step, total = self._step, len(frames)
        count = -(-total // (PIECE // step * step))
        length = max(LEAST, -(-total // count))
        length = -(-length // step) * step
        if total < length:
            frames = np.resize(frames, (length, frames.shape[1]))
        starts = np.minimum(np.arange(count) * length, max(0, total - length))
        pieces = np.stack([frames[start : start + length] for start in starts])
        times = starts[:, None] + np.arange(0, length, step)  # (n, T') frame of each step
        new = times >= (np.arange(count) * length)[:, None]  # the last piece repeats some
        firsts = even_starts(total, windows)[:, None]
        reach = max(windows.length, length) if total <= windows.length else windows.length
        members = new.ravel() & (times.ravel() >= firsts) & (times.ravel() < firsts + reach)
        return _Stretch(place, pieces, members.astype(np.float32), new)


def _batches(stretches: Sequence[_Stretch]) -> Iterator[list[_Stretch]]:
    """Yield stretches whose pieces are of one length, some pieces at once."""
    batch: list[_Stretch] = []
    for stretch in sorted(stretches, key=lambda stretch: stretch.pieces.shape[1]):
        other = batch and batch[0].pieces.shape[1] != stretch.pieces.shape[1]
        full = sum(len(s.pieces) for s in batch) + len(stretch.pieces) > AT_ONCE
        if batch and (other or full):
            yield batch
            batch = []
        batch.append(stretch)
    if batch:
        yield batch

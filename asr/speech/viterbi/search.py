"""The most probable path through a text, in bounded memory for recordings of any length.

Choices are kept where frames times states fit into :data:`MEMORY`. Otherwise the scores are kept
at some frames alone, and the choices between two of them are computed again when the path comes
there, from the last stretch to the first (checkpointing, Grice et al. 1997). The path is the same.

Legend: T frames, S states, V vocabulary.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from asr.speech.viterbi.graph import BOUNDARY, Ints, TextGraph
from asr.speech.viterbi.kernels import close, forward, trace

__all__ = ["LogProbs", "best_path", "whole_band"]

MEMORY = 48 << 20  # bytes of choices, and again of kept scores
FLOOR = -1e4  # an impossible token must not make the whole path undefined
CHUNK = 4096  # frames that a compiled loop gets at once; even, since it has two rows of scores
GROWTH = 1.2  # of the array of log-probabilities, where it is full
HALF_AT = 50_000  # frames, half an hour; longer ones are kept in 16 bits
NONE_KEPT = np.zeros((0, 0), np.uint8)

Floats = npt.NDArray[np.float32]


class LogProbs:
    """Log-probabilities of a recording, and of the star.

    The star stands for any speech: the best token of a frame less a cost, or the blank.

    Args:
        parts: log-probabilities (n, V) in order of time.
        star_cost: natural log a frame.

    Attributes:
        array: (T, V); 16 bits where it is long.
    """

    def __init__(self, parts: Iterable[npt.NDArray[np.floating]], star_cost: float = 0.0) -> None:
        array, count = np.empty((0, 0), np.float32), 0
        for part in parts:
            stop = count + len(part)
            if stop > HALF_AT and array.dtype == np.float32:
                array = array.astype(np.float16)
            if stop > len(array):  # grown where it lies: joined parts would need twice the memory
                array.resize((max(stop, round(GROWTH * len(array))), part.shape[1]), refcheck=False)
            array[count:stop], count = part, stop
        array.resize((count, array.shape[1]), refcheck=False)
        self.array: npt.NDArray[np.floating] = array
        self._star_cost = np.float32(star_cost)

    def __len__(self) -> int:
        return len(self.array)

    @property
    def star(self) -> int:
        """Column of the star: V."""
        return int(self.array.shape[1])

    def rows(self, start: int, stop: int) -> Floats:
        """Return the log-probabilities (n, V + 1) of some frames, the star's last."""
        rows = np.empty((stop - start, self.star + 1), np.float32)
        np.maximum(self.array[start:stop], np.float32(FLOOR), out=rows[:, :-1])
        tokens = rows[:, 1:-1].max(1, initial=FLOOR) - self._star_cost
        np.maximum(rows[:, 0], tokens, out=rows[:, -1])
        return rows

    def best(self) -> Ints:
        """Return the most probable token of each frame, (T,)."""
        best: Ints = self.array.argmax(1).astype(np.int32)
        return best


def whole_band(num_frames: int, graph: TextGraph) -> Ints:
    """Return the band that leaves nothing out, see :func:`best_path`."""
    band = np.zeros((num_frames, 2), np.int32)
    band[:, 1] = graph.num_words
    return band


def best_path(
    emissions: LogProbs, graph: TextGraph, band: Ints | None = None, memory: int = MEMORY
) -> Ints | None:
    """Return the state of each frame (T,) on the most probable path; None where there is no path.

    Args:
        emissions: of T frames, at least one.
        graph: the text.
        band: first and last boundary that each frame may be at, (T, 2), neither falling; None: any.
        memory: bytes for choices, and for scores.
    """
    search = _Search(emissions, graph, whole_band(len(emissions), graph) if band is None else band)
    search.memory = memory
    scores = np.full(graph.num_states, -np.inf, np.float32)
    scores[1] = 0  # as if silence had come before
    return search.path if search.solve(0, len(emissions), scores, None) is not None else None


class _Search:
    """One search; ``path`` fills from its end."""

    memory = MEMORY

    def __init__(self, emissions: LogProbs, graph: TextGraph, band: Ints) -> None:
        self.emissions, self.graph, self.band = emissions, graph, band
        self.path: Ints = np.zeros(len(emissions), np.int32)

    def solve(self, start: int, stop: int, scores: Floats, state: int | None) -> int | None:
        """Fill the path between two frames; return the state before it, None where there is none.

        Args:
            start: first frame.
            stop: frame after the last.
            scores: of all states before the first frame, (S,).
            state: of the last frame; None: the best end of the text.
        """
        band = self.band[start:stop].copy()
        if state is not None:
            np.minimum(band, self.graph.word_of[state], out=band)
        fitting = max(1, self.memory // self._width(band))  # frames whose choices can be kept
        if stop - start > fitting:
            return self._solve_parts(start, band, scores, state, fitting)
        choices = np.zeros((stop - start, self._width(band)), np.uint8)
        after = self._advance(start, band, scores, choices)
        if state is None:
            state = int(close(self.graph.arrays, after, int(band[-1, 0])))
            if state < 0:
                return None
        return int(trace(self.graph.arrays, band, choices, state, self.path[start:stop]))

    def _solve_parts(
        self, start: int, band: Ints, scores: Floats, state: int | None, fitting: int
    ) -> int | None:
        """As :meth:`solve`, with the scores kept at some frames, and choices of ``fitting``."""
        most = self.memory // (4 * self._width(band))  # scores that can be kept
        parts = max(2, min(-(-len(band) // fitting), most))
        places = np.linspace(0, len(band), parts + 1).astype(int).tolist()
        kept = [(0, scores)]
        for begin, end in itertools.pairwise(places[:-1]):
            part = band[begin:end]
            after = self._advance(start + begin, part, self._unpacked(kept[-1]))
            kept.append(self._packed(after, part[-1]))
        for begin, end in zip(places[-2::-1], places[:0:-1], strict=True):
            state = self.solve(start + begin, start + end, self._unpacked(kept.pop()), state)
            if state is None:
                return None
        return state

    def _advance(
        self, start: int, band: Ints, scores: Floats, choices: npt.NDArray[np.uint8] = NONE_KEPT
    ) -> Floats:
        """Return the scores after the frames of ``band``, which begin at ``start``."""
        rows, row = np.full((2, len(scores)), -np.inf, np.float32), 0
        rows[0], room = scores, np.empty(len(scores), np.uint8)
        for begin in range(0, len(band), CHUNK):
            end = min(begin + CHUNK, len(band))
            log_probs = self.emissions.rows(start + begin, start + end)
            kept = choices[begin:end], room
            row = forward(self.graph.arrays, log_probs, band[begin:end], rows, kept)
        last: Floats = rows[row]
        return last

    def _width(self, band: Ints) -> int:
        return int((self._ends(band[:, 1]) - self.graph.arrays.nodes[band[:, 0]]).max())

    def _ends(self, boundaries: Ints) -> Ints:
        """State after the last of each boundary and the word behind it."""
        nodes = self.graph.arrays.nodes
        ends: Ints = np.append(nodes[1:], nodes[-1] + BOUNDARY)[boundaries]
        return ends

    def _packed(self, scores: Floats, band: Ints) -> tuple[int, Floats]:
        """The scores within the band, and the state that they begin with."""
        begin = int(self.graph.arrays.nodes[band[0]])
        return begin, scores[begin : int(self._ends(band[1:])[0])].copy()

    def _unpacked(self, kept: tuple[int, Floats]) -> Floats:
        begin, part = kept
        scores = np.full(self.graph.num_states, -np.inf, np.float32)
        scores[begin : begin + len(part)] = part
        return scores

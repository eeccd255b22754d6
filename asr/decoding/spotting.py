"""Wake words and keyword search: where phrases are said, by the log-probabilities alone.

No language model takes part: a phrase is found where its tokens are nearly as probable as the best
ones. See kernels/spotting.py for the score. Most false alarms are words of which the phrase is the
beginning ("different" in "difference"), so a phrase behind which its word goes on is less probable.
T frames, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels import spotting as kernels
from asr.errors import DecodingError

__all__ = ["FLOOR", "Spot", "Spotter", "threshold_for"]

FLOOR = 0.05
"""Least score that is looked at at all."""
_GOES_ON, _AT_MOST = 0.2, 1.0
"""Weight of what speaks for a word that goes on, and the most that it takes, natural log."""


@dataclass(frozen=True)
class Spot:
    """A phrase that was found.

    Attributes:
        phrase: which.
        start_frame: at which its first token is heard.
        end_frame: after its last one.
        score: 0 to 1; the geometric mean, over its tokens, of how probable they are beside the best
            ones, less where the last word goes on.
    """

    phrase: str
    start_frame: int
    end_frame: int
    score: float


class Spotter:
    """Finds phrases while frames arrive.

    Args:
        phrases: phrase -> the ways to say it, each the tokens' numbers.
        threshold: least score of a spot, one for all or of each phrase.
        starts_word: (V,), the tokens that begin a word; where they are given, a phrase ends with
            its word.

    Raises:
        DecodingError: there are no phrases, one has no tokens, or a threshold is not in 0 to 1.
    """

    def __init__(
        self,
        phrases: Mapping[str, Sequence[Sequence[int]]],
        threshold: float | Mapping[str, float] = 0.5,
        starts_word: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        ways = [(name, list(way)) for name, said in phrases.items() for way in said]
        if not ways or not all(way for _, way in ways):
            raise DecodingError("There is no phrase to look for.", "Give at least one.")
        by_name = threshold if isinstance(threshold, Mapping) else dict.fromkeys(phrases, threshold)
        if wrong := [value for value in by_name.values() if not 0 <= value <= 1]:
            raise DecodingError(f"The threshold is {wrong[0]!r}.", "Give a number from 0 to 1.")
        self._names = [name for name, _ in ways]
        self._least = np.array([max(by_name[name], FLOOR) for name in self._names])
        self._phrases = _states([way for _, way in ways])
        S = len(self._phrases.tokens)
        self._carried = np.full(S, -np.inf), np.zeros(S, np.int64)
        self._waiting: dict[str, Spot] = {}
        self._ended: list[Spot] = []  # another one of the phrase came behind them
        self._ends = _WordEnds(phrases, starts_word)
        self._floors = dict(zip(self._names, self._least.tolist(), strict=True))
        self.frames = 0

    def push(self, log_probs: npt.NDArray[np.float32]) -> list[Spot]:
        """Take the next frames (T, V); return what was found, as soon as it is clear that nothing
        better overlaps it.
        """
        T, P = len(log_probs), len(self._names)
        ends, starts = np.full((T, P), -np.inf), np.zeros((T, P), np.int64)
        frames = np.ascontiguousarray(log_probs, np.float32)
        kernels.advance(frames, self._phrases, self._carried, self.frames, (ends, starts))
        scores = np.exp(ends)
        self._ends.push(frames)
        for t, p in zip(*np.nonzero(scores >= self._least), strict=True):
            frame = self.frames + int(t)
            spot = Spot(self._names[p], int(starts[t, p]), frame + 1, float(scores[t, p]))
            before = self._waiting.get(spot.phrase)
            if before is not None and (
                spot.start_frame >= before.end_frame or _is_settled(before, frame)
            ):
                self._ended.append(before)
                before = None
            if before is None or spot.score > before.score:
                self._waiting[spot.phrase] = spot
        self.frames += T
        settled = self._settled()
        waiting = [*self._waiting.values(), *self._ended]
        self._ends.forget(min((spot.end_frame for spot in waiting), default=self.frames))
        return settled

    def finish(self) -> list[Spot]:
        """End the stream; return what is still waiting."""
        found = [*self._waiting.values(), *self._ended]
        self._waiting, self._ended = {}, []
        return self._judged(found)

    def _settled(self) -> list[Spot]:
        """Take what no path that is open now can overlap and beat."""
        settled = [s for s in self._waiting.values() if _is_settled(s, self.frames)]
        for spot in settled:
            del self._waiting[spot.phrase]
        settled += [spot for spot in self._ended if _is_settled(spot, self.frames)]
        self._ended = [spot for spot in self._ended if not _is_settled(spot, self.frames)]
        return self._judged(settled)

    def _judged(self, spots: Sequence[Spot]) -> list[Spot]:
        """Rescore spots by the frames after them, drop those below the threshold, sort by time."""
        judged = (replace(s, score=s.score * self._ends.factor(s)) for s in spots)
        kept = (spot for spot in judged if spot.score >= self._floors[spot.phrase])
        return sorted(kept, key=lambda spot: spot.end_frame)


def _is_settled(spot: Spot, frames: int) -> bool:
    """Return whether a spot is final after so many frames: no open path is to overlap it, and what
    is heard behind it is known.
    """
    return frames - spot.end_frame > spot.end_frame - spot.start_frame


class _WordEnds:
    """Says how probable it is that the word of a phrase ends with the phrase.

    Args:
        phrases: see :class:`Spotter`.
        starts_word: see :class:`Spotter`; None: every phrase does.
    """

    def __init__(
        self,
        phrases: Mapping[str, Sequence[Sequence[int]]],
        starts_word: npt.NDArray[np.bool_] | None,
    ) -> None:
        self._starts = starts_word
        self._last = {name: sorted({way[-1] for way in ways}) for name, ways in phrases.items()}
        self._first = 0  # frame of the first row
        self._rows: npt.NDArray[np.float32] | None = None

    def push(self, log_probs: npt.NDArray[np.float32]) -> None:
        """Keep the next frames (T, V)."""
        if self._starts is not None:
            kept = [log_probs] if self._rows is None else [self._rows, log_probs]
            self._rows = np.concatenate(kept)

    def forget(self, frame: int) -> None:
        """Forget the frames before this one."""
        if self._rows is not None and frame > self._first:
            self._rows, self._first = self._rows[frame - self._first :].copy(), frame

    def factor(self, spot: Spot) -> float:
        """Return what the score of a spot is multiplied by.

        Behind it, for as long as it is, the first frame counts whose best token is neither the
        blank nor the phrase's last token, which may last: does that token begin a word?
        """
        if self._starts is None or self._rows is None:
            return 1.0
        begin = spot.end_frame - self._first
        rows = self._rows[begin : begin + spot.end_frame - spot.start_frame]
        last = self._last[spot.phrase]
        (others,) = np.nonzero(~np.isin(rows.argmax(axis=1), [0, *last]))
        going_on = ~self._starts
        going_on[[0, *last]] = False
        if not len(others) or not going_on.any() or not self._starts.any():
            return 1.0
        row = rows[others[0]]
        margin = float(row[self._starts].max() - row[going_on].max())
        return math.exp(max(_GOES_ON * min(0.0, margin), -_AT_MOST))


def threshold_for(scores: Sequence[float], hours: float, per_hour: float) -> float:
    """Return the least threshold with at most so many false alarms an hour.

    Args:
        scores: of spots in speech without the phrase.
        hours: of that speech.
        per_hour: wanted false alarms an hour.

    Raises:
        DecodingError: there is no speech, or too little for the wanted rate.
    """
    if not hours > 0 or not per_hour >= 0:
        raise DecodingError("There is no speech to set a threshold on.", "Give recordings.")
    allowed = math.floor(per_hour * hours)
    ranked = sorted(scores, reverse=True)
    if allowed >= len(ranked):
        return FLOOR
    return float(min(1.0, np.nextafter(ranked[allowed], 2.0)))


def _states(ways: Sequence[Sequence[int]]) -> kernels.Phrases:
    tokens, first = list[int](), [0]
    for way in ways:
        for token in way:
            tokens += [0, token]  # the first blank is only the place before the phrase
        first.append(len(tokens))
    return kernels.Phrases(np.array(tokens, np.int32), np.array(first, np.int64))

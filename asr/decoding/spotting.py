"""Wake words and keyword search: where phrases are said, by the log-probabilities alone.

No language model takes part: a phrase is found where its tokens are nearly as probable as the best
ones. See kernels/spotting.py for the score. T frames, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels import spotting as kernels
from asr.errors import DecodingError

__all__ = ["FLOOR", "Spot", "Spotter", "threshold_for"]

FLOOR = 0.05
"""Least score that is looked at at all."""


@dataclass(frozen=True)
class Spot:
    """A phrase that was found.

    Attributes:
        phrase: which.
        start_frame: at which its first token is heard.
        end_frame: after its last one.
        score: 0 to 1; the geometric mean, over its tokens, of how probable they are beside the best
            ones.
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

    Raises:
        DecodingError: there are no phrases, one has no tokens, or a threshold is not in 0 to 1.
    """

    def __init__(
        self,
        phrases: Mapping[str, Sequence[Sequence[int]]],
        threshold: float | Mapping[str, float] = 0.5,
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
        found: list[Spot] = []
        for t, p in zip(*np.nonzero(scores >= self._least), strict=True):
            frame = self.frames + int(t)
            spot = Spot(self._names[p], int(starts[t, p]), frame + 1, float(scores[t, p]))
            before = self._waiting.get(spot.phrase)
            if before is not None and spot.start_frame >= before.end_frame:
                found.append(before)
                before = None
            if before is None or spot.score > before.score:
                self._waiting[spot.phrase] = spot
        self.frames += T
        return found + self._settled()

    def finish(self) -> list[Spot]:
        """End the stream; return what is still waiting."""
        found, self._waiting = list(self._waiting.values()), {}
        return sorted(found, key=lambda spot: spot.end_frame)

    def _settled(self) -> list[Spot]:
        """Take what no path that is open now can overlap and beat."""
        settled = [
            spot
            for spot in self._waiting.values()
            if self.frames - spot.end_frame > spot.end_frame - spot.start_frame
        ]
        for spot in settled:
            del self._waiting[spot.phrase]
        return sorted(settled, key=lambda spot: spot.end_frame)


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

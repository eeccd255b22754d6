"""Overlapped speech: where two people speak at once, and who the second one is.

The second speaker is taken to be whoever else speaks nearest in time: people mostly overlap where
one of them takes over (Otterson & Ostendorf 2007).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from asr.speakers.windows import SpeechPart
from asr.text.rttm import SpeakerTurn

__all__ = ["overlapped_spans", "second_turns"]

LEAST_S = 0.2  # shorter stretches are not believed
REACH_S = 2.0  # from an overlap to the other turn of its second speaker, at most

Span = tuple[float, float]


def overlapped_spans(parts: Iterable[SpeechPart], threshold: float) -> Iterator[Span]:
    """Yield start and end, in seconds, of each stretch of overlapped speech that was detected.

    Args:
        parts: stretches of speech.
        threshold: probability of a step from which it counts.
    """
    for part in parts:
        loud = np.concatenate([[False], part.overlap >= threshold, [False]])
        edges = np.flatnonzero(np.diff(loud.astype(np.int8)))
        step_s = (part.end - part.start) / max(len(part.overlap), 1)
        for first, stop in zip(edges[::2], edges[1::2], strict=True):
            if (stop - first) * step_s >= LEAST_S:
                yield part.start + first * step_s, part.start + stop * step_s


def second_turns(turns: Sequence[SpeakerTurn], spans: Iterable[Span]) -> Iterator[SpeakerTurn]:
    """Yield the turns of second speakers in overlapped stretches.

    Args:
        turns: of the louder speaker at each time, in order of time.
        spans: start and end in seconds of the overlaps, in order of time.
    """
    first = 0
    for start, end in spans:
        while first < len(turns) and turns[first].end < start - REACH_S:
            first += 1
        near: list[SpeakerTurn] = []
        for number in range(first, len(turns)):
            if turns[number].start > end + REACH_S:
                break
            near.append(turns[number])
        for turn in near:
            begins, ends = max(start, turn.start), min(end, turn.end)
            others = [other for other in near if other.speaker != turn.speaker]
            if begins < ends and others:
                other = min(others, key=lambda one: _distance(one, begins, ends))
                if _distance(other, begins, ends) <= REACH_S:
                    yield SpeakerTurn(round(begins, 3), round(ends, 3), other.speaker)


def _distance(turn: SpeakerTurn, start: float, end: float) -> float:
    return max(turn.start - end, start - turn.end, 0.0)

"""From the frames where a network says a word to the time at which the word begins.

A network trained with CTC says a letter when it has heard enough of it. Against the word events of synthesised speech
(benchmarks/transcription/word_times.py) the first letter of a word comes 50 to 70 ms after the word begins, whatever
the voice, the speed and the model, while the last letter ends where the next word begins.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["ONSET_S", "earlier_starts"]

ONSET_S = 0.055


def earlier_starts(
    spans: Sequence[tuple[float, float]], latest_ends: Sequence[float] | None = None
) -> list[tuple[float, float]]:
    """Return (start, end) in seconds of words, in order, with each start moved to where the word begins.

    A word that would begin within the one before it ends that one, but not before the middle of it. Spans that neither
    overlap nor go back in time still do not.

    Args:
        spans: of the tokens of each word. latest_ends: time before which a word must not be ended, instead of its
            middle.
    """
    moved: list[tuple[float, float]] = []
    for number, (start, end) in enumerate(spans):
        begin = max(0.0, start - ONSET_S)
        if moved:
            first, last = moved[-1]
            bound = (first + last) / 2 if latest_ends is None else latest_ends[number - 1]
            begin = min(start, max(begin, bound))
            moved[-1] = (first, min(last, begin))
        moved.append((begin, end))
    return moved

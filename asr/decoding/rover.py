"""ROVER: combine the transcripts of several recognisers by voting, word by word.

Fiscus 1997, "A post-processing system to yield reduced word error rates", sections 3-4. Transcripts
are aligned one after the other to a network of slots. Each slot holds one word, or none, from every
transcript, and the words of a slot are voted on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.errors import DecodingError

__all__ = ["rover"]

Word = tuple[str, float]
"""A word and its confidence in 0-1; the empty word means that there is none."""


@dataclass
class _Slot:
    votes: list[Word]  # one from each transcript so far

    def holds(self, word: str) -> bool:
        return any(vote == word for vote, _ in self.votes)


def rover(
    transcripts: Sequence[str | Sequence[Word]], *, alpha: float = 1.0, null_confidence: float = 0.7
) -> list[Word]:
    """Return the words that win the vote, each with its score.

    A word's score in its slot is ``alpha * share of the votes + (1 - alpha) * its mean confidence``
    (Fiscus 1997, equation 1). The highest score wins; among equals, the earliest transcript.

    Args:
        transcripts: texts, or lists of (word, confidence); the first one is the base, so put the
            best first.
        alpha: 1: vote by frequency alone.
        null_confidence: confidence of an empty word.

    Raises:
        DecodingError: there are no transcripts, or alpha or a confidence is not in 0-1.

    Example:
        >>> " ".join(word for word, _ in rover(["the cat sat", "the hat sat", "a cat sat down"]))
        'the cat sat'
    """
    if not transcripts:
        raise DecodingError("There are no transcripts to vote on.", "Give at least one.")
    for name, value in (("alpha", alpha), ("null_confidence", null_confidence)):
        if not 0 <= value <= 1:
            raise DecodingError(f"{name} is {value!r}.", "Give a number in 0-1.")
    parsed = [_words(transcript) for transcript in transcripts]
    slots = [_Slot([word]) for word in parsed[0]]
    for number, words in enumerate(parsed[1:], 1):
        slots = _merge(slots, words, number, null_confidence)
    won = (_vote(slot, len(parsed), alpha) for slot in slots)
    return [word for word in won if word[0]]


def _words(transcript: str | Sequence[Word]) -> list[Word]:
    if isinstance(transcript, str):
        return [(word, 1.0) for word in transcript.split()]
    for word, confidence in transcript:
        if not 0 <= confidence <= 1:
            raise DecodingError(
                f"The confidence of {word!r} is {confidence!r}.", "Give numbers in 0-1."
            )
    return list(transcript)


def _merge(slots: list[_Slot], words: list[Word], seen: int, null_confidence: float) -> list[_Slot]:
    """Align words to the slots by edit distance and add them as votes."""
    none = ("", null_confidence)
    merged: list[_Slot] = []
    for slot, word in _align(slots, words):
        if slot is None:
            assert word is not None
            merged.append(_Slot([none] * seen + [word]))
        else:
            merged.append(_Slot([*slot.votes, word or none]))
    return merged


def _align(slots: list[_Slot], words: list[Word]) -> list[tuple[_Slot | None, Word | None]]:
    cost = np.zeros((len(slots) + 1, len(words) + 1))
    # Skipping a slot in which some transcript has no word is free: the two agree.
    skips = [0.0 if slot.holds("") else 1.0 for slot in slots]
    cost[1:, 0], cost[0, 1:] = np.cumsum(skips), np.arange(1, len(words) + 1)
    for i, slot in enumerate(slots, 1):
        for j, (word, _) in enumerate(words, 1):
            same = cost[i - 1, j - 1] + (0.0 if slot.holds(word) else 1.0)
            cost[i, j] = min(same, cost[i - 1, j] + skips[i - 1], cost[i, j - 1] + 1)
    return _trace(cost, slots, words, skips)


def _trace(
    cost: np.ndarray, slots: list[_Slot], words: list[Word], skips: list[float]
) -> list[tuple[_Slot | None, Word | None]]:
    i, j = len(slots), len(words)
    steps: list[tuple[_Slot | None, Word | None]] = []
    while i or j:
        agrees = bool(i and j) and slots[i - 1].holds(words[j - 1][0])
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (0.0 if agrees else 1.0):
            i, j = i - 1, j - 1
            steps.append((slots[i], words[j]))
        elif i and cost[i, j] == cost[i - 1, j] + skips[i - 1]:
            i -= 1
            steps.append((slots[i], None))
        else:
            j -= 1
            steps.append((None, words[j]))
    return steps[::-1]


def _vote(slot: _Slot, count: int, alpha: float) -> Word:
    best, highest = "", -1.0
    for word in dict.fromkeys(word for word, _ in slot.votes):
        confidences = [confidence for vote, confidence in slot.votes if vote == word]
        score = alpha * len(confidences) / count + (1 - alpha) * sum(confidences) / len(confidences)
        if score > highest + 1e-12:
            best, highest = word, score
    return best, highest

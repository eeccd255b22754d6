"""Count the word errors of one text; :mod:`asr.scoring` does it with normalisers and tables."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["word_errors"]


def word_errors(reference: str, hypothesis: str) -> tuple[int, int]:
    """Return (substitutions + deletions + insertions, reference words) (Levenshtein 1966).

    Example:
        >>> word_errors("a b c", "a x c d")
        (2, 3)
    """
    a, b = reference.split(), hypothesis.split()
    return _distance(a, b), len(a)


def _distance(a: Sequence[str], b: Sequence[str]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(diagonal + (x != y), row[j] + 1, row[j - 1] + 1)
    return row[-1]

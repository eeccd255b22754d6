"""Discounts of modified Kneser-Ney smoothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError

__all__ = ["FALLBACK", "Discounts", "discounts_from_counts"]

FALLBACK = (0.5, 1.0, 1.5)  # lmplz --discount_fallback


class Discounts(NamedTuple):
    """Discounts of adjusted counts of 0, 1, 2, and 3 or more."""

    zero: float
    one: float
    two: float
    three_plus: float


def discounts_from_counts(
    n: int,
    count_counts: npt.NDArray[np.int64],
    fallback: tuple[float, float, float] | None,
    notify: Callable[[str], None],
) -> Discounts:
    """Return the discounts of order ``n``.

    If no n-gram has an adjusted count of 1, 2 or 3, or if a discount would be negative or above its
    count, ``fallback`` is used. Under the same conditions lmplz stops.

    Args:
        n: order of the n-grams, for messages.
        count_counts: number of n-grams with each adjusted count from 0 to 4.
        fallback: discounts of counts 1, 2, and 3 or more; None: raise an error.
        notify: receives a message if the fallback is used.

    Raises:
        LanguageModelError: the discounts cannot be computed and ``fallback`` is None.

    Source: Chen & Goodman 1998, equation 26.
    """
    problem = _problem(count_counts)
    if problem is None:
        discounts = _formula(count_counts)
        if all(0 <= discount <= count for count, discount in enumerate(discounts)):
            return discounts
        problem = (
            "the discounts "
            + ", ".join(f"{discount:.3g}" for discount in discounts[1:])
            + " are out of range"
        )
    message = f"Too few or too uniform counts for Kneser-Ney discounts of {n}-grams: {problem}."
    if fallback is None:
        raise LanguageModelError(
            message, "Give more text, or fallback discounts such as 0.5 1 1.5."
        )
    notify(f"{message} Using {fallback[0]:g}, {fallback[1]:g} and {fallback[2]:g}.")
    return Discounts(0.0, *fallback)


def _problem(count_counts: npt.NDArray[np.int64]) -> str | None:
    for count in (1, 2, 3):
        if count_counts[count] == 0:
            return f"none has an adjusted count of {count}"
    return None


def _formula(count_counts: npt.NDArray[np.int64]) -> Discounts:
    t = [float(count) for count in count_counts]
    y = t[1] / (t[1] + 2 * t[2])
    return Discounts(0.0, *(c - (c + 1) * y * t[c + 1] / t[c] for c in (1, 2, 3)))

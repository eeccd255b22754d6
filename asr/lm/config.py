"""How an n-gram model is estimated, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from asr.cores import usable_cores
from asr.errors import LanguageModelError
from asr.lm.discounts import FALLBACK, Discounts
from asr.lm.model import MAX_ORDER

__all__ = ["BuildSummary", "EstimateConfig"]


@dataclass(frozen=True)
class EstimateConfig:
    """How to estimate.

    Attributes:
        order: longest n-grams, 1-6.
        prune: n-grams of order ``i + 1`` seen at most ``prune[i]`` times are dropped and their mass
            backs off; the last number holds for all higher orders. Starts with 0 and never falls
            (as lmplz ``--prune``).
        vocabulary: a file of words between white space, or the words; every other word counts as
            ``<unk>``. (lmplz ``--limit_vocab_file`` drops the n-grams of such words instead, and
            loses their mass.)
        max_words: keep so many of the most frequent words; every other word counts as ``<unk>``.
        discount_fallback: D1, D2, D3+ for orders whose counts are too few for discounts; None makes
            that an error.
        interpolate_unigrams: interpolate unigrams with the uniform distribution, ``<unk>`` being
            one word of it; otherwise ``<unk>`` alone gets that mass.
        skip_symbols: treat ``<s>``, ``</s>`` and ``<unk>`` in the text as white space instead of
            raising.
        threads: None for as many as the processor runs at once.
    """

    order: int = 3
    prune: Sequence[int] = (0,)
    vocabulary: str | os.PathLike[str] | Iterable[str] | None = None
    max_words: int | None = None
    discount_fallback: tuple[float, float, float] | None = FALLBACK
    interpolate_unigrams: bool = True
    skip_symbols: bool = False
    threads: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.order <= MAX_ORDER:
            raise LanguageModelError(
                f"Order {self.order} is out of range.", f"Give an order from 1 to {MAX_ORDER}."
            )
        limits = list(self.prune)
        if not limits or limits[0] != 0 or limits != sorted(limits) or len(limits) > self.order:
            raise LanguageModelError(
                f"Pruning thresholds {limits} do not fit order {self.order}.",
                "Give at most one per order, the first 0 and none below the one before, such as 0 "
                "0 1; words are "
                "limited by the vocabulary instead.",
            )
        self._check_discounts()
        if self.max_words is not None and self.max_words < 1:
            raise LanguageModelError(
                f"A vocabulary of {self.max_words} words is too small.", "Give 1 or more."
            )
        if self.threads is not None and self.threads < 1:
            raise LanguageModelError(f"{self.threads} threads are too few.", "Give 1 or more.")

    def _check_discounts(self) -> None:
        given = self.discount_fallback
        if given is not None and not all(0 <= d <= n for n, d in enumerate(given, 1)):
            raise LanguageModelError(
                f"{', '.join(map(str, given))} are no discounts of counts 1, 2 and 3.",
                "Give numbers from 0 to the count, such as 0.5 1 1.5.",
            )

    @property
    def thread_count(self) -> int:
        """Threads to use."""
        return self.threads or usable_cores()

    def prune_limit(self, n: int) -> int:
        """Largest number of sightings at which an n-gram is dropped."""
        return self.prune[min(n, len(self.prune)) - 1]


@dataclass(frozen=True)
class BuildSummary:
    """What was built: n-grams per order, discounts per order, size of the text, and whether disk
    was needed.
    """

    counts: tuple[int, ...]
    discounts: tuple[Discounts, ...]
    sentences: int
    words: int
    spilled: bool

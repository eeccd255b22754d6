"""An n-gram back-off model as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

__all__ = ["BOS", "EOS", "MAX_ORDER", "SPECIAL_WORDS", "UNK", "NgramModel"]

MAX_ORDER = 6
UNK, BOS, EOS = 0, 1, 2
SPECIAL_WORDS = ("<unk>", "<s>", "</s>")


@dataclass(frozen=True, eq=False)
class NgramModel:
    """A back-off model: every n-gram with its log10 probability and back-off weight.

    ``log10 p(w | h) = log10_probs`` of the n-gram ``h w`` where it is listed, else the back-off
    weight of ``h`` (0 where ``h`` is not listed) plus ``log10 p(w | h without its first word)``.

    The arrays of order ``n`` (index ``n - 1`` of each list) promise:

    * the rows of ``ngrams`` are sorted lexicographically and distinct, so that all words that
      follow one context stand side by side;
    * ``ngrams[0]`` is ``0, 1, ..., len(words) - 1``: unigram row and word id are the same number;
    * without its last word every n-gram is an n-gram of the order below (the rows of all orders
      form a trie). Without its *first* word it usually is, but that is not promised: entropy
      pruning may remove it.

    ``log10_probs`` of ``<s>`` is a convention of whoever wrote the model (0 or -99) and never part
    of a score.

    Attributes:
        words: word of each id; ids 0, 1, 2 are ``<unk>``, ``<s>``, ``</s>``.
        ngrams: per order an int32 array (count, n) of word ids.
        log10_probs: per order a float32 array (count,).
        log10_backoffs: per order a float32 array (count,); zeros for the highest order.

    Example:
        >>> from asr.lm import estimate
        >>> model = estimate([["a b", "a c"]], order=2)
        >>> [model.words[i] for i in model.ngrams[1][0]]
        ['<s>', 'a']
    """

    words: list[str]
    ngrams: list[npt.NDArray[np.int32]]
    log10_probs: list[npt.NDArray[np.float32]]
    log10_backoffs: list[npt.NDArray[np.float32]]
    _ids: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    @property
    def order(self) -> int:
        """The longest n-grams have this many words."""
        return len(self.ngrams)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of n-grams per order."""
        return tuple(len(rows) for rows in self.ngrams)

    @property
    def ids(self) -> dict[str, int]:
        """Id of each word."""
        if not self._ids:
            self._ids.update(zip(self.words, range(len(self.words)), strict=True))
        return self._ids

    def __repr__(self) -> str:
        return f"NgramModel(order={self.order}, counts={self.counts})"

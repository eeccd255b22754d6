"""Compute back-off weights with which every context's probabilities sum to one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel
from asr.lm.model import NgramModel
from asr.lm.trie import Trie, build_trie, score_rows

__all__ = ["lower_order_scores", "renormalized"]

_LEAST_MASS = 1e-9  # smallest mass, so that rounding errors leave it positive


@kernel
def _fill_backoffs(
    first_child: npt.NDArray[np.int64],
    log10_probs: npt.NDArray[np.float32],
    lower: npt.NDArray[np.float64],
    start: int,
    log10_backoffs: npt.NDArray[np.float32],
) -> None:
    """Fill in the back-off weights of the contexts of one order.

    The weight of a context is the mass that its n-grams leave, divided by the mass that the same
    words leave in the shorter context. ``first_child`` (contexts + 1,) indexes ``log10_probs`` of
    all nodes; ``lower`` starts at node ``start``.
    """
    for context in range(len(log10_backoffs)):
        left, lower_left = 1.0, 1.0
        for child in range(first_child[context], first_child[context + 1]):
            left -= 10.0 ** log10_probs[child]
            lower_left -= 10.0 ** lower[child - start]
        if first_child[context] == first_child[context + 1]:
            log10_backoffs[context] = 0.0
        else:
            log10_backoffs[context] = np.log10(
                max(left, _LEAST_MASS) / max(lower_left, _LEAST_MASS)
            )


def lower_order_scores(trie: Trie, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
    """Return log10 p(last word | words between first and last) of rows (count, n), n >= 2."""
    out = np.empty(len(rows))
    score_rows(
        rows,
        1,
        last_words=trie.last_words,
        first_child=trie.first_child,
        log10_probs=trie.log10_probs,
        log10_backoffs=trie.log10_backoffs,
        out=out,
    )
    return out


def renormalized(model: NgramModel) -> NgramModel:
    """Return the model with recomputed back-off weights, lowest order first."""
    trie = build_trie(model)
    for n in range(2, model.order + 1):
        low, high, end = (int(trie.offsets[k]) for k in (n - 2, n - 1, n))
        assert end - high == len(model.ngrams[n - 1])
        lower = lower_order_scores(trie, model.ngrams[n - 1])
        children = trie.first_child[low : high + 1]
        _fill_backoffs(children, trie.log10_probs, lower, high, trie.log10_backoffs[low:high])
    backoffs = [
        trie.log10_backoffs[a:b] for a, b in zip(trie.offsets[:-1], trie.offsets[1:], strict=True)
    ]
    backoffs[-1] = np.zeros_like(backoffs[-1])
    return NgramModel(model.words, model.ngrams, model.log10_probs, backoffs)

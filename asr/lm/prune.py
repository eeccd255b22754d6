"""Entropy pruning: the n-grams whose loss changes the model least go first."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError
from asr.kernels import kernel
from asr.lm.model import BOS, EOS, NgramModel
from asr.lm.renormalize import lower_order_scores, renormalized
from asr.lm.trie import build_trie

__all__ = ["prune_entropy"]


@kernel
def _context_log_probs(
    first_child: npt.NDArray[np.int64],
    log10_probs: npt.NDArray[np.float32],
    out: npt.NDArray[np.float64],
) -> None:
    """Carry ln p(h) from every node to its children; ``out`` comes with the unigrams filled in."""
    for node in range(len(first_child) - 1):
        for child in range(first_child[node], first_child[node + 1]):
            out[child] = out[node] + log10_probs[child] * np.log(10.0)


@kernel
def _relative_changes(
    first_child: npt.NDArray[np.int64],
    log10_probs: npt.NDArray[np.float32],
    lower: npt.NDArray[np.float64],
    start: int,
    context_log_probs: npt.NDArray[np.float64],
    out: npt.NDArray[np.float64],
) -> None:
    """Relative change of perplexity for losing each child of the contexts (Stolcke 1998, equations
    4-8).
    """
    ln10 = np.log(10.0)
    for context in range(len(first_child) - 1):
        left, lower_left = 1.0, 1.0
        for child in range(first_child[context], first_child[context + 1]):
            left -= 10.0 ** log10_probs[child]
            lower_left -= 10.0 ** lower[child - start]
        left, lower_left = max(left, 1e-9), max(lower_left, 1e-9)
        old = np.log(left / lower_left)
        for child in range(first_child[context], first_child[context + 1]):
            prob, lower_prob = 10.0 ** log10_probs[child], 10.0 ** lower[child - start]
            new = np.log((left + prob) / (lower_left + lower_prob))
            gain = prob * ((lower[child - start] - log10_probs[child]) * ln10 + new) + left * (
                new - old
            )
            out[child] = np.expm1(-np.exp(context_log_probs[context]) * gain)


@kernel
def _hold_contexts(first_child: npt.NDArray[np.int64], change: npt.NDArray[np.float64]) -> None:
    """A context goes no sooner than its last extension."""
    for node in range(len(first_child) - 2, -1, -1):
        for child in range(first_child[node], first_child[node + 1]):
            change[node] = max(change[node], change[child])


def _changes(model: NgramModel) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    trie = build_trie(model)
    contexts = np.empty(len(trie.last_words))
    contexts[: trie.offsets[1]] = model.log10_probs[0] * np.log(10.0)
    contexts[BOS] = contexts[EOS]  # sentences begin as often as they end
    _context_log_probs(trie.first_child, trie.log10_probs, contexts)
    change = np.zeros(len(trie.last_words))
    for n in range(2, model.order + 1):
        low, high = int(trie.offsets[n - 2]), int(trie.offsets[n - 1])
        lower = lower_order_scores(trie, model.ngrams[n - 1])
        _relative_changes(
            trie.first_child[low : high + 1],
            trie.log10_probs,
            lower=lower,
            start=high,
            context_log_probs=contexts[low:high],
            out=change,
        )
    _hold_contexts(trie.first_child, change)
    change[: trie.offsets[1]] = np.inf
    return change, trie.offsets


def prune_entropy(
    model: NgramModel, *, threshold: float | None = None, max_ngrams: int | None = None
) -> NgramModel:
    """The model without the n-grams that matter least to its perplexity; back-off weights computed
    anew.

    Give one of:
        threshold: n-grams go whose loss raises the perplexity by less than this fraction (as
        SRILM's ``-prune``). max_ngrams: as many n-grams of all orders together are left at most;
        unigrams always stay.

    The probability of a context is that of the model itself. Kneser-Ney's lower orders are made for
    backing off, not for that, so prune by count first where you can (Chelba et al. 2010).

    Raises:
        LanguageModelError: not exactly one is given, or it is out of range.

    Source: Stolcke 1998, "Entropy-based Pruning of Backoff Language Models".
    """
    if (threshold is None) == (max_ngrams is None):
        raise LanguageModelError(
            "Pruning needs either a threshold or a number of n-grams.", "Give one of the two."
        )
    if threshold is not None and not threshold >= 0:
        raise LanguageModelError(
            f"A pruning threshold of {threshold} is no use.", "Give 0 or more, such as 1e-8."
        )
    if max_ngrams is not None and max_ngrams < len(model.words):
        raise LanguageModelError(
            f"Pruning to {max_ngrams} n-grams would need unigrams to go: the vocabulary has "
            f"{len(model.words)} words.",
            "Give a larger number, or estimate with a smaller vocabulary.",
        )
    change, offsets = _changes(model)
    if max_ngrams is not None:
        keep = change > (
            np.partition(change, -max_ngrams - 1)[-max_ngrams - 1]
            if max_ngrams < len(change)
            else -1
        )
    else:
        keep = change >= np.float64(threshold or 0.0)
    return _kept(model, keep, offsets)


def _kept(
    model: NgramModel, keep: npt.NDArray[np.bool_], offsets: npt.NDArray[np.int64]
) -> NgramModel:
    if keep.all():
        return model
    masks = [keep[a:b] for a, b in itertools.pairwise(offsets.tolist())]
    order = max(n for n, mask in enumerate(masks, 1) if mask.any())
    lists = (model.ngrams, model.log10_probs, model.log10_backoffs)
    left = [
        [array[mask] for array, mask in zip(arrays, masks, strict=True)][:order] for arrays in lists
    ]
    return renormalized(NgramModel(model.words, *left))  # type: ignore[arg-type]

"""Entropy pruning: the n-grams whose loss changes the model least go first."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError
from asr.kernels import kernel
from asr.lm.corpus import Text, Tokenizer, as_texts
from asr.lm.model import BOS, EOS, NgramModel
from asr.lm.renormalize import lower_order_scores, renormalized
from asr.lm.trie import Trie, build_trie, next_nodes

__all__ = ["prune_entropy"]

_UNSEEN = 0.05  # sightings of a context that the texts do not hold


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
def _count_contexts(
    ids: npt.NDArray[np.int32],
    nodes: npt.NDArray[np.int64],
    last_words: npt.NDArray[np.int32],
    first_child: npt.NDArray[np.int64],
    log10_probs: npt.NDArray[np.float32],
    log10_backoffs: npt.NDArray[np.float32],
    counts: npt.NDArray[np.float64],
) -> None:
    """Count, at every token, the contexts of all lengths before it; ``nodes`` are those of the
    first token.
    """
    for i in range(len(ids)):
        for k in range(len(nodes)):
            if nodes[k] >= 0:
                counts[nodes[k]] += 1
        next_nodes(
            nodes,
            ids[i],
            last_words=last_words,
            first_child=first_child,
            log10_probs=log10_probs,
            log10_backoffs=log10_backoffs,
        )
        if ids[i] == EOS:
            nodes[:] = -1
            nodes[:1] = BOS


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


def _own_contexts(model: NgramModel, trie: Trie) -> npt.NDArray[np.float64]:
    """ln p(h) of every node, by the model itself."""
    contexts = np.empty(len(trie.last_words))
    contexts[: trie.offsets[1]] = model.log10_probs[0] * np.log(10.0)
    contexts[BOS] = contexts[EOS]  # sentences begin as often as they end
    _context_log_probs(trie.first_child, trie.log10_probs, contexts)
    return contexts


def _counted_contexts(
    model: NgramModel, trie: Trie, texts: str | os.PathLike[str] | Sequence[Text]
) -> npt.NDArray[np.float64]:
    """ln p(h) of every node below the highest order, as seen in texts."""
    counts, nodes = (
        np.full(len(trie.first_child) - 1, _UNSEEN),
        np.full(model.order - 1, -1, np.int64),
    )
    nodes[:1] = BOS
    tokenizer, tokens = Tokenizer(model.words, skip_symbols=True), 0
    for text in as_texts(texts):
        for ids in tokenizer.read(text):
            tokens += len(ids)
            arrays = trie.last_words, trie.first_child, trie.log10_probs, trie.log10_backoffs
            _count_contexts(ids, nodes, *arrays, counts)
    if not tokens:
        raise LanguageModelError(
            "The texts to count contexts in are empty.", "Give the text of the model."
        )
    return np.log(counts / tokens)


def _changes(
    model: NgramModel, texts: str | os.PathLike[str] | Sequence[Text] | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    trie = build_trie(model)
    contexts = (
        _own_contexts(model, trie) if texts is None else _counted_contexts(model, trie, texts)
    )
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
    model: NgramModel,
    *,
    threshold: float | None = None,
    max_ngrams: int | None = None,
    contexts: str | os.PathLike[str] | Sequence[Text] | None = None,
) -> NgramModel:
    """The model without the n-grams that matter least to its perplexity; back-off weights computed
    anew.

    Give one of:
        threshold: n-grams go whose loss raises the perplexity by less than this fraction (as
        SRILM's ``-prune``). max_ngrams: as many n-grams of all orders together are left at most;
        unigrams always stay.

    Args:
        model: the model.
        threshold: see above.
        max_ngrams: see above.
        contexts: texts, as :func:`asr.lm.estimate` takes them, in which contexts are counted: how
            much an n-gram matters depends on how often its context occurs. Give the text that the
            model was estimated from. Without it the model itself is asked, whose lower orders,
            where it is a Kneser-Ney model, are made for backing off, not for that.

    Raises:
        LanguageModelError: not exactly one is given, or it is out of range; a text cannot be read,
            or all are empty.

    Source: Stolcke 1998, "Entropy-based Pruning of Backoff Language Models"; Chelba et al. 2010,
    "Study on Interaction between Entropy Pruning and Kneser-Ney Smoothing".
    """
    if (threshold is None) == (max_ngrams is None):
        raise LanguageModelError(
            "Pruning needs either a threshold or a number of n-grams.", "Give one of the two."
        )
    if threshold is not None and not threshold >= 0:
        raise LanguageModelError(
            f"The pruning threshold {threshold} is negative or not a number.",
            "Give 0 or more, such as 1e-8.",
        )
    if max_ngrams is not None and max_ngrams < len(model.words):
        raise LanguageModelError(
            f"Pruning to {max_ngrams} n-grams would need unigrams to go: the vocabulary has "
            f"{len(model.words)} words.",
            "Give a larger number, or estimate with a smaller vocabulary.",
        )
    change, offsets = _changes(model, contexts)
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

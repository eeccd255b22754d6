"""Linear interpolation of n-gram models, and its weights."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError
from asr.lm.corpus import Text
from asr.lm.model import BOS, SPECIAL_WORDS, UNK, NgramModel
from asr.lm.renormalize import renormalized
from asr.lm.scorer import Scorer
from asr.lm.sorting import sorted_row_order
from asr.lm.trie import build_trie, score_rows

__all__ = ["interpolate", "interpolation_weights"]


def interpolation_weights(
    models: Sequence[NgramModel],
    heldout: str | os.PathLike[str] | Sequence[Text],
    *,
    tolerance: float = 1e-6,
    max_rounds: int = 500,
) -> list[float]:
    """Return the weights with the lowest perplexity on held-out texts; their sum is 1.

    By expectation-maximisation. Words that no model knows are ignored; a word that a model does not
    know has probability 0 in that model.

    Raises:
        LanguageModelError: there are fewer than two models, or no known word in the texts.
    """
    _check(models)
    columns, known = [], []
    for model in models:
        parts = list(Scorer(model).texts(heldout))
        ids = np.concatenate([ids for ids, _ in parts]) if parts else np.empty(0, np.int32)
        known.append(ids != UNK)
        scores = np.concatenate([np.empty(0), *(scores for _, scores in parts)])
        columns.append(np.where(known[-1], 10.0**scores, 0.0))
    probs = np.stack(columns, axis=1)[np.any(known, axis=0)]
    if len(probs) == 0:
        raise LanguageModelError("The held-out text is empty.", "Give text to tune the weights on.")
    weights = np.full(len(models), 1 / len(models))
    for _ in range(max_rounds):
        # The new weight of a model is the mean share that it has in the mixture's probabilities.
        mixed = probs * weights
        updated = (mixed / mixed.sum(axis=1, keepdims=True)).mean(axis=0)
        if np.abs(updated - weights).max() < tolerance:
            break
        weights = updated
    return [float(weight) for weight in updated]


def interpolate(models: Sequence[NgramModel], weights: Sequence[float]) -> NgramModel:
    """Return the mixture ``p(w | h) = sum of weight_i * p_i(w | h)`` as one back-off model.

    It lists every n-gram of any model, and its back-off weights are recomputed so that
    probabilities sum to one. A word that a model does not know has probability 0 in that model, not
    that of ``<unk>``.

    Raises:
        LanguageModelError: there are fewer than two models, or the weights are negative, too few or
            too many, or do not sum to 1.

    Example:
        >>> from asr.lm import estimate
        >>> quiet = lambda note: None
        >>> a, b = (estimate([[text]], order=2, notify=quiet) for text in ("a b", "a c"))
        >>> interpolate([a, b], [0.5, 0.5]).counts
        (6, 5)
    """
    _check(models)
    lambdas = np.asarray(weights, np.float64)
    if len(lambdas) != len(models) or not (lambdas >= 0).all() or not abs(lambdas.sum() - 1) < 1e-4:
        raise LanguageModelError(
            f"The weights {list(weights)} do not fit {len(models)} models.",
            "Give one weight >= 0 per model; their sum must be 1.",
        )
    words = list(SPECIAL_WORDS) + list(
        dict.fromkeys(word for model in models for word in model.words[3:])
    )
    ids = {word: row for row, word in enumerate(words)}
    to_union = [np.array([ids[word] for word in model.words], np.int32) for model in models]
    rows = [
        _union(models, to_union, n, len(words))
        for n in range(1, max(model.order for model in models) + 1)
    ]
    probs = [np.zeros(len(part)) for part in rows]
    for model, weight, forward in zip(models, lambdas / lambdas.sum(), to_union, strict=True):
        backward = np.full(len(words), -1, np.int32)
        backward[forward] = np.arange(len(forward), dtype=np.int32)
        _add(model, weight, backward, rows, probs)
    probs[0][BOS] = 1.0
    logs = [np.log10(np.maximum(part, 1e-99)).astype(np.float32) for part in probs]
    return renormalized(NgramModel(words, rows, logs, [np.zeros_like(part) for part in logs]))


def _check(models: Sequence[NgramModel]) -> None:
    if len(models) < 2:
        raise LanguageModelError(
            f"{len(models)} model(s) cannot be interpolated.", "Give two or more models."
        )


def _union(
    models: Sequence[NgramModel], to_union: list[npt.NDArray[np.int32]], n: int, vocabulary: int
) -> npt.NDArray[np.int32]:
    """Return the n-grams of all models in the ids of the joint vocabulary, sorted, distinct."""
    if n == 1:
        return np.arange(vocabulary, dtype=np.int32)[:, None]
    parts = [
        forward[model.ngrams[n - 1]]
        for model, forward in zip(models, to_union, strict=True)
        if model.order >= n
    ]
    rows = np.concatenate(parts)
    rows = rows[sorted_row_order(rows, max(1, (vocabulary - 1).bit_length()))]
    distinct = np.ones(len(rows), np.bool_)
    distinct[1:] = (rows[1:] != rows[:-1]).any(axis=1)
    return np.ascontiguousarray(rows[distinct])


def _add(
    model: NgramModel,
    weight: float,
    backward: npt.NDArray[np.int32],
    rows: list[npt.NDArray[np.int32]],
    probs: list[npt.NDArray[np.float64]],
) -> None:
    """Add a model's weighted probabilities to those of all n-grams."""
    trie = build_trie(model)
    for part, total in zip(rows, probs, strict=True):
        own = backward[part]
        scores = np.empty(len(own))
        score_rows(
            own,
            0,
            last_words=trie.last_words,
            first_child=trie.first_child,
            log10_probs=trie.log10_probs,
            log10_backoffs=trie.log10_backoffs,
            out=scores,
        )
        total += np.where(own[:, -1] >= 0, weight * 10.0**scores, 0.0)

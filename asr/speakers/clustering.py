"""Agglomerative clustering of embeddings by average linkage, in bounded memory.

The mean cosine between two groups is the product of their mean vectors, so groups are kept as sums
and no table of all pairs is ever larger than :data:`MOST` by :data:`MOST`. Legend: n embeddings,
E their size, K groups.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["MOST", "Array", "Labels", "cluster", "condensed", "renumbered"]

MOST = 1500
NEAR, TIGHT = 0.15, 0.6  # embeddings this much nearer than the threshold, and this near, are put
# together beforehand where there are many

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def cluster(
    embeddings: Array,
    weights: Array,
    threshold: float,
    count: int | None = None,
    start: Labels | None = None,
) -> Labels:
    """Return the group (n,) of each embedding, numbered from 0 by their first members.

    The two groups with the highest mean cosine are put together, again and again, until it is below
    the threshold, or until so many groups are left.

    Args:
        embeddings: (n, E) of length 1.
        weights: (n,) seconds of speech that each stands for.
        threshold: least mean cosine of two groups that are put together.
        count: of groups; the threshold is then not looked at.
        start: groups (n,) to begin with; None: each embedding is one.
    """
    labels = np.arange(len(embeddings)) if start is None else start
    if len(embeddings) > MOST and start is None:
        labels = condensed(embeddings, weights, min(0.95, max(TIGHT, threshold + NEAR)))
    sums, sizes = _sums(embeddings, weights, labels)
    merged = _merge(sums, sizes, threshold, count or 0)
    return renumbered(merged[labels])


def condensed(embeddings: Array, weights: Array, threshold: float) -> Labels:
    """Return small tight groups (n,), at most :data:`MOST`, made block by block in order."""
    labels = np.zeros(len(embeddings), np.int64)
    known = 0
    for first in range(0, len(embeddings), MOST // 2):
        part = slice(first, first + MOST // 2)
        sums, sizes = _sums(embeddings[part], weights[part], np.arange(len(embeddings[part])))
        own = renumbered(_merge(sums, sizes, threshold, 0))
        labels[part] = own + known
        known += int(own.max()) + 1
    while known > MOST:
        sums, sizes = _sums(embeddings, weights, labels)
        merged = np.zeros(known, np.int64)
        found = 0
        for first in range(0, known, MOST):
            part = slice(first, first + MOST)
            target = max(1, len(sizes[part]) // 2)
            own = renumbered(_merge(sums[part], sizes[part], threshold, target))
            merged[part] = own + found
            found += int(own.max()) + 1
        labels, known = merged[labels], found
    return labels


def renumbered(labels: Labels) -> Labels:
    """Return labels (n,) as numbers from 0 in the order in which they appear."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbers: Labels = rank[inverse]
    return numbers


def _sums(embeddings: Array, weights: Array, labels: Labels) -> tuple[Array, Array]:
    """Weighted sums (K, E) of the groups' embeddings, and their weights (K,)."""
    groups = int(labels.max(initial=-1)) + 1
    sums = np.zeros((groups, embeddings.shape[1]), np.float64)
    np.add.at(sums, labels, embeddings * weights[:, None])
    sizes: Array = np.bincount(labels, weights, groups).astype(np.float64)
    return sums, sizes


def _merge(sums: Array, sizes: Array, threshold: float, count: int) -> Labels:
    """Return the new group (K,) of each group; ``count`` 0: as the threshold says."""
    groups, means = len(sums), sums / np.maximum(sizes, 1e-9)[:, None]
    sizes = np.maximum(sizes, 1e-9)
    parent, alive = np.arange(groups), np.ones(groups, np.bool_)
    cosines = means @ means.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = cosines.argmax(1) if groups else np.zeros(0, np.int64)
    best = cosines[np.arange(groups), nearest]
    for _ in range(groups - max(1, count)):
        one = int(best.argmax())
        other = int(nearest[one])
        if not count and best[one] < threshold:
            break
        total = sizes[one] + sizes[other]
        means[one] = (sizes[one] * means[one] + sizes[other] * means[other]) / total
        sizes[one] = total
        parent[parent == other] = one
        alive[other], best[other] = False, -np.inf
        row = np.where(alive, means @ means[one], -np.inf)
        row[one] = -np.inf
        cosines[one], cosines[:, one] = row, row
        cosines[other], cosines[:, other] = -np.inf, -np.inf
        stale = np.flatnonzero(((nearest == one) | (nearest == other)) & alive)
        stale = np.union1d(stale, [one])
        nearest[stale] = cosines[stale].argmax(1)
        best[stale] = cosines[stale, nearest[stale]]
        nearer = np.flatnonzero(alive & (row > best))
        nearest[nearer], best[nearer] = one, row[nearer]
    return parent

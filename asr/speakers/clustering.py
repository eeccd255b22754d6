"""Agglomerative clustering of embeddings by average linkage, in bounded memory.

The mean cosine between two groups is the product of their mean vectors, so groups are kept as sums
and no table of all pairs is ever larger than :data:`MOST` by :data:`MOST`. Legend: n embeddings,
E their size, K groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["MOST", "Array", "Labels", "Tree", "cluster", "condensed", "renumbered", "tree"]

MOST = 1500
TIGHT = 0.6  # where there are many, embeddings this near are put together beforehand

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Tree:
    """Groups that were put together two by two, the most alike first.

    Attributes:
        labels: (n,) the first group of each embedding.
        merges: (M, 2) numbers of two groups: the second one joins the first.
        cosines: (M,) their mean cosine.
    """

    labels: Labels
    merges: Labels
    cosines: Array

    def groups(self, count: int) -> Labels:
        """Return the cluster (n,) of each embedding once ``count`` clusters, or fewer, are left."""
        first = int(self.labels.max(initial=-1)) + 1
        return self._after(first - max(1, count))

    def above(self, threshold: float) -> Labels:
        """Return the groups (n,) where the mean cosine of any two is below the threshold."""
        low = np.flatnonzero(self.cosines < threshold)
        return self._after(int(low[0]) if len(low) else len(self.merges))

    def _after(self, merges: int) -> Labels:
        groups = int(self.labels.max(initial=-1)) + 1
        return renumbered(_joined(groups, self.merges[: max(0, merges)])[self.labels])


def tree(embeddings: Array, weights: Array, start: Labels | None = None) -> Tree:
    """Return how groups join until one is left: again and again the two most alike by mean cosine.

    Args:
        embeddings: (n, E) of length 1.
        weights: (n,) seconds of speech that each stands for.
        start: groups (n,) to begin with; None: each embedding is one, or where there are many,
            those next to each other are put together first.
    """
    labels = np.arange(len(embeddings)) if start is None else start
    if len(embeddings) > MOST and start is None:
        labels = condensed(embeddings, weights, TIGHT)
    merges, cosines = _merges(*_sums(embeddings, weights, labels), -np.inf, 1)
    return Tree(labels, merges, cosines)


def cluster(
    embeddings: Array,
    weights: Array,
    threshold: float,
    count: int | None = None,
    start: Labels | None = None,
) -> Labels:
    """Return the group (n,) of each embedding, numbered from 0 by their first members.

    Args:
        embeddings: (n, E) of length 1.
        weights: (n,) seconds of speech that each stands for.
        threshold: least mean cosine of two groups that are put together.
        count: of groups; the threshold is then not looked at.
        start: see :func:`tree`.
    """
    joined = tree(embeddings, weights, start)
    return joined.groups(count) if count else joined.above(threshold)


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
    merges, _ = _merges(sums, sizes, -np.inf if count else threshold, max(1, count))
    return _joined(len(sums), merges)


def _joined(groups: int, merges: Labels) -> Labels:
    """Return the new group (K,) of each group after some of them joined others (M, 2)."""
    parent = np.arange(groups)
    for one, other in merges:
        parent[parent == other] = one
    return parent


def _merges(sums: Array, sizes: Array, threshold: float, count: int) -> tuple[Labels, Array]:
    """Return which two groups join (M, 2), and their mean cosines (M,)."""
    groups, sizes = len(sums), np.maximum(sizes, 1e-9)
    means = sums / sizes[:, None]
    cosines = means @ means.T
    np.fill_diagonal(cosines, -np.inf)
    nearest = cosines.argmax(1) if groups else np.zeros(0, np.int64)
    best = cosines[np.arange(groups), nearest]
    joined, values = list[tuple[int, int]](), list[float]()
    for _ in range(groups - count):
        one = int(best.argmax())
        other = int(nearest[one])
        if best[one] < threshold:
            break
        joined.append((one, other))
        values.append(float(best[one]))
        total = sizes[one] + sizes[other]
        means[one] = (sizes[one] * means[one] + sizes[other] * means[other]) / total
        sizes[one] = total
        gone = best == -np.inf
        row = means @ means[one]
        row[gone] = row[one] = row[other] = -np.inf
        cosines[one], cosines[:, one] = row, row
        cosines[other], cosines[:, other] = -np.inf, -np.inf
        best[other] = -np.inf
        stale = (nearest == one) | (nearest == other)
        stale[one] = True
        stale = np.flatnonzero(stale & (best > -np.inf))
        nearest[stale] = cosines[stale].argmax(1)
        best[stale] = cosines[stale, nearest[stale]]
        nearer = np.flatnonzero(row > best)
        nearest[nearer], best[nearer] = one, row[nearer]
    return np.array(joined, np.int64).reshape(-1, 2), np.array(values)

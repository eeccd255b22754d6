"""Stretches of speech as one embedding each, and how many speakers they are of.

One more speaker always explains some of the scatter of embeddings. How much of it noise explains
falls with the seconds that the two nearest speakers have; more than that is a speaker. The second
one explains most: of K that speak alike long and are alike far apart, the last explains a share of
1 / (K (K - 1)).

Legend: n windows, P stretches, K speakers, E embedding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.speakers.clustering import Array, Labels, Tree, renumbered, tree
from asr.speakers.embedder import Calibration
from asr.speakers.windows import SpeechPart

__all__ = ["Stretches", "centres", "unit"]

PIECE_S = 3.0  # longer stretches of speech count as several
PIECES = 10  # of a short recording, at least, down to LEAST_PIECE_S
LEAST_PIECE_S = 1.0
GROUPED_S = 1.0  # shorter stretches of speech make no groups
ROUNDS = 4  # of new centres and new labels
MOST_OUTLIERS = 3  # groups that are no speakers: stretches unlike all others
NEVER = 9.0  # more than any distance
BETWEEN = 0.6  # seconds, over those of a group: of its squared distance that is noise


def unit(rows: Array) -> Array:
    """Return rows (n, E) of length 1."""
    scaled: Array = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return scaled


def centres(rows: Array, weights: Array, labels: Labels) -> Array:
    """Return the centres (K, E) of groups, of length 1."""
    return unit(_members(labels).T @ (rows * weights[:, None]))


def _members(labels: Labels) -> Array:
    """Return (n, K): 1 where a row belongs to a group."""
    members: Array = np.eye(int(labels.max(initial=-1)) + 1)[labels]
    return members


@dataclass(frozen=True)
class Stretches:
    """The stretches of speech, each as one embedding: less noise than single windows have.

    A long one counts as several, for speakers may change in it without a pause.

    Attributes:
        owners: (n,) the stretch of each window, ascending.
        rows: (P, E) relative to the recording's mean, of length 1.
        means: (P, E) mean embeddings.
        seconds: (P,) of speech.
        long: numbers of those that are long enough to make groups of; the others join the nearest.
    """

    owners: Labels
    rows: Array
    means: Array
    seconds: Array
    long: Labels

    @classmethod
    def of(cls, parts: Sequence[SpeechPart], rows: Array, weights: Array) -> Stretches:
        """Return the stretches of windows.

        Args:
            parts: stretches between pauses.
            rows: (n, E) embeddings of their windows, of length 1.
            weights: (n,) seconds of speech that each stands for.
        """
        owners: list[Labels] = []
        first = 0
        piece_s = min(PIECE_S, max(LEAST_PIECE_S, float(weights.sum()) / PIECES))
        for part in parts:
            count = _pieces(part, piece_s)
            places = np.arange(len(part.embeddings))
            owners.append(first + places * count // len(places))
            first += count
        joined = np.concatenate(owners)
        mean = weights @ rows / weights.sum()
        starts = np.flatnonzero(np.diff(joined, prepend=-1))
        seconds = np.add.reduceat(weights, starts)
        means = np.add.reduceat(rows * weights[:, None], starts) / seconds[:, None]
        centred = np.add.reduceat(unit(rows - mean) * weights[:, None], starts)
        long = np.flatnonzero(seconds >= GROUPED_S)
        if len(long) < 2:
            long = np.arange(len(seconds))
        return cls(joined, unit(centred), means, seconds, long)

    def divided(self, count: int) -> Labels:
        """Return a group (n,) for each window, of so many groups, or as many as there are rows."""
        joined = tree(self.rows[self.long], self.seconds[self.long])
        return renumbered(self._division(joined, min(count, len(self.long)))[self.owners])

    def found(self, calibration: Calibration, most: int, least_s: float) -> Labels:
        """Return the speaker (n,) of each window, of as many speakers as there seem to be.

        Args:
            calibration: how much scatter one more speaker takes away.
            most: speakers, at most.
            least_s: seconds that each has, at least.
        """
        joined = tree(self.rows[self.long], self.seconds[self.long])
        best = np.zeros(len(self.seconds), np.int64)
        before = self._scatter(best)
        for count in range(2, min(most, len(self.long)) + 1):
            labels = self._division(joined, count)
            after = self._scatter(labels)
            noise = self._noise(labels, count, least_s, calibration)
            least = calibration.threshold * math.sqrt(2 / (count * (count - 1)))
            if before - after < least + noise:
                break
            best, before = labels, after
        return renumbered(best[self.owners])

    def _division(self, joined: Tree, count: int) -> Labels:
        """Return the group (P,) of each stretch, of so many groups.

        Of the tree's own groups, and of the largest ones among more, those with the least scatter:
        an outlier may be the last to join, after two speakers have.
        """
        most = min(count + MOST_OUTLIERS, len(self.long))
        divisions = [self._refined(joined.groups(more), count) for more in range(count, most + 1)]
        return min(divisions, key=self._scatter)

    def _refined(self, groups: Labels, count: int) -> Labels:
        """Return the group (P,) of each stretch by k-means on the sphere, a few rounds.

        Args:
            groups: to begin with, of the long stretches.
            count: how many of them are kept, the largest.
        """
        rows, weights = self.rows, self.seconds
        middles = centres(rows[self.long], weights[self.long], groups)
        sizes = np.bincount(groups, weights[self.long])
        middles = middles[np.sort(np.argsort(-sizes, kind="stable")[:count])]
        labels: Labels = (rows @ middles.T).argmax(1)
        for _ in range(ROUNDS - 1):
            middles = unit(np.eye(len(middles))[labels].T @ (rows * weights[:, None]))
            new = (rows @ middles.T).argmax(1)
            if (new == labels).all():
                break
            labels = new
        return labels

    def _scatter(self, labels: Labels) -> float:
        """Mean squared distance from the groups' centres, per second of speech."""
        sizes, middles = self._groups(labels)
        total = self.seconds @ np.square(self.means).sum(1) - sizes @ np.square(middles).sum(1)
        return float(total / self.seconds.sum())

    def _groups(self, labels: Labels) -> tuple[Array, Array]:
        """Seconds (K,) and mean embedding (K, E) of each group."""
        members = _members(labels)
        sizes = members.T @ self.seconds
        return sizes, (members.T @ (self.means * self.seconds[:, None])) / np.maximum(sizes, 1e-9)[
            :, None
        ]

    def _noise(self, labels: Labels, count: int, least_s: float, calibration: Calibration) -> float:
        """Scatter that a group too many takes away: of the two that are nearest."""
        sizes, middles = self._groups(labels)
        if len(sizes) < count or sizes.min() < least_s:
            return NEVER
        squares = np.square(middles).sum(1)
        distances = (squares[:, None] + squares) / 2 - middles @ middles.T
        shares = 1 / sizes[:, None] + 1 / sizes
        beyond = distances - BETWEEN * shares + NEVER * np.eye(count)
        one, other = np.unravel_index(beyond.argmin(), beyond.shape)
        return calibration.noise * float(shares[one, other])


def _pieces(part: SpeechPart, piece_s: float) -> int:
    return min(len(part.embeddings), max(1, round((part.end - part.start) / piece_s)))

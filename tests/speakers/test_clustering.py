"""Average linkage against scipy's, and what it does with many embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from asr.speakers.clustering import MOST, cluster, renumbered


def voices(rng: np.random.Generator, people: int, count: int, spread: float) -> tuple:
    centres = rng.standard_normal((people, 32))
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    who = rng.integers(people, size=count)
    rows = centres[who] + spread * rng.standard_normal((count, 32)) / np.sqrt(32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), who


def same_groups(one: np.ndarray, other: np.ndarray) -> bool:
    return renumbered(np.asarray(one)).tolist() == renumbered(np.asarray(other)).tolist()


@pytest.mark.parametrize("threshold", [0.1, 0.4, 0.7])
def test_groups_are_those_of_scipy(threshold: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(10):
        rows, _ = voices(rng, 4, 60, 1.5)
        tree = linkage(np.maximum(1 - (rows @ rows.T)[np.triu_indices(60, 1)], 0), "average")
        ours = cluster(rows, np.ones(60), threshold)
        assert same_groups(ours, fcluster(tree, 1 - threshold, "distance"))
        three = cluster(rows, np.ones(60), threshold, 3)
        assert same_groups(three, fcluster(tree, 3, "maxclust"))


def test_weights_count_as_repetitions() -> None:
    rng = np.random.default_rng(1)
    rows, _ = voices(rng, 3, 30, 1.5)
    weights = rng.integers(1, 4, size=30)
    repeated = np.repeat(np.arange(30), weights)
    start = np.unique(repeated, return_inverse=True)[1]
    ours = cluster(rows, weights.astype(float), 0.3)
    theirs = cluster(rows[repeated], np.ones(len(repeated)), 0.3, start=start)
    assert same_groups(ours[repeated], theirs)


def test_many_embeddings_are_put_together_in_pieces() -> None:
    rng = np.random.default_rng(2)
    rows, who = voices(rng, 5, 3 * MOST, 0.8)
    found = cluster(rows, np.ones(len(rows)), 0.4)
    assert len(np.unique(found)) == 5
    pairs = np.unique(np.stack([found, who]), axis=1, return_counts=True)[1]
    assert np.sort(pairs)[-5:].sum() > 0.999 * len(rows)


def test_noise_alone_stays_in_bounded_memory() -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((3 * MOST, 64))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert len(np.unique(cluster(rows, np.ones(len(rows)), 0.9, 4))) == 4


def test_numbers_follow_the_first_appearance() -> None:
    assert renumbered(np.array([7, 2, 7, 0])).tolist() == [0, 1, 0, 2]
    assert cluster(np.ones((1, 4)) / 2, np.ones(1), 0.5).tolist() == [0]

"""Buckets: every item once, bounded batches, the same ones for the same epoch, shared by ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.training.batching.buckets import BucketSampler


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=200),
    st.integers(500, 4000),
    st.integers(1, 20),
    st.booleans(),
)
def test_every_item_once_and_bounds_kept(
    lengths: list[int], limit: int, size: int, shuffle: bool
) -> None:
    sampler = BucketSampler(np.array(lengths), limit, size, seed=3, shuffle=shuffle)
    batches = sampler.batches(epoch=2)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= size
        assert len(batch) * max(lengths[i] for i in batch) <= limit


def test_epochs_differ_and_repeat() -> None:
    sampler = BucketSampler(np.arange(1, 301), 2000, 16, seed=1)
    first, again, second = sampler.batches(0), sampler.batches(0), sampler.batches(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert {tuple(b) for b in first} != {tuple(b) for b in second}


def test_little_padding() -> None:
    lengths = np.random.default_rng(0).integers(100, 1500, 3000)
    batches = BucketSampler(lengths, 20000, 64).batches(0)
    padded = sum(len(b) * lengths[b].max() for b in batches)
    assert lengths.sum() / padded > 0.95


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_take_the_same_number_of_steps_and_share_the_items(world_size: int) -> None:
    lengths = np.random.default_rng(0).integers(100, 1500, 101)
    ranks = [
        BucketSampler(lengths, 6000, 8, seed=1, world_size=world_size, rank=r).batches(4)
        for r in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    assert set(np.concatenate([i for batches in ranks for i in batches]).tolist()) == set(
        range(101)
    )

"""Batches of labelled sequences."""

from __future__ import annotations

import numpy as np
import pytest

from asr.signals.batches import LabelledLoader, draws_per_epoch

LABELS = np.array([0] * 80 + [1] * 15 + [2] * 5)


def loader(**settings: object) -> LabelledLoader:
    rng = np.random.default_rng(0)
    sequences = [
        rng.standard_normal((int(n), 2)).astype(np.float32) for n in rng.integers(1, 30, 100)
    ]
    return LabelledLoader(
        sequences, LABELS, rng.standard_normal((100, 3)).astype(np.float32), 8, **settings
    )  # type: ignore[arg-type]


def test_an_epoch_holds_everything_once_and_is_a_function_of_its_number() -> None:
    first, second = loader(seed=3), loader(seed=3)
    for epoch in (0, 4):
        items = np.concatenate(first.item_numbers(epoch))
        assert sorted(items) == list(range(100))
        assert np.array_equal(items, np.concatenate(second.item_numbers(epoch)))
    assert not np.array_equal(np.concatenate(first.item_numbers(0)), items)
    assert first.load(4, 2).seed == second.load(4, 2).seed != first.load(4, 3).seed


def test_a_batch_holds_what_belongs_together() -> None:
    batches = loader()
    for position in range(batches.num_batches(0)):
        batch = batches.load(0, position)
        for row, number in enumerate(map(int, batch.ids)):
            n = int(batch.x_lens[row])
            assert np.array_equal(batch.x[row, :n].numpy(), batches.sequences[number])
            assert not batch.x[row, n:].any()
            assert batch.labels[row] == LABELS[number]
            assert np.array_equal(batch.static[row].numpy(), batches.static[number])


@pytest.mark.parametrize(("balance", "expected"), [(0.0, [80, 15, 5]), (1.0, [100 / 3] * 3)])
def test_classes_are_drawn_as_often_as_asked(balance: float, expected: list[float]) -> None:
    draws = draws_per_epoch(LABELS, balance)
    assert [draws[c == LABELS].sum() for c in range(3)] == pytest.approx(expected)
    batches = loader(draws=draws)
    counts = (
        sum(
            np.bincount(LABELS[np.concatenate(batches.item_numbers(e))], minlength=3)
            for e in range(200)
        )
        / 200
    )
    assert counts == pytest.approx(np.array(expected), rel=0.05)


def test_an_epoch_can_be_smaller_than_the_data() -> None:
    assert draws_per_epoch(LABELS, 0.5, 30).sum() == pytest.approx(30)


def test_ranks_share_an_epoch() -> None:
    whole = loader(seed=1)
    ranks = [whole.for_rank(rank, 2) for rank in range(2)]
    assert {len(r.item_numbers(0)) for r in ranks} == {(whole.num_batches(0) + 1) // 2}
    assert set(np.concatenate([np.concatenate(r.item_numbers(0)) for r in ranks])) == set(
        range(100)
    )

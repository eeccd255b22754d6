"""Batches of every task in parts: the rows of the whole, in order, each once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from asr.language.batches import TokenItems, collate_tokens
from asr.language.translation.batches import PairLoader
from asr.training.batching.batch import FEWEST_ROWS, Batch, split_batch


@dataclass(frozen=True)
class Numbers(Batch):
    x: Tensor
    ids: tuple[str, ...]
    seed: int = 0


def numbers(rows: int) -> Numbers:
    return Numbers(torch.arange(2.0 * rows).view(rows, 2), tuple(map(str, range(rows))), seed=5)


@pytest.mark.parametrize("most", [1, 2, 3, 8])
@pytest.mark.parametrize("rows", [1, 7, 16, 17, 63])
def test_parts_are_the_whole(rows: int, most: int) -> None:
    whole = numbers(rows)
    parts = split_batch(whole, most)
    assert torch.equal(torch.cat([part.x for part in parts]), whole.x)
    assert sum((part.ids for part in parts), ()) == whole.ids
    assert len(parts) == max(1, min(most, rows // FEWEST_ROWS))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert len({part.seed for part in parts}) == len(parts)


def test_a_batch_of_one_part_stays_what_it_is() -> None:
    whole = numbers(FEWEST_ROWS)
    assert split_batch(whole, 4) == [whole]


def test_a_part_of_texts_has_the_spellings_of_its_own_words() -> None:
    items = TokenItems(
        tokens=[np.array([3, 4]), np.array([5]), np.array([3, 5, 4])],
        names=["a", "b", "c"],
        words=[np.array([0, 1]), np.array([2]), np.array([0, 2, 1])],
        spellings=[np.array([7]), np.array([8, 9]), np.array([1, 2, 3])],
    )
    whole = collate_tokens(items, np.arange(3))
    for start, stop in ((0, 2), (1, 2), (1, 3)):
        part = whole.rows(start, stop)
        for row, text in enumerate(items.words[start:stop]):
            for step, word in enumerate(text):
                spelled = part.chars[part.words[row, step]]
                length = part.char_lens[part.words[row, step]]
                assert spelled[:length].tolist() == items.spellings[word].tolist()
    assert len(whole.rows(1, 2).chars) == 2  # its word and that of the padding


def test_a_part_of_pairs_keeps_both_sides() -> None:
    loader = PairLoader(
        [np.array([n] * n) for n in range(1, 6)],
        [np.array([10 + n]) for n in range(1, 6)],
        shuffle=False,
    )
    whole = loader.load(0, 0)
    part = whole.rows(1, 3)
    assert part.source_lens.tolist() == whole.source_lens[1:3].tolist()
    assert part.target[:, 0].tolist() == whole.target[1:3, 0].tolist()
    assert part.ids == whole.ids[1:3]

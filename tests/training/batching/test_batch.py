"""Rows of a batch as a batch."""

from __future__ import annotations

import numpy as np

from asr.language.batches import TokenItems, collate_tokens
from asr.language.translation.batches import PairLoader


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

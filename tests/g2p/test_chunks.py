"""Division into chunks. Oracle: all divisions, enumerated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from asr.g2p import kernels
from asr.g2p.chunks import _pairs, divide, parse_chunk, spell_chunk
from asr.text.pronunciations import Phones

ENTRIES = [
    ("phone", ("F", "OW", "N")),
    ("ox", ("AA", "K", "S")),
    ("fox", ("F", "AA", "K", "S")),
    ("no", ("N", "OW")),
    ("w", ("D", "AH", "B", "AH", "L")),
]
STEPS: list[tuple[int, int]] = [(1, 0), (1, 1), (1, 2), (2, 1)]


def divisions(word: str, said: Phones) -> Iterator[list[tuple[str, Phones]]]:
    if not word and not said:
        yield []
    for letters, phones in STEPS:
        if letters <= len(word) and phones <= len(said):
            for rest in divisions(word[letters:], said[phones:]):
                yield [(word[:letters], said[:phones]), *rest]


def number_of(pairs: kernels.Pairs, entries: Sequence[tuple[str, Phones]]) -> dict[object, int]:
    """Return the number of every chunk, found by the kernel's own numbering of places."""
    numbers = {}
    for w, (word, said) in enumerate(entries):
        a, b = int(pairs.letter_first[w]), int(pairs.phone_first[w])
        for i in range(len(word)):
            for j in range(len(said) + 1):
                for step, (x, y) in enumerate(STEPS):
                    if i + x <= len(word) and j + y <= len(said):
                        chunk = (word[i : i + x], said[j : j + y])
                        numbers[chunk] = int(kernels.chunk_of(pairs, step, a + i, b + j))
    return numbers


def test_expected_counts_are_those_of_all_divisions() -> None:
    pairs, num_letter_pairs = _pairs(ENTRIES)
    width = 1 + pairs.num_phones + pairs.num_phone_pairs
    size = pairs.num_letters * width + num_letter_pairs * pairs.num_phones
    probs = np.random.default_rng(1).random(size)
    counts = np.zeros(size)
    assert kernels.expect(pairs, probs, counts) == 1  # the abbreviation has too many phones
    numbers = number_of(pairs, ENTRIES)
    assert len(set(numbers.values())) == len(numbers)
    expected = np.zeros(size)
    for word, said in ENTRIES:
        found = list(divisions(word, said))
        weights = [math.prod(probs[numbers[chunk]] for chunk in chunks) for chunks in found]
        for chunks, weight in zip(found, weights, strict=True):
            for chunk, count in Counter(chunks).items():
                expected[numbers[chunk]] += count * weight / sum(weights)
    np.testing.assert_allclose(counts, expected, rtol=1e-9, atol=1e-12)


def test_letters_find_their_phones() -> None:
    divided = divide(ENTRIES * 3 + [("fix", ("F", "IH", "K", "S"))] * 3)
    assert [("f", ("F",)), ("o", ("AA",)), ("x", ("K", "S"))] in divided
    assert [("n", ("N",)), ("o", ("OW",))] in divided
    assert not any(chunks[0][0] == "w" for chunks in divided)


def test_words_with_rare_chunks_are_left_out() -> None:
    regular = [(word, tuple(word.upper())) for word in ("ab", "ba", "aab", "bab")] * 12_000
    assert len(divide([*regular, ("q", ("Z",))])) == len(regular)
    assert len(divide([*regular, ("q", ("Z",))], rare=1)) == len(regular) + 1


@pytest.mark.parametrize("word", ["a}B", "p|h}F", "x}K|S", "e}_"])
def test_spelling_of_chunks(word: str) -> None:
    assert spell_chunk(parse_chunk(word)) == word


@pytest.mark.parametrize("word", ["a", "ab}C", "a|b|c}D", "a}B|C|D", "}B", "a}"])
def test_other_words_are_no_chunks(word: str) -> None:
    with pytest.raises(ValueError, match="no chunk"):
        parse_chunk(word)

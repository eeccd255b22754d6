"""Words and pronunciations divided into chunks of letters and phones, by expectation-maximisation.

Each chunk has a probability of its own, whatever stands before it; so a division of a word has the
product. Source: Jiampojamarn, Kondrak & Sherif 2007, "Applying Many-to-Many Alignments and Hidden
Markov Models to Letter-to-Phoneme Conversion".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from asr.g2p import kernels
from asr.text.pronunciations import Phones

__all__ = ["Chunk", "divide", "parse_chunk", "spell_chunk"]

Chunk = tuple[str, Phones]  # one or two letters, up to two phones
ITERATIONS = 8
RARE = 4  # a word that needs a chunk seen less often is left out: its spelling teaches nothing
_NONE = "_"


def spell_chunk(chunk: Chunk) -> str:
    """Return a chunk as a word of an n-gram model, spelled as Phonetisaurus does.

    Example:
        >>> spell_chunk(("ph", ("F",))), spell_chunk(("x", ("K", "S"))), spell_chunk(("e", ()))
        ('p|h}F', 'x}K|S', 'e}_')
    """
    letters, phones = chunk
    return "|".join(letters) + "}" + ("|".join(phones) or _NONE)


def parse_chunk(word: str) -> Chunk:
    """Return the chunk that :func:`spell_chunk` spelled.

    Raises:
        ValueError: the word is no chunk.
    """
    letters, brace, phones = word.rpartition("}")
    chunk = letters[0::2], () if phones == _NONE else tuple(phones.split("|"))
    if (
        not brace
        or not letters
        or spell_chunk(chunk) != word
        or len(chunk[0]) > 2
        or len(chunk[1]) > 2
    ):
        raise ValueError(f"{word!r} is no chunk of letters and phones")
    return chunk


def divide(entries: Sequence[tuple[str, Phones]], rare: int = RARE) -> list[list[Chunk]]:
    """Return the chunks of words with their pronunciations.

    Args:
        entries: words and phones.
        rare: words with chunks that are in fewer places are left out, as are words that cannot be
            divided, such as abbreviations; lowered for few words.
    """
    pairs, num_letter_pairs = _pairs(entries)
    width = 1 + pairs.num_phones + pairs.num_phone_pairs
    size = pairs.num_letters * width + num_letter_pairs * pairs.num_phones
    probs = np.full(size, 1 / size)
    for _ in range(ITERATIONS):
        counts = np.zeros(size)
        kernels.expect(pairs, probs, counts)
        probs = counts / max(counts.sum(), 1.0)
    steps = np.empty(len(pairs.letters), np.int8)
    kernels.divide(pairs, probs, steps)
    divided = list(_divided(entries, pairs.letter_first, steps))
    seen = Counter(chunk for chunks in divided for chunk in chunks)
    least = min(rare, 1 + len(divided) // 10_000)
    return [chunks for chunks in divided if min(map(seen.__getitem__, chunks)) >= least]


def _pairs(entries: Sequence[tuple[str, Phones]]) -> tuple[kernels.Pairs, int]:
    """Return words as the kernels take them, and the number of pairs of letters."""
    letters, letter_first, num_letters = _numbered([word for word, _ in entries])
    phones, phone_first, num_phones = _numbered([said for _, said in entries])
    letter_pairs, num_letter_pairs = _neighbours(letters, num_letters)
    phone_pairs, num_phone_pairs = _neighbours(phones, num_phones)
    pairs = kernels.Pairs(
        letters=letters,
        letter_pairs=letter_pairs,
        letter_first=letter_first,
        phones=phones,
        phone_pairs=phone_pairs,
        phone_first=phone_first,
        num_letters=num_letters,
        num_phones=num_phones,
        num_phone_pairs=num_phone_pairs,
    )
    return pairs, num_letter_pairs


def _numbered(
    sequences: Sequence[Sequence[str]],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], int]:
    """Return the numbers of all items, the first place of each sequence, and how many differ."""
    number = {item: i for i, item in enumerate(sorted(set().union(*sequences)))}
    items = np.array([number[item] for items in sequences for item in items], np.int32)
    first = np.cumsum([0, *map(len, sequences)]).astype(np.int64)
    return items, first, len(number)


def _neighbours(items: npt.NDArray[np.int32], count: int) -> tuple[npt.NDArray[np.int32], int]:
    """Return the number of the pair that starts at each place, and how many pairs differ."""
    following = np.append(items[1:], 0)
    kinds, numbers = np.unique(items.astype(np.int64) * count + following, return_inverse=True)
    return numbers.astype(np.int32), len(kinds)


def _divided(
    entries: Iterable[tuple[str, Phones]],
    first: npt.NDArray[np.int64],
    steps: npt.NDArray[np.int8],
) -> Iterator[list[Chunk]]:
    """Yield the chunks of the words that could be divided."""
    sizes: list[list[int]] = kernels.STEPS.tolist()
    for (word, said), start in zip(entries, first.tolist(), strict=False):
        i, j, chunks = 0, 0, list[Chunk]()
        while i < len(word) and (step := int(steps[start + i])) != kernels.NO_STEP:
            letters, phones = sizes[step]
            chunks.append((word[i : i + letters], said[j : j + phones]))
            i, j = i + letters, j + phones
        if chunks:
            yield chunks

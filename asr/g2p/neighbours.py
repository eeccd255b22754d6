"""Words of a dictionary that begin or end as a word does. K words of the dictionary."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel
from asr.text.pronunciations import Phones, Pronunciations

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

START, END = 0, 1  # sides of a word
PLACES = 5  # of an entry in a filter
NEAR = 4  # words that begin alike, and as many that end alike
SHARED = 3  # letters at least


class Known(NamedTuple):
    """A dictionary, sorted by the letters of its words.

    Attributes:
        letters: code points of all words, one after the other.
        first: (K + 1,) the first letter of each word.
        phones: codes of the phones of each word's first pronunciation.
        first_phone: (K + 1,) the first phone of each word.
        backward: (K,) the words sorted by their letters from the last to the first.
    """

    letters: I32
    first: I64
    phones: I64
    first_phone: I64
    backward: I32


def phone_codes(phones: Iterable[str]) -> list[int]:
    """Return numbers for phones that are the same in every model."""
    return [zlib.crc32(phone.encode()) for phone in phones]


def known_words(dictionary: Mapping[str, Sequence[Phones]], trusted: U8 | None = None) -> Known:
    """Return a dictionary as :func:`neighbours` takes it.

    Args:
        dictionary: word -> its pronunciations.
        trusted: of :func:`trusted_entries`; None: all words count.
    """
    entries = first_ways(dictionary)
    if trusted is not None:
        there = np.unpackbits(trusted)[_places(entries, len(trusted))].all(1)
        entries = [entries[i] for i in np.flatnonzero(there).tolist()]
    entries.sort()
    words, ways = [word for word, _ in entries], [way.split(" ") for _, way in entries]
    names = sorted(set().union(*ways))
    code = dict(zip(names, phone_codes(names), strict=True))
    backward = sorted(range(len(words)), key=[word[::-1] for word in words].__getitem__)
    return Known(
        letters=np.array([*map(ord, "".join(words))], np.int32),
        first=np.cumsum([0, *map(len, words)]).astype(np.int64),
        phones=np.array([code[phone] for way in ways for phone in way], np.int64),
        first_phone=np.cumsum([0, *map(len, ways)]).astype(np.int64),
        backward=np.array(backward, np.int32),
    )


def first_ways(dictionary: Mapping[str, Sequence[Phones]]) -> list[tuple[str, str]]:
    """Return the words of a dictionary with the first pronunciation of each."""
    if isinstance(dictionary, Pronunciations):
        ways, words = dictionary.said()
        last_first = zip(reversed(words), reversed(ways), strict=True)
        return list(dict(last_first).items())
    return [(word, " ".join(ways[0])) for word, ways in dictionary.items()]


def trusted_entries(entries: Sequence[tuple[str, str]]) -> U8:
    """Return a Bloom filter of words with their pronunciations, seven bits for each.

    It says of one in thirty others that they are there too (Bloom 1970, "Space/Time Trade-offs in
    Hash Coding with Allowable Errors").
    """
    bits = np.zeros(8 * max(7 * len(entries) // 8, 1), np.uint8)
    bits[_places(entries, len(bits) // 8)] = 1
    return np.packbits(bits)


def _places(entries: Sequence[tuple[str, str]], size: int) -> I64:
    """Return the places (entries, PLACES) of entries in a filter of so many bytes."""
    digests = (
        hashlib.blake2b(f"{word} {way}".encode(), digest_size=8).digest() for word, way in entries
    )
    first, step = np.frombuffer(b"".join(digests), "<u4").reshape(-1, 2).T.astype(np.int64)
    places: I64 = (first[:, None] + np.arange(PLACES) * step[:, None]) % (8 * size)
    return places


@kernel(error_model="numpy", _nrt=False)
def _compared(word: I32, other: I32, side: int) -> tuple[int, int]:
    """Return how many letters two words share from a side, and whether the other is less (-1)."""
    shared, least = 0, min(len(word), len(other))
    while shared < least:
        a = word[shared] if side == START else word[len(word) - 1 - shared]
        b = other[shared] if side == START else other[len(other) - 1 - shared]
        if a != b:
            return shared, -1 if b < a else 1
        shared += 1
    return shared, -1 if len(other) < len(word) else 1


@kernel(error_model="numpy", _nrt=False)
def _entry(known: Known, side: int, place: int) -> int:
    return np.int64(place) if side == START else np.int64(known.backward[place])


@kernel(error_model="numpy", _nrt=False, inline="always")
def _letters(known: Known, entry: int) -> I32:
    return known.letters[known.first[entry] : known.first[entry + 1]]


@kernel(error_model="numpy", _nrt=False)
def _shared(known: Known, word: I32, side: int, place: int) -> int:
    """Return how many letters a word shares with the one at a place, -1: there is none."""
    if place < 0 or place >= len(known.backward):
        return -1
    return _compared(word, _letters(known, _entry(known, side, place)), side)[0]


@kernel(error_model="numpy", _nrt=False)
def neighbours(word: I32, known: Known, found: I64) -> int:
    """Write the nearest other words of a dictionary by either side; return how many.

    ``found``: (2 * NEAR, 3) side (START: they begin alike, END: they end alike), word, shared
    letters.
    """
    count = 0
    for side in (START, END):
        low, high = 0, len(known.backward)
        while low < high:
            middle = (low + high) >> 1
            if _compared(word, _letters(known, _entry(known, side, middle)), side)[1] < 0:
                low = middle + 1
            else:
                high = middle
        before, after = low - 1, low
        left, right = _shared(known, word, side, before), _shared(known, word, side, after)
        most = count + NEAR
        while count < most and max(left, right) >= SHARED:
            shared, place = (left, before) if left >= right else (right, after)
            entry = _entry(known, side, place)
            if left >= right:
                before -= 1
                left = _shared(known, word, side, before)
            else:
                after += 1
                right = _shared(known, word, side, after)
            if shared < len(word) or len(_letters(known, entry)) > len(word):  # not itself
                found[count, 0], found[count, 1], found[count, 2] = side, entry, shared
                count += 1
    return count


@kernel(error_model="numpy", _nrt=False)
def agreement(said: I64, known: Known, neighbour: I64) -> int:
    """Return how many phones a pronunciation has in common with a neighbour, from their side."""
    side, entry = neighbour[0], neighbour[1]
    first, last = known.first_phone[entry], known.first_phone[entry + 1] - 1
    count, least = 0, min(len(said), last + 1 - first)
    while count < least:
        if side == START and said[count] != known.phones[first + count]:
            break
        if side == END and said[len(said) - 1 - count] != known.phones[last - count]:
            break
        count += 1
    return count

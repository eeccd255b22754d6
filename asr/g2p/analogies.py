"""Features of a pronunciation: how far it follows words that begin or end alike.

``anthologist`` begins as ``anthology``, so it is likely to sound like it up to the ending. An
n-gram of chunks forgets what stands further back; the dictionary is in the model folder anyway.
Source: Dedina & Nusbaum 1991, "PRONOUNCE: a program for pronunciation by analogy".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.g2p.hashing import add, letter_at, mixed
from asr.g2p.neighbours import NEAR, START, Known
from asr.kernels import kernel

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]

ANALOGIES = 2 * NEAR * 6  # features of a pronunciation
LONGEST = 4  # letters of an ending that a feature tells apart
MISSED = 5  # shared letters said in another way, at most


class Near(NamedTuple):
    """Words near to a word.

    Attributes:
        known: the dictionary.
        rows: of :func:`asr.g2p.neighbours.neighbours`.
        filled: how many rows there are.
    """

    known: Known
    rows: I64
    filled: int


@kernel(error_model="numpy", _nrt=False)
def analogy_features(
    word: I32, known: Known, neighbour: I64, covered: int, out: tuple[U32, int]
) -> int:
    """Write how far a pronunciation follows a neighbour; return the number of features.

    ``covered``: letters that are said alike. ``out``: the list, and what it has. The features say
    how many shared letters are not, beside: how much is left of both words, what is left of them,
    and the letters where they part.
    """
    found, count = out
    side, entry, shared = neighbour[0], neighbour[1], neighbour[2]
    other = known.letters[known.first[entry] : known.first[entry + 1]]
    missed = min(max(shared - covered, -1), MISSED)
    base = mixed(np.uint64(13 + side), np.int64(missed))
    rest, other_rest = len(word) - shared, len(other) - shared
    h = mixed(mixed(base, min(rest, LONGEST + 1)), min(other_rest, LONGEST + 1))
    count = add(h, found, count)
    count = add(mixed(h, min(shared, 8)), found, count)
    h = _ending(mixed(base, 71), word, side, shared)
    count = add(h, found, count)
    count = add(_ending(h, other, side, shared), found, count)
    h = mixed(mixed(base, 72), _letter_from(word, side, shared))
    h = mixed(h, _letter_from(other, side, shared))
    count = add(h, found, count)
    return add(mixed(h, _letter_from(word, side, shared - 1)), found, count)


@kernel(error_model="numpy", _nrt=False, inline="always")
def _letter_from(word: I32, side: int, i: int) -> int:
    """Return letter i from a side."""
    return letter_at(word, i if side == START else len(word) - 1 - i)


@kernel(error_model="numpy", _nrt=False)
def _ending(h: int, word: I32, side: int, shared: int) -> int:
    """Return a hash with what a word has beyond its shared letters, if that is little."""
    rest = len(word) - shared
    h = mixed(h, min(rest, LONGEST + 1))
    if rest <= LONGEST:
        for i in range(shared, len(word)):
            h = mixed(h, _letter_from(word, side, i))
    return h

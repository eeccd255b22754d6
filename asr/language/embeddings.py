"""Pretrained word vectors from text files, in the format of word2vec or of GloVe.

Both have a word and its numbers a line; word2vec begins with a line ``count width``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.errors import DataError
from asr.lines import iter_lines

__all__ = ["WordVectors", "read_word_vectors"]


@dataclass(frozen=True)
class WordVectors:
    """Vectors for the words that were asked for.

    Attributes:
        matrix: (V, D) float32; rows of words without a vector are zeros.
        has_vector: (V,) bool.
    """

    matrix: npt.NDArray[np.float32]
    has_vector: npt.NDArray[np.bool_]

    @property
    def coverage(self) -> float:
        """Share of the words that have a vector, 0 to 1."""
        return float(self.has_vector.mean()) if len(self.has_vector) else 0.0

    def covered(self, words: Sequence[str]) -> list[str]:
        """Return those of the words asked for that have a vector."""
        return [word for word, has in zip(words, self.has_vector.tolist(), strict=True) if has]


def read_word_vectors(
    path: str | Path, words: Sequence[str], width: int | None = None
) -> WordVectors:
    """Return the vectors of ``words``; a word that the file only has in lower case gets that one.

    Args:
        path: text file, plain or .gz: a word and D numbers a line.
        words: V of them.
        width: D that is needed.

    Raises:
        DataError: the file is missing or empty, a line has another number of columns, or D is not
            ``width``.
    """
    wanted = {*words, *(word.lower() for word in words)}
    vectors, dimension = _scan(Path(path), wanted, width)
    matrix = np.zeros((len(words), dimension), np.float32)
    has_vector = np.zeros(len(words), np.bool_)
    for row, word in enumerate(words):
        vector = vectors.get(word, vectors.get(word.lower()))
        if vector is not None:
            matrix[row], has_vector[row] = vector, True
    return WordVectors(matrix, has_vector)


def _scan(
    path: Path, wanted: set[str], width: int | None
) -> tuple[dict[str, npt.NDArray[np.float32]], int]:
    """Read the wanted vectors and their width from a file."""
    vectors: dict[str, npt.NDArray[np.float32]] = {}
    dimension = 0
    for number, line in enumerate(iter_lines(path, "a text file of word vectors"), 1):
        columns = line.rstrip().split(" ")
        if number == 1 and len(columns) == 2 and all(c.isdigit() for c in columns):
            continue  # word2vec's header
        dimension = dimension or _dimension(path, columns, width)
        word = " ".join(columns[:-dimension])  # GloVe has words with spaces in them
        if len(columns) <= dimension:
            needed = f"needed a word and {dimension} numbers"
            raise DataError(f"{path}, line {number}: {needed}, found {line[:60]!r}.")
        if word in wanted and word not in vectors:
            vectors[word] = _numbers(path, number, columns[-dimension:])
    if not dimension:
        raise DataError(
            f"{path} holds no word vectors.", "Give a text file with a word and its numbers a line."
        )
    return vectors, dimension


def _dimension(path: Path, columns: list[str], width: int | None) -> int:
    dimension = len(columns) - 1
    if dimension < 1:
        raise DataError(f"{path} holds no word vectors: its first line is {columns[0][:60]!r}.")
    if width and dimension != width:
        raise DataError(
            f"{path} has vectors of {dimension} numbers, needed are {width}.",
            "Set the embedding width to the file's.",
        )
    return dimension


def _numbers(path: Path, line: int, columns: list[str]) -> npt.NDArray[np.float32]:
    try:
        vector = np.array(columns, np.float32)
    except ValueError:
        raise DataError(
            f"{path}, line {line}: not all columns after the word are numbers.", "Mend the line."
        ) from None
    if not np.isfinite(vector).all():
        raise DataError(f"{path}, line {line}: a number is not finite.", "Mend the line.")
    return vector

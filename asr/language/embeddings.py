"""Pretrained word vectors from text files: word2vec's (a first line ``count width``) and GloVe's
(none).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from asr.errors import DataError

__all__ = ["WordVectors", "read_word_vectors"]


@dataclass(frozen=True)
class WordVectors:
    """Vectors for the words that were asked for.

    Attributes:
        matrix: (V, D) float32; rows of words without a vector are zeros.
        found: (V,) bool.
        coverage: share of the words that have a vector, 0 to 1.
    """

    matrix: npt.NDArray[np.float32]
    found: npt.NDArray[np.bool_]

    @property
    def coverage(self) -> float:
        return float(self.found.mean()) if len(self.found) else 0.0


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
    matrix, found = np.zeros((len(words), dimension), np.float32), np.zeros(len(words), np.bool_)
    for row, word in enumerate(words):
        vector = vectors.get(word, vectors.get(word.lower()))
        if vector is not None:
            matrix[row], found[row] = vector, True
    return WordVectors(matrix, found)


def _scan(
    path: Path, wanted: set[str], width: int | None
) -> tuple[dict[str, npt.NDArray[np.float32]], int]:
    vectors: dict[str, npt.NDArray[np.float32]] = {}
    dimension = 0
    for number, line in _lines(path):
        columns = line.rstrip().split(" ")
        if number == 1 and len(columns) == 2 and all(c.isdigit() for c in columns):
            continue  # word2vec's header
        dimension = dimension or _dimension(path, columns, width)
        word = " ".join(columns[:-dimension])  # GloVe has words with spaces in them
        if len(columns) <= dimension:
            raise DataError(
                f"{path}, line {number}: needed a word and {dimension} numbers, found {line[:60]!r}."
            )
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
            f"{path}, line {line}: not all columns after the word are numbers.", "Mend it."
        ) from None
    if not np.isfinite(vector).all():
        raise DataError(f"{path}, line {line}: a number is not finite.", "Mend the line.")
    return vector


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if not path.is_file():
        raise DataError(f"There is no file {path}.", "Give a text file of word vectors.")
    try:
        with _open(path) as file:
            yield from enumerate(file, 1)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise DataError(
            f"{path} is not UTF-8 text: {error}.", "Binary word2vec files must be converted."
        ) from None


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="\n")
    return path.open(encoding="utf-8", newline="\n")

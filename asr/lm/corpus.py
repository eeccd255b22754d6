"""Convert text to word ids: UTF-8, one sentence per line, words separated by white space.

Spaces of any kind separate words, and words are read in composed form (NFC).
"""

from __future__ import annotations

import gzip
import itertools
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, TypeAlias

import numpy as np
import numpy.typing as npt

from asr.errors import LanguageModelError
from asr.kernels import kernel
from asr.lines import check_ends, nfc, plain_spaces
from asr.lm.model import EOS, SPECIAL_WORDS

__all__ = ["Text", "Tokenizer", "as_texts"]

Text: TypeAlias = "str | os.PathLike[str] | Iterable[str]"
"""A path (``-`` is standard input) or an iterable of sentences."""

_BLOCK = 1 << 22  # bytes of text that are read at a time
_DONE, _FULL, _SPECIAL = 0, 1, 2  # all read; arrays too small; reserved symbol in the text
_HALF = re.compile("[\ud800-\udfff]")
_BOM = b"\xef\xbb\xbf"


def as_texts(texts: str | os.PathLike[str] | Sequence[Text]) -> list[Text]:
    """Return a list of texts from one path or several texts."""
    return [texts] if isinstance(texts, (str, os.PathLike)) else list(texts)


@kernel(inline="always")
def _is_space(byte: int) -> bool:
    return byte == 32 or byte == 0 or 9 <= byte <= 13


@kernel
def _grow_table(table: npt.NDArray[np.int32], hashes: npt.NDArray[np.uint64], count: int) -> None:
    mask = np.uint64(len(table) - 1)
    for word in range(count):
        slot = hashes[word] & mask
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & mask
        table[slot] = word


@kernel
def _tokenize(
    text: npt.NDArray[np.uint8],
    start: int,
    table: npt.NDArray[np.int32],
    hashes: npt.NDArray[np.uint64],
    pool: npt.NDArray[np.uint8],
    ends: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    size: int,
    grow: bool,
    skip_symbols: bool,
    ids: npt.NDArray[np.int32],
    used: int,
) -> tuple[int, int, int, int]:
    """Append the ids of text[start:] to ids[used:]; every newline ends a sentence.

    Word w is ``pool[ends[w] : ends[w + 1]]``. Without ``grow`` unknown words become id 0. Returns
    (status, position, vocabulary size, ids used); unless all was read, the position is at the word
    that does not fit or is not allowed.
    """
    mask = np.uint64(len(table) - 1)
    position, end = start, len(text)
    while position < end:
        if _is_space(text[position]):
            if text[position] == 10:
                ids[used] = EOS
                counts[EOS] += 1
                used += 1
            position += 1
            continue
        first, code = position, np.uint64(14695981039346656037)
        while position < end and not _is_space(text[position]):
            code = (code ^ np.uint64(text[position])) * np.uint64(1099511628211)
            position += 1
        code ^= code >> np.uint64(32)
        slot, word = code & mask, np.int64(-1)
        while table[slot] >= 0:
            other = np.int64(table[slot])
            if hashes[other] == code and ends[other + 1] - ends[other] == position - first:
                same, offset = True, ends[other]
                for i in range(position - first):
                    if pool[offset + i] != text[first + i]:
                        same = False
                        break
                if same:
                    word = other
                    break
            slot = (slot + np.uint64(1)) & mask
        if 0 <= word < 3:
            if skip_symbols:
                continue
            return _SPECIAL, first, size, used
        if word < 0 and not grow:
            word = 0
        elif word < 0:
            if (
                2 * (size + 1) > len(table)
                or size + 1 > len(counts)
                or ends[size] + position - first > len(pool)
            ):
                return _FULL, first, size, used
            word = np.int64(size)
            table[slot], hashes[word] = word, code
            pool[ends[word] : ends[word] + position - first] = text[first:position]
            size += 1
            ends[size] = ends[word] + position - first
        ids[used] = word
        counts[word] += 1
        used += 1
    return _DONE, position, size, used


class Tokenizer:
    """Converts texts to word ids with a growing vocabulary, or a fixed one with ``<unk>`` (id 0).

    Args:
        words: fixed vocabulary, the three special words first; None: it grows.
        skip_symbols: treat ``<s>``, ``</s>`` and ``<unk>`` in a text as white space.

    Attributes:
        counts: int64 (vocabulary,), count of each word; ``</s>`` counts once per line.
        lines: lines of the present text that were read so far.
        bytes: bytes of all texts that were read so far.
    """

    def __init__(self, words: Sequence[str] | None = None, skip_symbols: bool = False) -> None:
        self.lines = self.bytes = 0
        self._skip_symbols, self._grow = skip_symbols, True
        self._size, self._table = 0, np.full(1 << 16, -1, np.int32)
        self._hashes, self._counts = np.zeros(1 << 15, np.uint64), np.zeros(1 << 15, np.int64)
        self._pool, self._ends = np.zeros(1 << 18, np.uint8), np.zeros((1 << 15) + 1, np.int64)
        for word in SPECIAL_WORDS:  # one by one: the kernel rejects special words it knows
            self._read((word + " ").encode(), "")
        if words is not None:
            self._read("\n".join(words[3:]).encode(), "")
            self._grow = False
        self._counts[:] = 0
        self.lines = self.bytes = 0

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Return how often each word was seen."""
        return self._counts[: self._size]

    def words(self) -> list[str]:
        """Return the word of each id."""
        text, ends = self._pool.tobytes(), self._ends[: self._size + 1].tolist()
        return [text[start:end].decode() for start, end in itertools.pairwise(ends)]

    def read(self, text: Text) -> Iterator[npt.NDArray[np.int32]]:
        """Yield the word ids of a text in blocks of whole sentences; each ends with ``</s>``.

        Raises:
            LanguageModelError: the file is missing, damaged or not UTF-8, or contains ``<s>``,
                ``</s>`` or ``<unk>``; the message names the line.
        """
        self.lines = 0
        name = str(text) if isinstance(text, (str, os.PathLike)) else "the given sentences"
        for block in _blocks(text):
            yield self._read(self._plain(block, name), name)

    def _read(self, block: bytes, name: str) -> npt.NDArray[np.int32]:
        text = np.frombuffer(block, np.uint8)
        ids, used, position = np.empty(len(block), np.int32), 0, 0
        while True:
            status, position, self._size, used = _tokenize(
                text,
                position,
                table=self._table,
                hashes=self._hashes,
                pool=self._pool,
                ends=self._ends,
                counts=self._counts,
                size=self._size,
                grow=self._grow,
                skip_symbols=self._skip_symbols,
                ids=ids,
                used=used,
            )
            if status != _FULL:
                break
            self._make_room(len(block) - position)
        if status == _SPECIAL:
            word = block[position:].split(None, 1)[0].decode()
            raise LanguageModelError(
                f"{name}, line {self.lines + block.count(10, 0, position) + 1}: the text contains "
                f"{word}, which is reserved for the model.",
                "Remove it, or skip such symbols (skip_symbols, --skip-symbols).",
            )
        self.lines += block.count(10)
        self.bytes += len(block)
        return ids[:used]

    def _make_room(self, pending_bytes: int) -> None:
        """Enlarge the arrays that are full; ``pending_bytes`` of text are left."""
        if 2 * (self._size + 1) > len(self._table):
            self._table = np.full(2 * len(self._table), -1, np.int32)
            _grow_table(self._table, self._hashes, self._size)
        if self._size + 1 > len(self._counts):
            self._hashes, self._counts, self._ends = (
                np.concatenate([array, np.zeros(self._size, array.dtype)])
                for array in (self._hashes, self._counts, self._ends)
            )
        if self._ends[self._size] + pending_bytes > len(self._pool):
            self._pool = np.concatenate(
                [self._pool, np.zeros(max(len(self._pool), pending_bytes), np.uint8)]
            )

    def _plain(self, block: bytes, name: str) -> bytes:
        """Return a block in composed form (NFC) with blanks for spaces of any kind."""
        try:
            text = block.decode()
        except UnicodeDecodeError as error:
            line = self.lines + block.count(10, 0, error.start) + 1
            raise LanguageModelError(
                f"{name}, line {line}: byte 0x{block[error.start]:02x} is not valid UTF-8.",
                "Convert the text to UTF-8.",
            ) from None
        if "\0" in text:
            line = self.lines + text.count("\n", 0, text.index("\0")) + 1
            raise LanguageModelError(
                f"{name}, line {line}: a byte 0 is in the text.", "Convert the text to UTF-8."
            )
        plain = plain_spaces(nfc(text))
        return block if plain == text else plain.encode()


def _blocks(text: Text) -> Iterator[bytes]:
    """Yield blocks of whole lines; a missing last newline is added."""
    if not isinstance(text, (str, os.PathLike)):
        yield from _sentence_blocks(text)
        return
    try:
        with _open(text) as file:
            rest, first = b"", True
            while piece := file.read(_BLOCK):
                if first:
                    piece, first = piece.removeprefix(_BOM), False
                cut = piece.rfind(b"\n") + 1
                if cut:
                    yield rest + piece[:cut]
                    rest = piece[cut:]
                else:
                    rest += piece
            if rest:
                yield rest + b"\n"
    except (OSError, EOFError, zlib.error) as error:
        raise LanguageModelError(f"Cannot read the text {text}: {error}.") from None


def _open(path: str | os.PathLike[str]) -> IO[bytes]:
    if str(path) == "-":
        return sys.stdin.buffer
    check_ends(path)
    with Path(path).open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if zipped else Path(path).open("rb")  # type: ignore[return-value]


def _sentence_blocks(sentences: Iterable[str]) -> Iterator[bytes]:
    lines: list[str] = []
    size = 0
    for sentence in sentences:
        if "\n" in sentence:
            raise LanguageModelError(
                f"A sentence contains a line break: {sentence[:60]!r}.",
                "Give one sentence per item.",
            )
        if _HALF.search(sentence):
            raise LanguageModelError(
                f"A sentence contains half a character: {sentence[:60]!r}.", "Give whole ones."
            )
        lines.append(sentence)
        size += len(sentence)
        if size > _BLOCK:
            yield ("\n".join(lines) + "\n").encode()
            lines, size = [], 0
    if lines:
        yield ("\n".join(lines) + "\n").encode()

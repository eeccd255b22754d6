"""The compact form of a model: about two bytes an n-gram where ARPA text, gzipped, takes six.

The n-grams are a trie whose words are numbered from the most to the least frequent. For each order
the file holds how many children each node has, the gaps between the children's words, and, rounded
to a codebook of at most 256 values, log probabilities and the back-off weights of nodes that have
children. Numbers that resemble each other stand side by side (children of contexts with about as
many children), since LZMA predicts a number from those before it; see asr/lm/compact_kernels.py.

The file: 8 bytes magic and version, 16 bytes BLAKE2b digest of all that follows, 4 bytes length of
the header, a JSON header (order, number of n-grams, and name, length and length when unpacked of
each block), and the blocks. Little-endian.

Source: Pauls & Klein 2011, "Faster and Smaller N-Gram Language Models" (trie, gaps between words);
Federico & Bertoldi 2006, "How Many Bits Are Needed To Store Probabilities for Phrase-Based
Translation?" (codebooks).
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from asr.cores import usable_cores
from asr.errors import LanguageModelError
from asr.files import atomic_path
from asr.lm import compact_kernels as kernels
from asr.lm.model import MAX_ORDER, SPECIAL_WORDS, NgramModel
from asr.lm.sorting import sorted_row_order
from asr.lm.trie import Trie, build_trie, trie_rows

__all__ = ["COMPACT_MAGIC", "STEP", "CompactModel", "load_compact", "read_compact", "write_compact"]

COMPACT_MAGIC = b"asr-ngr\x01"
STEP = 0.05  # of log10 probabilities: that of a word is off by 3 % on average, that of a text by 0
_DIGEST = 16
_MAX_CODES = 256
_REMEDY = "The file is damaged or cut off; copy or write it again."

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]
_N = TypeVar("_N", np.uint8, np.int32)


class CompactModel(NamedTuple):
    """What the compact form holds: the words by frequency, and the n-grams as a trie."""

    words: list[str]
    trie: Trie


def write_compact(model: NgramModel, path: str | Path, step: float = STEP) -> None:
    """Write a model in the compact form; whole or not at all.

    Words are numbered anew, by frequency. The error of every log10 probability and back-off weight
    is less than ``step``, and 0 where an order has at most 256 different ones.

    Args:
        model: the model.
        path: file to write.
        step: width of the cells to which log10 probabilities are rounded; doubled for an order that
            would need more than 256.

    Raises:
        LanguageModelError: the file cannot be written, a word has a line feed, or ``step`` is not
            above 0.
    """
    if not step > 0:
        raise LanguageModelError(
            f"A step of {step} is out of range.", f"Give a number above 0, such as {STEP}."
        )
    if any("\n" in word for word in model.words):
        raise LanguageModelError(
            "A word of the model has a line feed.", "Take it out of the model."
        )
    blocks = _encode(_by_frequency(model), step)
    with concurrent.futures.ThreadPoolExecutor(usable_cores()) as pool:
        packed = dict(zip(blocks, pool.map(_pack, blocks, blocks.values()), strict=True))
    places = [[name, len(data), len(blocks[name])] for name, data in packed.items()]
    header = json.dumps({"order": model.order, "counts": model.counts, "blocks": places}).encode()
    body = len(header).to_bytes(4, "little") + header + b"".join(packed.values())
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(COMPACT_MAGIC + _digest(body) + body)
    except OSError as error:
        raise LanguageModelError(f"Cannot write {path}: {error}.") from None


def read_compact(path: str | Path) -> NgramModel:
    """The model in a file of the compact form.

    Raises:
        LanguageModelError: the file is missing, of another kind or version, cut off or damaged.
    """
    words, trie = load_compact(path)
    nodes = [slice(a, b) for a, b in zip(trie.offsets[:-1], trie.offsets[1:], strict=True)]
    probs, backoffs = trie.log10_probs, trie.log10_backoffs
    return NgramModel(
        words, trie_rows(trie), [probs[part] for part in nodes], [backoffs[part] for part in nodes]
    )


def load_compact(path: str | Path) -> CompactModel:
    """The words and the trie in a file of the compact form.

    Raises:
        LanguageModelError: the file is missing, of another kind or version, cut off or damaged.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise LanguageModelError(
            f"Cannot read {path}: {error.strerror}.", "Check the path."
        ) from None
    start = len(COMPACT_MAGIC)
    if data[:start] != COMPACT_MAGIC:
        raise LanguageModelError(
            f"{path} is not a compact language model of this version.",
            "Write it again with this version (asr lm convert).",
        )
    body = memoryview(data)[start + _DIGEST :]
    if _digest(body) != data[start : start + _DIGEST]:
        raise LanguageModelError(f"{path} is damaged: its checksum does not fit.", _REMEDY)
    try:
        return _Decoder(body).decode()
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise LanguageModelError(f"{path} makes no sense: {error}.", _REMEDY) from None


def _digest(data: bytes | memoryview) -> bytes:
    return hashlib.blake2b(data, digest_size=_DIGEST).digest()


def _lzma() -> tuple[ModuleType, dict[str, Any]]:
    """The module, and how blocks are packed with it."""
    try:
        import lzma
    except ImportError:  # it is a part of Python that is left out where liblzma is not there
        raise LanguageModelError(
            "This Python was built without lzma, with which compact models are packed.",
            "Install one that has it, or give the model as ARPA text.",
        ) from None
    # Symbols are no text: each depends on the one before it, not on where it stands.
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 3, "lp": 0, "pb": 0}]
    return lzma, {"format": lzma.FORMAT_RAW, "filters": filters}


def _pack(name: str, data: bytes) -> bytes:
    lzma, options = _lzma()
    return data if name.endswith("bits") else lzma.compress(data, **options)


def _unpack(name: str, data: memoryview, size: int) -> bytes:
    if name.endswith("bits"):
        block = bytes(data)
    else:
        lzma, options = _lzma()
        try:
            block = lzma.LZMADecompressor(**options).decompress(data, size)
        except lzma.LZMAError as error:
            raise ValueError(str(error)) from None
    if len(block) != size:
        _fail("a block has another length than its header says")
    return block


def _by_frequency(model: NgramModel) -> NgramModel:
    """The same model with its words numbered by probability, the special ones first."""
    special = len(SPECIAL_WORDS)
    order = np.argsort(-model.log10_probs[0][special:], kind="stable") + special
    order = np.concatenate([np.arange(special), order])
    new_id = np.empty(len(order), np.int32)
    new_id[order] = np.arange(len(order), dtype=np.int32)
    bits = max(1, (len(order) - 1).bit_length())
    rows = [new_id[part] for part in model.ngrams]
    places = [sorted_row_order(part, bits) for part in rows]
    lists = (rows, model.log10_probs, model.log10_backoffs)
    columns = [
        [array[place] for array, place in zip(arrays, places, strict=True)] for arrays in lists
    ]
    return NgramModel([model.words[i] for i in order.tolist()], *columns)  # type: ignore[arg-type]


def _encode(model: NgramModel, step: float) -> dict[str, bytes]:
    trie = build_trie(model)
    blocks = {"words": "\n".join(model.words).encode()}
    groups = np.zeros(len(model.words), np.uint8)
    for n in range(1, model.order + 1):
        nodes = slice(trie.offsets[n - 1], trie.offsets[n])
        if n > 1:
            contexts = (
                trie.first_child[trie.offsets[n - 2] : trie.offsets[n - 1] + 1]
                - trie.offsets[n - 1]
            )
            groups = _families(contexts)
            gaps = _gaps(contexts, trie.last_words[nodes])
            blocks |= _numbers(f"gaps{n}", _grouped(gaps, groups))
        codes = _codes(blocks, f"probs{n}", trie.log10_probs[nodes], step, groups)
        if n < model.order:
            children = np.diff(trie.first_child[trie.offsets[n - 1] : trie.offsets[n] + 1])
            # Nodes of one probability have about as many children.
            blocks |= _numbers(f"children{n}", _grouped(children, codes))
            backoffs = trie.log10_backoffs[nodes]
            _codes(blocks, f"backoffs{n}", backoffs[children > 0], step)
            if backoffs[children == 0].any():
                _codes(blocks, f"lone_backoffs{n}", backoffs[children == 0], step)
    return blocks


def _grouped(values: npt.NDArray[Any], groups: U8) -> npt.NDArray[Any]:
    """The values of each group side by side."""
    return values[np.argsort(groups, kind="stable")]


def _ungrouped(values: npt.NDArray[_N], groups: U8) -> npt.NDArray[_N]:
    """Undo :func:`_grouped`."""
    out = np.empty_like(values)
    kernels.ungroup(values, groups, np.zeros(257, np.int64), out)
    return out


def _families(contexts: I64) -> U8:
    """Group of each child, see :func:`asr.lm.compact_kernels.group_families`."""
    groups = np.empty(contexts[-1], np.uint8)
    kernels.group_families(contexts, groups)
    return groups


def _gaps(contexts: I64, words: I32) -> I32:
    """How many words lie between a child and the one before it, or before the first."""
    gaps = words.copy()
    gaps[1:] -= words[:-1] + 1
    firsts = contexts[:-1][np.diff(contexts) > 0]
    gaps[firsts] = words[firsts]
    return gaps


def _numbers(name: str, numbers: npt.NDArray[Any]) -> dict[str, bytes]:
    numbers = np.ascontiguousarray(numbers, np.int32)
    symbols = np.empty(len(numbers), np.uint8)
    bits = np.empty(-(-kernels.measure_numbers(numbers) // 8), np.uint8)
    kernels.split_numbers(numbers, symbols, bits)
    return {name: symbols.tobytes(), f"{name}.bits": bits.tobytes()}


def _codes(
    blocks: dict[str, bytes], name: str, values: F32, step: float, groups: U8 | None = None
) -> U8:
    """Add the codes of some values, by their groups, and what they stand for.

    Returns the codes in the order of the values.
    """
    book, codes = _rounded(values, step)
    blocks[f"{name}.values"] = book.tobytes()
    blocks[name] = (codes if groups is None else _grouped(codes, groups)).tobytes()
    return codes


def _rounded(values: F32, step: float) -> tuple[F32, U8]:
    """At most 256 values, and which one stands for each of ``values``; 0 always stands for itself.

    Cells of one width hold the values; all in a cell become their mean.
    """
    exact = values.astype(np.float64)
    book, codes = np.unique(exact, return_inverse=True)
    if len(book) > _MAX_CODES:
        while len(book) > _MAX_CODES:
            cells = np.where(exact == 0, np.inf, np.rint(exact / step))
            book, codes = np.unique(cells, return_inverse=True)
            step *= 2
        book = np.bincount(codes, exact) / np.bincount(codes)
    return book.astype("<f4"), codes.astype(np.uint8)


class _Decoder:
    """Undoes _encode; raises ValueError and the like where blocks do not fit each other."""

    def __init__(self, body: memoryview) -> None:
        start = 4 + int.from_bytes(body[:4], "little")
        header = json.loads(bytes(body[4:start]))
        self.order, self.counts = int(header["order"]), [int(count) for count in header["counts"]]
        if (
            not 1 <= self.order <= MAX_ORDER
            or len(self.counts) != self.order
            or min(self.counts) < 0
        ):
            _fail(f"order {self.order}, counts {self.counts}")
        self.blocks = _Blocks(body[start:], header["blocks"])

    def decode(self) -> CompactModel:
        words = self._words()
        V, offsets = len(words), np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)
        lasts, probs, backoffs = [np.arange(V, dtype=np.int32)], [], []
        first_child = np.full(offsets[-2] + 1, offsets[-1], np.int64)
        groups = np.zeros(V, np.uint8)
        for n in range(1, self.order + 1):
            if n > 1:
                contexts = first_child[offsets[n - 2] : offsets[n - 1] + 1] - offsets[n - 1]
                groups = _families(contexts)
                lasts.append(self._lasts(n, contexts, groups, V))
            codes = _ungrouped(self._bytes(f"probs{n}", len(groups)), groups)
            probs.append(self._values(f"probs{n}")[codes])
            backoffs.append(np.zeros(len(codes), np.float32))
            if n < self.order:
                children = self._children(n, codes)
                ends = offsets[n] + np.cumsum(children)
                first_child[offsets[n - 1]] = offsets[n]
                first_child[offsets[n - 1] + 1 : offsets[n] + 1] = (
                    ends  # the last of them is the next order's first
                )
                self._backoffs(n, children, backoffs[-1])
        return CompactModel(
            words,
            Trie(
                np.concatenate(lasts),
                first_child,
                np.concatenate(probs),
                np.concatenate(backoffs),
                offsets,
            ),
        )

    def _words(self) -> list[str]:
        words = self.blocks["words"].decode().split("\n")
        if (
            len(words) != self.counts[0]
            or tuple(words[:3]) != SPECIAL_WORDS
            or len(set(words)) != len(words)
        ):
            _fail(f"{len(words)} words where there have to be {self.counts[0]}, all different")
        return words

    def _bytes(self, name: str, size: int) -> U8:
        block = np.frombuffer(self.blocks[name], np.uint8)
        if len(block) != size:
            _fail(f"the block {name} has {len(block)} numbers, not {size}")
        return block

    def _values(self, name: str) -> F32:
        """What the codes of a block stand for."""
        book = np.frombuffer(self.blocks[f"{name}.values"], "<f4").astype(np.float32)
        codes = np.frombuffer(self.blocks[name], np.uint8)
        if len(book) != (int(codes.max()) + 1 if len(codes) else 0) or not np.isfinite(book).all():
            _fail(f"the block {name} has codes without a value, or values without a code")
        return book

    def _numbers(self, name: str, size: int) -> I32:
        symbols, numbers = self._bytes(name, size), np.empty(size, np.int32)
        if not kernels.join_numbers(
            symbols, np.frombuffer(self.blocks[f"{name}.bits"], np.uint8), numbers
        ):
            _fail(f"the block {name} does not fit its bits")
        return numbers

    def _lasts(self, n: int, contexts: I64, groups: U8, vocabulary: int) -> I32:
        gaps = _ungrouped(self._numbers(f"gaps{n}", self.counts[n - 1]), groups)
        lasts = np.empty_like(gaps)
        if not kernels.sum_gaps(contexts, gaps, vocabulary, lasts):
            _fail(f"the block gaps{n} names words that do not exist")
        return lasts

    def _children(self, n: int, codes: U8) -> I32:
        children = _ungrouped(self._numbers(f"children{n}", len(codes)), codes)
        if children.min(initial=0) < 0 or children.sum() != self.counts[n]:
            _fail(f"the block children{n} does not add up to {self.counts[n]}")
        return children

    def _backoffs(self, n: int, children: I32, out: F32) -> None:
        for name, nodes in (f"backoffs{n}", children > 0), (f"lone_backoffs{n}", children == 0):
            if name in self.blocks:
                out[nodes] = self._values(name)[self._bytes(name, int(nodes.sum()))]


class _Blocks:
    """The blocks of a file, unpacked by other threads while those before are used.

    Args:
        data: all blocks.
        places: name, length, and length when unpacked of each.
    """

    def __init__(self, data: memoryview, places: list[tuple[str, int, int]]) -> None:
        names, lengths, sizes = zip(*places, strict=True)
        ends = np.cumsum(lengths).tolist()
        if min(lengths) < 0 or ends[-1] != len(data):
            _fail(f"the blocks take {ends[-1]} bytes of {len(data)}")
        parts = [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        pool = concurrent.futures.ThreadPoolExecutor(usable_cores())
        self._unpacked = {
            name: pool.submit(_unpack, name, part, size)
            for name, part, size in zip(names, parts, sizes, strict=True)
        }
        pool.shutdown(wait=False)

    def __contains__(self, name: str) -> bool:
        return name in self._unpacked

    def __getitem__(self, name: str) -> bytes:
        return self._unpacked[name].result()


def _fail(problem: str) -> NoReturn:
    raise ValueError(problem)

"""N-gram model as an automaton in flat arrays, saved with a checksum and memory-mapped.

States are contexts. One hash table with open addressing maps (state, word) to (log p, next state).
On a miss the query adds the back-off weight of the state and goes on in the state of the next
shorter context. Unigrams have an array of their own, so the empty context never misses. Logarithms
are natural.

After an n-gram, the next state is the longest suffix of it that still matters as a context: one
that the model continues, or that has a back-off weight. Words further back cannot change any later
probability, so hypotheses that differ only there share a state. KenLM does the same (Heafield 2011,
"KenLM: Faster and Smaller Language Model Queries", section 4.1). How the states are found in the
trie of the n-grams is described in kernels/automaton.py.

File format, little-endian: 8 bytes magic and version, 8 bytes checksum of all that follows, 8 bytes
length of the header, a JSON header (offset and shape of each array), and the arrays, each at a
multiple of 64 bytes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr.cores import usable_cores
from asr.decoding.kernels import automaton as kernels
from asr.decoding.kernels.new_words import copy_entries
from asr.errors import LanguageModelError
from asr.files import atomic_path
from asr.lm.model import BOS, EOS, UNK, NgramModel

if TYPE_CHECKING:
    from asr.lm.trie import Trie

__all__ = ["MAGIC", "NgramAutomaton", "compile_model", "compile_trie", "longest_suffixes"]

MAGIC = b"asr-lm\x00\x01"
_ARRAYS: dict[str, tuple[Any, int]] = {
    "slots": (np.uint32, 2),
    "unigrams": (np.float32, 1),
    "after": (np.int32, 1),
    "backoffs": (np.float32, 1),
    "shorter": (np.int32, 1),
    "text": (np.uint8, 1),
}
_MAX_LOAD = 0.75  # of the hash table: fuller tables need long probes
_MADV_POPULATE_READ = 22  # Linux 5.14; Python's mmap module does not name it
_REMEDY = "The file is damaged; compile it again (asr lm compile)."


@dataclass(frozen=True, eq=False)
class NgramAutomaton:
    """A compiled back-off model; the module's docstring describes how it works.

    Attributes:
        slots: hash table, uint32 (C, 4), C a power of two: state, word, log p, next state.
        unigrams: natural-log probability of each word without context, float32 (W,).
        after: state after a word without context, int32 (W,).
        backoffs: natural-log back-off weight of each state, float32 (S,).
        shorter: state of the next shorter context of each state, int32 (S,).
        text: the words in UTF-8, separated by line feeds.
        order: number of words of the longest n-grams.
        bos_state: state at the beginning of a sentence.
    """

    slots: npt.NDArray[np.uint32]
    unigrams: npt.NDArray[np.float32]
    after: npt.NDArray[np.int32]
    backoffs: npt.NDArray[np.float32]
    shorter: npt.NDArray[np.int32]
    text: npt.NDArray[np.uint8]
    order: int
    bos_state: int
    probs: npt.NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "probs", self.slots.view(np.float32))

    @cached_property
    def words(self) -> list[str]:
        """Return the word of each id; 0, 1, 2 are ``<unk>``, ``<s>``, ``</s>``."""
        return self.text.tobytes().decode().split("\n")

    @cached_property
    def ids(self) -> dict[str, int]:
        """Return the id of each word."""
        return dict(zip(self.words, range(len(self.words)), strict=True))

    @cached_property
    def arrays(self) -> kernels.Ngrams:
        """Return the arrays in the form that the kernels take."""
        return kernels.Ngrams(
            slots=self.slots,
            probs=self.probs,
            unigrams=self.unigrams,
            after=self.after,
            backoffs=self.backoffs,
            shorter=self.shorter,
        )

    def __contains__(self, word: str) -> bool:
        return self.ids.get(word, UNK) != UNK

    @property
    def null_state(self) -> int:
        """Return the state without any context."""
        return 0

    def begin(self) -> int:
        """Return the state at the beginning of a sentence."""
        return self.bos_state

    def step(self, state: int, word: str) -> tuple[float, int]:
        """Return the natural-log p(word | state) and the state after the word.

        A word outside the model scores as ``<unk>``.
        """
        score, after = kernels.query(state, self.ids.get(word, UNK), self.arrays)
        return float(score), int(after)

    def unigram(self, word: str) -> float:
        """Return the natural-log p(word) without context."""
        return float(self.unigrams[self.ids.get(word, UNK)])

    def score(self, text: str | Iterable[str], *, bos: bool = True, eos: bool = True) -> float:
        """Return the natural-log probability of a text.

        Args:
            text: words, or a string that is split at white space.
            bos: start at the beginning of a sentence, else without context.
            eos: end with the end of the sentence.
        """
        words = text.split() if isinstance(text, str) else list(text)
        ids = np.array([self.ids.get(word, UNK) for word in words] + [EOS] * eos, dtype=np.int32)
        scores = np.empty(len(ids))
        kernels.score_words(ids, self.bos_state if bos else 0, self.arrays, scores)
        return math.fsum(scores)

    def save(self, path: str | Path) -> None:
        """Write the automaton to one file, atomically.

        Raises:
            LanguageModelError: the file cannot be written.
        """
        try:
            with atomic_path(path) as temporary, temporary.open("wb+") as file:
                _write(self, file)
        except OSError as error:
            raise LanguageModelError(f"Cannot write {path}: {error}.") from None

    @classmethod
    def load(cls, path: str | Path, check: bool = True) -> NgramAutomaton:
        """Map a saved automaton into memory.

        Args:
            path: of the file.
            check: its checksum and every index, which takes as long as to read it all.

        Raises:
            LanguageModelError: the file is missing, of another kind or version, cut off or damaged.
        """
        try:
            size = Path(path).stat().st_size
            if size < 24 or size % 8:
                raise LanguageModelError(
                    f"{path} is not a compiled language model: {size} bytes.", _REMEDY
                )
            # Copy-on-write, though nothing writes: to numba a read-only array is another type, so
            # the kernels would be compiled twice.
            data = np.memmap(path, dtype=np.uint8, mode="c")
            _fetch(data)
        except (OSError, ValueError) as error:
            raise LanguageModelError(f"Cannot read {path}: {error}.") from None
        return _parse(np.asarray(data), path, check)


def compile_model(model: NgramModel) -> NgramAutomaton:
    """Compile an n-gram model; see :func:`compile_trie`."""
    from asr.lm.trie import build_trie

    return compile_trie(model.words, build_trie(model))


def compile_trie(words: Sequence[str], trie: Trie) -> NgramAutomaton:
    """Compile the n-grams of a trie; about a second for two million of them.

    Raises:
        LanguageModelError: there are more than 2^31 n-grams, or a word has a line feed.
    """
    if trie.offsets[-1] >= 2**31 - 1 or any("\n" in word for word in words):
        raise LanguageModelError(
            "The model has too many n-grams or a line feed in a word.", "Prune it."
        )
    suffix = longest_suffixes(trie)
    state_of = np.empty(len(suffix), np.int32)
    S = kernels.number_states(trie.first_child, trie.log10_backoffs, suffix, BOS, state_of)
    capacity = _capacity(int(trie.offsets[-1] - trie.offsets[1]))
    W = len(words)
    automaton = NgramAutomaton(
        slots=np.empty((capacity, 4), np.uint32),
        unigrams=(trie.log10_probs[:W].astype(np.float64) * math.log(10)).astype(np.float32),
        after=state_of[:W].copy(),
        backoffs=np.zeros(S, np.float32),
        shorter=np.zeros(S, np.int32),
        text=np.frombuffer("\n".join(words).encode(), np.uint8),
        order=trie.order,
        bos_state=int(state_of[BOS]),
    )
    arrays = kernels.Trie(
        last_words=trie.last_words,
        first_child=trie.first_child,
        log10_probs=trie.log10_probs,
        log10_backoffs=trie.log10_backoffs,
    )
    kernels.link_states(arrays, suffix, state_of, automaton.arrays)
    late, middle = np.zeros(len(suffix), bool), capacity // 2
    _on_threads(
        lambda slots: kernels.fill(arrays, state_of, slots, automaton.arrays, late),
        [(0, middle), (middle, capacity)],
    )
    kernels.fill_late(arrays, state_of, automaton.arrays, late)
    return automaton


def longest_suffixes(trie: Trie) -> npt.NDArray[np.int32]:
    """Return the node of the longest listed proper suffix of every n-gram of a trie.

    Returns:
        int32 (nodes,); unigrams have ``kernels.NONE``.
    """
    suffix = np.full(int(trie.offsets[-1]), kernels.NONE, np.int32)
    children = trie.first_child
    for first, end in itertools.pairwise(trie.offsets[:-1].tolist()):  # shorter n-grams first
        half = (children[first] + children[end]) // 2
        middle = first + int(np.searchsorted(children[first:end], half))
        _on_threads(
            lambda nodes: kernels.link_suffixes(trie.last_words, children, *nodes, suffix),
            [(first, middle), (middle, end)],
        )
    return suffix


def _on_threads(work: Callable[[tuple[int, int]], None], parts: Sequence[tuple[int, int]]) -> None:
    """Do what takes a range of numbers for several, side by side."""
    with ThreadPoolExecutor(min(len(parts), usable_cores())) as threads:
        list(threads.map(work, parts))


def _fetch(data: npt.NDArray[np.uint8]) -> None:
    """Read all pages of a mapped file at once; page faults one by one take twice as long."""
    memory = getattr(data, "_mmap", None)
    if memory is not None and sys.platform == "linux":
        # Linux before 5.14 does not know this request.
        with contextlib.suppress(OSError, ValueError):
            memory.madvise(_MADV_POPULATE_READ)


def _capacity(n: int) -> int:
    """Return the number of slots, a power of two, for n entries."""
    return 1 << max(2, math.ceil(math.log2((n + 1) / _MAX_LOAD)))


def _own_slots(automaton: NgramAutomaton) -> npt.NDArray[np.uint32]:
    """Return the hash table without what :mod:`asr.decoding.new_words` may have put into it."""
    slots = np.ascontiguousarray(automaton.slots)
    is_used = slots[:, 0] != kernels.EMPTY
    is_own = slots[:, 0] < len(automaton.backoffs)
    is_own &= slots[:, 1] < len(automaton.unigrams)
    if np.array_equal(is_used, is_own):
        return slots
    own = np.full(slots.shape, kernels.EMPTY, np.uint32)
    copy_entries(slots[is_own], own, own.view(np.float32))
    return own


def _write(automaton: NgramAutomaton, file: IO[bytes]) -> None:
    arrays = {name: np.ascontiguousarray(getattr(automaton, name)) for name in _ARRAYS}
    arrays["slots"] = _own_slots(automaton)
    arrays["text"] = np.concatenate(
        [arrays["text"], np.full(-len(arrays["text"]) % 8, ord("\n"), np.uint8)]
    )
    places, place = {}, 0
    for name, array in arrays.items():
        places[name] = [place, list(array.shape)]
        place += -(-array.nbytes // 64) * 64
    meta = {
        "order": automaton.order,
        "bos_state": automaton.bos_state,
        "text": len(automaton.text),
        "arrays": places,
    }
    header = json.dumps(meta).encode()
    header += b" " * (-(24 + len(header)) % 64)
    file.write(MAGIC + bytes(8) + len(header).to_bytes(8, "little") + header)
    for array in arrays.values():
        file.write(array.data)
        file.write(bytes(-array.nbytes % 64))
    file.flush()
    written = np.memmap(file, dtype=np.uint64, mode="r")
    total = int(kernels.checksum(np.asarray(written)[2:]))
    file.seek(8)
    file.write(total.to_bytes(8, "little"))


def _parse(data: npt.NDArray[np.uint8], path: str | Path, check: bool) -> NgramAutomaton:
    if data[:8].tobytes() != MAGIC:
        hint = "Compile the ARPA file again with this version (asr lm compile)."
        raise LanguageModelError(f"{path} is not a compiled language model of this version.", hint)
    total = int.from_bytes(data[8:16].tobytes(), "little")
    if check and int(kernels.checksum(data.view(np.uint64)[2:])) != total:
        raise LanguageModelError(f"{path} is damaged: its checksum does not match.", _REMEDY)
    try:
        length = int.from_bytes(data[16:24].tobytes(), "little")
        meta = json.loads(data[24 : 24 + length].tobytes())
        arrays = {name: _view(data, 24 + length, name, *meta["arrays"][name]) for name in _ARRAYS}
        arrays["text"] = arrays["text"][: meta["text"]]
        automaton = NgramAutomaton(
            **arrays, order=int(meta["order"]), bos_state=int(meta["bos_state"])
        )
        sound = not check or _is_sound(automaton)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise LanguageModelError(f"{path} has an invalid header ({error}).", _REMEDY) from None
    if not sound:
        raise LanguageModelError(f"{path} holds entries that point nowhere.", _REMEDY)
    return automaton


def _view(
    data: npt.NDArray[np.uint8], base: int, name: str, place: int, shape: list[int]
) -> npt.NDArray[Any]:
    dtype, axes = _ARRAYS[name]
    start, size = base + place, math.prod(shape) * np.dtype(dtype).itemsize
    if len(shape) != axes or min(shape) < 1 or place < 0 or start + size > len(data):
        raise ValueError(f"array {name} does not fit the file")
    return data[start : start + size].view(dtype).reshape(shape)


def _is_sound(automaton: NgramAutomaton) -> bool:
    C, S, W = len(automaton.slots), len(automaton.backoffs), len(automaton.unigrams)
    sizes = C & (C - 1) == 0 and automaton.slots.shape[1] == 4 and len(automaton.shorter) == S
    sizes = sizes and len(automaton.after) == W >= 3 and 0 <= automaton.bos_state < S
    sizes = sizes and np.count_nonzero(automaton.text == ord("\n")) == W - 1
    return bool(sizes and kernels.is_sound(automaton.arrays))

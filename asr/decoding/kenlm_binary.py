"""KenLM binary files, queried through the ``kenlm`` package.

The results are those of a compiled automaton, but slower. The kernels query a table that starts
empty. What it lacks is queried from kenlm between two attempts at the same frame, and stored. A
state number stands for a state object of kenlm.
"""

from __future__ import annotations

import math
import struct
import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels import automaton as kernels
from asr.errors import LanguageModelError, require
from asr.lm.model import EOS, UNK

__all__ = ["KENLM_MAGIC", "KenlmModel"]

KENLM_MAGIC = b"mmap lm http://kheafield.com/code format version"
_SANITY = struct.Struct("<56s3fII4xQ")
_SANE = (0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 1)
_PARAMETERS = struct.Struct("<B3xfiB3xI")
_REMEDY = "The file is damaged or of another version; build it again, or give the ARPA file."


class KenlmModel:
    """A KenLM binary (probing, trie, quantised) with the interface of an automaton.

    The format has no checksum: header, number of words and size are checked, the probabilities
    cannot be. Use files that you trust.

    Raises:
        LanguageModelError: the file is damaged, of another version, or was built without its words.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.words = _read_words(self.path)
        kenlm = require("kenlm", "train")
        try:
            self._model: Any = kenlm.Model(str(path))
        except (OSError, RuntimeError) as error:
            raise LanguageModelError(f"kenlm cannot read {path}: {error}.", _REMEDY) from None
        self._new_state = kenlm.State
        self.order = int(self._model.order)
        self._lock = threading.Lock()
        # In the kernels state 0 ends backing off, which kenlm does itself, so none of its states
        # gets that number.
        self._states: list[Any] = [None, kenlm.State(), kenlm.State()]
        self._model.NullContextWrite(self._states[1])
        self._model.BeginSentenceWrite(self._states[2])
        self._numbers = {state: number for number, state in enumerate(self._states)}
        self.bos_state = self._numbers[self._states[2]]
        W = len(self.words)
        self.unigrams = np.array([self._ask(1, word)[0] for word in range(W)], dtype=np.float32)
        self.after = np.full(W, -1, np.int32)  # "not known yet" to the kernels
        self.slots = np.full((1 << 12, 4), kernels.EMPTY, np.uint32)
        self.backoffs, self.shorter = np.zeros(1, np.float32), np.zeros(1, np.int32)
        self._known: set[tuple[int, int]] = set()
        self._grow_states()

    @cached_property
    def ids(self) -> dict[str, int]:
        """Return the id of each word."""
        return {word: i for i, word in enumerate(self.words)}

    @property
    def arrays(self) -> kernels.Ngrams:
        """Return what has been queried so far, in the form that the kernels take."""
        return kernels.Ngrams(
            slots=self.slots,
            probs=self.slots.view(np.float32),
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
        return 1

    def begin(self) -> int:
        """Return the state at the beginning of a sentence."""
        return self.bos_state

    def unigram(self, word: str) -> float:
        """Return the natural-log p(word) without context."""
        return float(self.unigrams[self.ids.get(word, UNK)])

    def step(self, state: int, word: str) -> tuple[float, int]:
        """Return the natural-log p(word | state) and the state after the word.

        A word outside the model scores as ``<unk>``.
        """
        with self._lock:
            score, after = self._ask(state, self.ids.get(word, UNK))
            return score, self._number(after)

    def resolve(self, misses: npt.NDArray[np.int32]) -> None:
        """Query kenlm for (state, word) pairs and store the answers in the table."""
        with self._lock:
            for state, word in misses.tolist():
                if (state, word) not in self._known:
                    self._known.add((state, word))
                    score, after = self._ask(state, word)
                    if 2 * len(self._known) > len(self.slots):
                        self._grow_slots()
                    probs, number = self.slots.view(np.float32), self._number(after)
                    kernels.insert(self.slots, probs, (state, word), score, number)

    def _ask(self, state: int, word: int) -> tuple[float, Any]:
        after = self._new_state()
        log10 = self._model.BaseScore(self._states[state], self.words[word], after)
        return log10 * math.log(10), after

    def _number(self, state: Any) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
            self._grow_states()
        return number

    def _grow_states(self) -> None:
        if len(self._states) > len(self.backoffs):
            self.backoffs = np.zeros(2 * len(self._states), np.float32)
            self.shorter = np.zeros(2 * len(self._states), np.int32)

    def _grow_slots(self) -> None:
        full = self.slots[self.slots[:, 0] != kernels.EMPTY]
        slots = np.full((2 * len(self.slots), 4), kernels.EMPTY, np.uint32)
        for state, word, bits, after in full:
            score = float(np.array(bits, np.uint32).view(np.float32))
            ngram = (int(state), int(word))
            kernels.insert(slots, slots.view(np.float32), ngram, score, int(after))
        self.slots = slots


def _read_words(path: Path) -> list[str]:
    """Return the words listed at the end of a KenLM binary, the three special ones first."""
    try:
        data = np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise LanguageModelError(f"Cannot read {path}: {error}.") from None
    counts = _read_counts(data, path)
    tail = data[max(_SANITY.size, len(data) - counts[0] * 300) :].tobytes()
    place = tail.rfind(b"<unk>\0")
    words = tail[place:].split(b"\0") if place >= 0 else []
    if len(words) != counts[0] + 1 or words[-1]:
        raise LanguageModelError(
            f"{path} does not end with the list of its {counts[0]} words.", _REMEDY
        )
    decoded = [word.decode("utf-8", "replace") for word in words[:-1]]
    special = ["<unk>", "<s>", "</s>"]
    if not set(special) <= set(decoded):
        raise LanguageModelError(f"{path} lacks one of the words {', '.join(special)}.", _REMEDY)
    assert special.index("</s>") == EOS
    return special + [word for word in decoded if word not in special]


def _read_counts(data: npt.NDArray[np.uint8], path: Path) -> list[int]:
    if len(data) < 256 or data[: len(KENLM_MAGIC)].tobytes() != KENLM_MAGIC:
        raise LanguageModelError(f"{path} is not a KenLM binary, or truncated.", _REMEDY)
    head = data[:256].tobytes()
    if _SANITY.unpack_from(head)[1:] != _SANE:
        raise LanguageModelError(f"{path} was built on a machine of another kind.", _REMEDY)
    order, _, kind, has_words, _ = _PARAMETERS.unpack_from(head, _SANITY.size)
    if not 1 <= order <= 6 or not 0 <= kind <= 5:
        raise LanguageModelError(
            f"{path} has order {order} and kind {kind} in its header.", _REMEDY
        )
    if not has_words:
        raise LanguageModelError(
            f"{path} was built without its words.", "Build it with build_binary -i, or give ARPA."
        )
    counts = list(struct.unpack_from(f"<{order}Q", head, _SANITY.size + _PARAMETERS.size))
    if sum(counts) * 2 > len(data):
        raise LanguageModelError(
            f"{path} promises {sum(counts)} n-grams in {len(data)} bytes.", _REMEDY
        )
    return counts

"""Plain words -> words as people write them, with marks. It needs no torch.

Legend: N words, B windows, T words of a window.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import ModelError
from asr.language.files import Rows, tokens_of
from asr.language.punctuation.marks import MARKS, SHAPES, capitalized
from asr.language.punctuation.units import WordUnits
from asr.language.punctuation.windows import windows
from asr.model_folder import WEIGHTS, Bundle, open_model
from asr.onnx.sessions import new_session

__all__ = ["NETWORK_FILE", "Ints", "Restorer", "RestoringStream", "WrittenWord", "predict_rows"]

NETWORK_FILE = "punctuation.onnx"
TASK = "punctuate"
LOWER = SHAPES.index("lower")
ENDS = frozenset(".?")
CONTEXT = 60  # words before the new ones that a stream reads again
_LATIN = re.compile("[a-z]")

Ints = npt.NDArray[np.int64]
Labels = Callable[[Ints], tuple[Ints, Ints]]


@dataclass(frozen=True)
class WrittenWord:
    """A word of written text.

    Attributes:
        text: in its case, without the mark.
        mark: after it: a comma, full stop, question mark, or nothing.
    """

    text: str
    mark: str

    def __str__(self) -> str:
        return self.text + self.mark


class Restorer:
    """Restores marks and capitals of a recogniser's words.

    Args:
        units: the words that the network knows.
        labels: ids (N,) -> classes of mark and shape, (N,) each.

    Example:
        >>> import asr
        >>> restorer = asr.Restorer.load("en-text")  # doctest: +SKIP
        >>> restorer.write("hello what is your name".split())  # doctest: +SKIP
        'Hello, what is your name?'
    """

    def __init__(self, units: WordUnits, labels: Labels) -> None:
        self.units, self.labels = units, labels

    @classmethod
    def load(cls, model: str | Path | Bundle, threads: int = 1) -> Restorer:
        """Return the restorer of a model folder, or of a run folder that holds one.

        Args:
            model: its path, or its name where it comes with asr.
            threads: of the processor, for an exported network.

        Raises:
            ModelError: no model there, a damaged one, one of another task, or one without a
                network.
        """
        bundle = open_model(model, task=TASK)
        if NETWORK_FILE in bundle.files:
            session = new_session(
                bundle.file(NETWORK_FILE), "Export the model again.", threads=threads
            )
            return cls(WordUnits.load(bundle.path), _OnnxLabels(session))
        if WEIGHTS not in bundle.files:
            raise ModelError(
                f"The model {bundle.path} holds no network: neither {NETWORK_FILE} nor {WEIGHTS}.",
                "Copy the whole folder again.",
            )
        from asr.language.punctuation.model import FittedPunctuation

        fitted = FittedPunctuation.load(bundle)
        return cls(fitted.units, fitted.predict_ids)

    def classes(self, words: Sequence[str]) -> tuple[Ints, Ints]:
        """Return the classes of mark and shape (N,) of running words in lower case."""
        return self.labels(self.units.encode(words))

    def restore(
        self, words: Sequence[str], begins: bool = True, ends: bool = True
    ) -> list[WrittenWord]:
        """Return running words as people write them, one for one.

        Words without a letter from a to z stay as they are, without a mark.

        Args:
            words: of a recogniser, in any case.
            begins: a sentence begins with the first word.
            ends: a sentence ends with the last word.
        """
        spoken = [word.lower() for word in words]
        if not any(map(_LATIN.search, spoken)):
            return [WrittenWord(word, "") for word in words]
        marks, shapes = self.classes(spoken)
        written: list[WrittenWord] = []
        for word, low, mark, shape in zip(
            words, spoken, marks.tolist(), shapes.tolist(), strict=True
        ):
            if not _LATIN.search(low):
                written.append(WrittenWord(word, ""))
                continue
            text = self.units.written(low, shape)
            if begins and shape == LOWER:
                text = capitalized(low)
            written.append(WrittenWord(text, MARKS[mark]))
            begins = MARKS[mark] in ENDS
        if ends and written[-1].mark not in ENDS and _LATIN.search(spoken[-1]):
            written[-1] = WrittenWord(written[-1].text, ".")
        return written

    def write(self, words: Sequence[str]) -> str:
        """Return running words as text."""
        return " ".join(map(str, self.restore(words)))

    def stream(self, lookahead: int = 4) -> RestoringStream:
        """Return a restorer of words that come a few at a time.

        Args:
            lookahead: words that must have come after a word before it is written.
        """
        return RestoringStream(self, lookahead)


class RestoringStream:
    """Writes the words of a stream as soon as enough others have followed."""

    def __init__(self, restorer: Restorer, lookahead: int) -> None:
        self._restorer, self._lookahead = restorer, lookahead
        self._context: list[str] = []
        self._waiting: list[str] = []
        self._begins = True  # whether a sentence begins with the first word that waits

    def push(self, words: Sequence[str]) -> list[WrittenWord]:
        """Return the words that are written now that these have come."""
        self._waiting += words
        return self._written(len(self._waiting) - self._lookahead, ends=False)

    def finish(self) -> list[WrittenWord]:
        """Return the words that still waited; the next ones begin a new text."""
        written = self._written(len(self._waiting), ends=True)
        self._context, self._begins = [], True
        return written

    def _written(self, count: int, ends: bool) -> list[WrittenWord]:
        if count <= 0:
            return []
        known = len(self._context)
        begins = self._begins if not known else False
        restored = self._restorer.restore(self._context + self._waiting, begins, ends)
        written = restored[known : known + count]
        if known and self._begins:
            written[0] = WrittenWord(_began(written[0].text), written[0].mark)
        self._begins = written[-1].mark in ENDS
        self._context = (self._context + self._waiting[:count])[-CONTEXT:]
        self._waiting = self._waiting[count:]
        return written


def _began(text: str) -> str:
    return capitalized(text) if text.islower() else text


class _OnnxLabels:
    """Labels of an exported network, window by window, so that none depends on another."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(self, tokens: Ints) -> tuple[Ints, Ints]:
        best = np.zeros((2, len(tokens)), np.int64)
        for window in windows(len(tokens)):
            outputs = self._session.run(None, {"tokens": tokens[None, window.start : window.end]})
            inside = slice(window.keep_start - window.start, window.keep_end - window.start)
            for row, output in zip(best, outputs, strict=True):
                row[window.keep_start : window.keep_end] = output[0, inside].argmax(-1)
        return best[0], best[1]


def predict_rows(restorer: Restorer, rows: Rows) -> Rows:
    """Return the written text of each row, for ``asr predict`` and ``POST /v1/predict``.

    Args:
        restorer: loaded.
        rows: with ``tokens``, or with a ``text`` that is split at white space.
    """
    return [{"written": restorer.write(tokens_of(row))} for row in rows]

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
from asr.language.punctuation.chinese import CHINESE_MARKS, characters_of, word_ends
from asr.language.punctuation.marks import MARKS, SHAPES, capitalized
from asr.language.punctuation.pauses import PauseTable
from asr.language.punctuation.units import WordUnits
from asr.language.punctuation.windows import windows
from asr.model_folder import WEIGHTS, Bundle, open_model
from asr.onnx.sessions import new_session
from asr.text.chinese import join_words

__all__ = ["NETWORK_FILE", "Ints", "Restorer", "RestoringStream", "WrittenWord", "predict_rows"]

NETWORK_FILE = "punctuation.onnx"
TASK = "punctuate"
LOWER = SHAPES.index("lower")
ENDS = (".", "?")
ALL_ENDS = (*ENDS, "。", "？")
CONTEXT = 60  # words before the new ones that a stream reads again
_LATIN = re.compile("[a-z]")

Ints = npt.NDArray[np.int64]
Logits = npt.NDArray[np.float32]
Scores = Callable[[Ints], tuple[Logits, Logits]]


@dataclass(frozen=True)
class WrittenWord:
    """A word of written text.

    Attributes:
        text: in its case, without the mark.
        mark: after it: a comma, full stop, question mark (of full width in Chinese), or nothing.
    """

    text: str
    mark: str

    def __str__(self) -> str:
        return self.text + self.mark


class Restorer:
    """Restores marks and capitals of a recogniser's words.

    Args:
        units: the words that the network knows.
        scores: ids (N,) -> logits of marks and of shapes, (N, 4) each.
        pauses: how probable pauses are after marks; None: they are not looked at.
        language: ``en``, or ``zh``: the network reads characters, and there are no capitals.

    Example:
        >>> import asr
        >>> restorer = asr.Restorer.load("en-text")  # doctest: +SKIP
        >>> restorer.write("hello what is your name".split())  # doctest: +SKIP
        'Hello, what is your name?'
    """

    def __init__(
        self,
        units: WordUnits,
        scores: Scores,
        pauses: PauseTable | None = None,
        language: str = "en",
    ) -> None:
        self.units, self.scores, self.pauses, self.language = units, scores, pauses, language

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
        pauses = PauseTable.read(bundle.config.get("pauses") or {}, bundle.path)
        language = str(bundle.config.get("language", "en"))
        if NETWORK_FILE in bundle.files:
            session = new_session(
                bundle.file(NETWORK_FILE), "Export the model again.", threads=threads
            )
            return cls(WordUnits.load(bundle.path), _OnnxScores(session), pauses, language)
        if WEIGHTS not in bundle.files:
            raise ModelError(
                f"The model {bundle.path} holds no network: neither {NETWORK_FILE} nor {WEIGHTS}.",
                "Copy the whole folder again.",
            )
        from asr.language.punctuation.model import FittedPunctuation

        fitted = FittedPunctuation.load(bundle)
        return cls(fitted.units, fitted.scores, pauses, language)

    def classes(
        self,
        words: Sequence[str],
        pauses_s: Sequence[float] | None = None,
        ends: bool = False,
    ) -> tuple[Ints, Ints]:
        """Return the classes of mark and shape (N,) of running words in lower case.

        Args:
            words: N.
            pauses_s: seconds of silence after each, where they are known.
            ends: a sentence ends with the last word.
        """
        marks, shapes = self.scores(self.units.encode(words))
        if len(words):
            if pauses_s is not None and self.pauses is not None:
                marks = _log_softmax(marks) + self.pauses.scores(pauses_s).astype(np.float32)
            if ends:
                marks[-1, [mark not in ENDS for mark in MARKS]] = -np.inf
        return marks.argmax(1), shapes.argmax(1)

    def restore(
        self,
        words: Sequence[str],
        begins: bool = True,
        ends: bool = True,
        pauses_s: Sequence[float] | None = None,
    ) -> list[WrittenWord]:
        """Return running words as people write them, one for one.

        English: words without a letter from a to z stay as they are, without a mark.

        Args:
            words: of a recogniser, in any case.
            begins: a sentence begins with the first word.
            ends: a sentence ends with the last word.
            pauses_s: seconds of silence after each word, where they are known.
        """
        if self.language == "zh":
            return self._restored_chinese(words, ends, pauses_s)
        spoken = [word.lower() for word in words]
        if not any(map(_LATIN.search, spoken)):
            return [WrittenWord(word, "") for word in words]
        marks, shapes = (c.tolist() for c in self.classes(spoken, pauses_s, ends))
        written: list[WrittenWord] = []
        for word, low, mark, shape, following in zip(
            words, spoken, marks, shapes, [*shapes[1:], LOWER], strict=True
        ):
            if not _LATIN.search(low):
                written.append(WrittenWord(word, ""))
                continue
            text = self.units.written(low, shape)
            if text.endswith(".") and (mark or following == LOWER):
                text = low  # "Dr." stands before a name, elsewhere it is a doctor
            if begins and text == low:
                text = capitalized(low)
            written.append(WrittenWord(text, MARKS[mark]))
            begins = MARKS[mark] in ENDS
        return written

    def _restored_chinese(
        self, words: Sequence[str], ends: bool, pauses_s: Sequence[float] | None
    ) -> list[WrittenWord]:
        """Marks after the last characters of words; inside a word there is none."""
        places = word_ends(words)
        characters = characters_of(words)
        pauses: list[float] | None = None
        if pauses_s is not None:
            behind = dict(zip(places, pauses_s, strict=True))
            pauses = [behind.get(place, 0.0) for place in range(len(characters))]
        marks = self.classes(characters, pauses, ends)[0][places].tolist()
        return [
            WrittenWord(word, CHINESE_MARKS[mark]) for word, mark in zip(words, marks, strict=True)
        ]

    def write(self, words: Sequence[str]) -> str:
        """Return running words as text."""
        if self.language == "zh":
            words = characters_of(words)
        return join_words(map(str, self.restore(words)))

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

    def finish(self, ends: bool = True) -> list[WrittenWord]:
        """Return the words that still waited; by default a sentence ends with them."""
        return self._written(len(self._waiting), ends)

    def _written(self, count: int, ends: bool) -> list[WrittenWord]:
        if count <= 0:
            return []
        known = len(self._context)
        restored = self._restorer.restore(self._context + self._waiting, not known, ends)
        written = restored[known : known + count]
        capitals = self._restorer.language != "zh"
        if capitals and self._begins and written[0].text.islower():
            written[0] = WrittenWord(capitalized(written[0].text), written[0].mark)
        self._begins = written[-1].mark in ALL_ENDS
        self._context = (self._context + self._waiting[:count])[-CONTEXT:]
        self._waiting = self._waiting[count:]
        return written


def _log_softmax(logits: Logits) -> Logits:
    shifted = logits - logits.max(1, keepdims=True)
    log_probs: Logits = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return log_probs


class _OnnxScores:
    """Logits of an exported network, window by window, so that none depends on another."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def __call__(self, tokens: Ints) -> tuple[Logits, Logits]:
        scores = np.zeros((2, len(tokens), 4), np.float32)
        for window in windows(len(tokens)):
            outputs = self._session.run(None, {"tokens": tokens[None, window.start : window.end]})
            inside = slice(window.keep_start - window.start, window.keep_end - window.start)
            for rows, output in zip(scores, outputs, strict=True):
                rows[window.keep_start : window.keep_end] = output[0, inside]
        return scores[0], scores[1]


def predict_rows(restorer: Restorer, rows: Rows) -> Rows:
    """Return the written text of each row, for ``asr predict`` and ``POST /v1/predict``.

    Args:
        restorer: loaded.
        rows: with ``tokens``, or with a ``text`` that is split at white space.
    """
    return [{"written": restorer.write(tokens_of(row))} for row in rows]

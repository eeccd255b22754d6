"""Text files -> arrays of words, marks and shapes.  Legend: N words, D distinct words."""

from __future__ import annotations

import sys
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from asr.errors import DataError
from asr.language.punctuation.chinese import ChineseReader
from asr.language.punctuation.marks import SHAPES, LabelledWord, TextReader, shape_of
from asr.lines import iter_lines

__all__ = ["NEEDED", "MarkedText", "own_forms", "read_marked"]

NEEDED = "a text file as people write, a paragraph a line"
OWN = SHAPES.index("own")
FEWEST = 5  # times that an own form is written so, to be kept

Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.int8]


@dataclass(frozen=True)
class MarkedText:
    """Running text as it is said, with what is written.

    Attributes:
        vocabulary: (D) distinct words in lower case.
        words: (N,) numbers in the vocabulary.
        marks: (N,) after each word, index in :data:`asr.language.punctuation.marks.MARKS`.
        shapes: (N,) of each word, index in :data:`asr.language.punctuation.marks.SHAPES`.
        own: written forms of words of shape own, with how often.
        skipped: sentences left out, which cannot be spoken.
        sentences: all.
    """

    vocabulary: list[str]
    words: Ints
    marks: Bytes
    shapes: Bytes
    own: dict[str, Counter[str]]
    skipped: int
    sentences: int

    def __len__(self) -> int:
        return len(self.words)

    @property
    def spoken(self) -> list[str]:
        """The words."""
        return [self.vocabulary[number] for number in self.words.tolist()]

    def counts(self) -> npt.NDArray[np.int64]:
        """Return how often each word of the vocabulary occurs (D,)."""
        return np.bincount(self.words, minlength=len(self.vocabulary))


def read_marked(path: str | Path, language: str = "en") -> MarkedText:
    """Return the words of a text file with their marks and shapes.

    Args:
        path: of the file.
        language: ``en``, or ``zh``, whose words are characters.

    Raises:
        DataError: the file is missing, not UTF-8, or holds no sentence that can be spoken.
    """
    text = marked_text(iter_lines(path, NEEDED), language)
    if not len(text):
        raise DataError(f"{path} holds no sentence.", f"Give {NEEDED}.")
    share = 100 * text.skipped / text.sentences
    print(
        f"{path}: {len(text)} words; {text.skipped} of {text.sentences} sentences left out "
        f"({share:.1f} %), which cannot be spoken",
        file=sys.stderr,
    )
    return text


def marked_text(paragraphs: Iterable[str], language: str = "en") -> MarkedText:
    """Return the words of paragraphs in memory with their marks and shapes."""
    reader = ChineseReader() if language == "zh" else TextReader()
    collector = _Collector()
    for paragraph in paragraphs:
        for sentence in reader.read(paragraph):
            collector.add(sentence)
    return collector.text(reader)


class _Collector:
    """Numbers words as they come."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.words, self.marks, self.shapes = array("i"), array("b"), array("b")
        self.own: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, sentence: Sequence[LabelledWord]) -> None:
        numbers = self.numbers
        for word in sentence:
            spoken, written = word.spoken, word.written
            self.words.append(numbers.setdefault(spoken, len(numbers)))
            self.marks.append(word.mark)
            shape = 0 if spoken == written else shape_of(spoken, written)
            self.shapes.append(shape)
            if shape == OWN:
                self.own[spoken][written] += 1

    def text(self, reader: TextReader | ChineseReader) -> MarkedText:
        return MarkedText(
            vocabulary=list(self.numbers),
            words=np.frombuffer(self.words, np.int32) if self.words else np.zeros(0, np.int32),
            marks=np.frombuffer(self.marks, np.int8) if self.marks else np.zeros(0, np.int8),
            shapes=np.frombuffer(self.shapes, np.int8) if self.shapes else np.zeros(0, np.int8),
            own=dict(self.own),
            skipped=reader.skipped,
            sentences=reader.sentences,
        )


def own_forms(text: MarkedText) -> dict[str, str]:
    """Return the most frequent own form of each word that has one often enough."""
    forms = {word: counts.most_common(1)[0] for word, counts in sorted(text.own.items())}
    return {
        word: form for word, (form, count) in forms.items() if count >= FEWEST and len(word) > 1
    }

"""Written Chinese -> characters as a recogniser gives them, each with the mark after it.

Rules: ``。``, ``！`` and ``…`` are full stops; ``、``, ``；``, ``：`` and dashes are commas;
quotation marks, brackets and titles' marks are left out. Numbers are read, traditional characters
become simplified ones. A sentence with letters of another script is left out and counted.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from asr.errors import MissingDependencyError
from asr.language.punctuation.marks import COMMA, NONE, QUESTION, STOP, LabelledWord
from asr.text.chinese import chinese_pieces, is_ideograph, spoken_chinese, traditional_forms

__all__ = ["CHINESE_MARKS", "ChineseReader", "characters_of", "traditional_variants", "word_ends"]

CHINESE_MARKS = ("", "，", "。", "？")  # in the order of asr.language.punctuation.marks.MARKS
_MARK_OF = dict.fromkeys("，、；：,;:—–", COMMA)
_MARK_OF |= dict.fromkeys("。．！.!…", STOP) | {"？": QUESTION, "?": QUESTION}
_SILENT = re.compile(r"[\s“”‘’「」『』《》〈〉（）()\[\]【】\"'·~～*-]+")


class ChineseReader:
    """Reads paragraphs of written Chinese, as :class:`asr.language.punctuation.marks.TextReader`
    reads English.

    Attributes:
        skipped: sentences left out so far.
        sentences: sentences seen so far.
    """

    def __init__(self) -> None:
        self.skipped = self.sentences = 0

    def read(self, paragraph: str) -> Iterator[list[LabelledWord]]:
        """Yield the sentences of a paragraph that can be spoken.

        Raises:
            MissingDependencyError: the text is traditional, and OpenCC is not installed.
        """
        sentence: list[LabelledWord] = []
        usable = True
        for char in [*_SILENT.sub("", spoken_chinese(paragraph)), "\n"]:
            mark = _MARK_OF.get(char, NONE)
            if is_ideograph(char):
                sentence.append(LabelledWord(char, char, NONE))
            elif mark == NONE and char != "\n":
                usable = False
            elif mark != NONE and sentence and mark > sentence[-1].mark:
                sentence[-1] = LabelledWord(sentence[-1].spoken, sentence[-1].written, mark)
            if mark >= STOP or char == "\n":
                self.sentences += bool(sentence) or not usable
                if sentence and usable:
                    yield sentence
                else:
                    self.skipped += bool(sentence) or not usable
                sentence, usable = [], True


def characters_of(words: Sequence[str]) -> list[str]:
    """Return the characters of words; what is between Chinese characters stays whole."""
    return list(itertools.chain.from_iterable(map(chinese_pieces, words)))


def word_ends(words: Sequence[str]) -> list[int]:
    """Return where each word's last character is among :func:`characters_of`."""
    sizes = [len(chinese_pieces(word)) for word in words]
    ends: list[int] = (np.cumsum(sizes, dtype=np.int64) - 1).tolist()
    return ends


def traditional_variants(characters: Sequence[str]) -> dict[str, str]:
    """Return the traditional forms of characters; without OpenCC none, which is said."""
    try:
        return traditional_forms(characters)
    except MissingDependencyError as error:
        print(f"Traditional characters will be unknown: {error}", file=sys.stderr)
        return {}

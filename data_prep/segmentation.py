"""Chinese text -> words, by jieba; its dictionary as text for a language model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from asr.errors import require
from asr.files import atomic_path
from asr.lines import iter_lines
from asr.text.chinese import is_ideograph

__all__ = ["segmented", "write_dictionary"]

LEAST_COUNT = 5  # of a word in the text from which jieba's dictionary was made
PER_LINE = 100  # words a line: a unigram model should not learn that sentences end
COUNT_SHARE = 50  # a word is written once for so many of its occurrences


def _jieba() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its source has old escape sequences
        jieba = require("jieba", "mandarin")
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    return jieba


def segmented(texts: Sequence[Path], folder: Path) -> list[Path]:
    """Write texts with spaces between words to files of their names in ``folder``; return these.

    Args:
        texts: paths, a sentence a line; their spaces do not count between Chinese characters.
        folder: is made if needed.

    Raises:
        MissingDependencyError: jieba is not installed.
        DataError: a text cannot be read.
    """
    jieba = _jieba()
    folder.mkdir(parents=True, exist_ok=True)
    outputs = []
    for text in texts:
        outputs.append(folder / text.name)
        with atomic_path(outputs[-1]) as temporary, temporary.open("w", encoding="utf-8") as file:
            for line in iter_lines(text):
                words = _words(jieba, line.split())
                file.write(" ".join(words) + "\n")
    return outputs


def _words(jieba: Any, parts: Iterable[str]) -> list[str]:
    """Segment runs of Chinese characters; Latin words and letters stay apart."""
    words: list[str] = []
    run = ""
    for part in [*parts, ""]:
        if part and all(map(is_ideograph, part)):
            run += part
            continue
        words += jieba.lcut(run, HMM=False) if run else []
        words += [part] if part else []
        run = ""
    return words


def write_dictionary(output: Path) -> Path:
    """Write the words of jieba's dictionary as often as they are frequent, and return the path.

    Raises:
        MissingDependencyError: jieba is not installed.
    """
    counts: dict[str, int] = _jieba().dt.FREQ
    words = [
        word
        for word, count in sorted(counts.items())
        if count >= LEAST_COUNT and all(map(is_ideograph, word))
        for _ in range(max(1, round(count / COUNT_SHARE)))
    ]
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8") as file:
        for start in range(0, len(words), PER_LINE):
            file.write(" ".join(words[start : start + PER_LINE]) + "\n")
    return output

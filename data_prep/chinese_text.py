"""Running Chinese text -> sentences for a language model, without those that are held out."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from asr.errors import DataError
from asr.files import atomic_path
from asr.lines import iter_lines
from asr.text.chinese import is_ideograph
from asr.text.normalizers import normalize

__all__ = ["LETTERS", "chinese_sentences", "clean_chinese", "is_readable"]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
RUN = 12  # so many characters in a row that a sentence shares with a held-out one are no accident
SHORTEST = 2  # characters of a sentence
_END = re.compile(r"(?<=[。！？；!?;…])[”’」』）)\"']*|\n")


def is_readable(sentence: str) -> bool:
    """Return whether a normalised text consists of Chinese characters and Latin letters."""
    words = sentence.split()
    return bool(words) and all(word in LETTERS or is_ideograph(word[0]) for word in words)


def chinese_sentences(paragraph: str) -> Iterator[str]:
    """Yield the sentences of a paragraph as they are read, characters apart.

    Those with words of other scripts are left out.

    Example:
        >>> list(chinese_sentences("他来了。真的吗？Hello！共3个。"))
        ['他 来 了', '真 的 吗', '共 三 个']
    """
    for part in _END.split(paragraph):
        sentence = normalize(part, "mandarin")
        if is_readable(sentence) and len(sentence) >= 2 * SHORTEST - 1:
            yield sentence


def clean_chinese(texts: Sequence[Path], held_out: Iterable[str], folder: Path) -> list[Path]:
    """Write the sentences of each text to a file of its name in ``folder``, and return their paths.

    Sentences that share twelve characters in a row with a held-out one are left out, and so are
    those that are the whole or a part of one; every sentence is kept once over all texts. What was
    left out is counted on standard error.

    Args:
        texts: files with a paragraph or a sentence a line, UTF-8.
        held_out: transcripts of the development and test sets.
        folder: is made if needed.

    Raises:
        DataError: nothing is left of a text, or it cannot be read.
    """
    apart = [normalize(line, "mandarin").replace(" ", "") for line in held_out]
    runs = {run for sentence in apart for run in _runs(sentence)}
    seen = set(apart)
    return [_clean(text, runs, seen, folder / text.name) for text in texts]


def _runs(sentence: str) -> Iterator[str]:
    """Yield what is looked for: twelve characters in a row, of a shorter sentence all."""
    for start in range(max(1, len(sentence) - RUN + 1)):
        yield sentence[start : start + RUN]


def _clean(text: Path, runs: set[str], seen: set[str], output: Path) -> Path:
    kept = left_out = 0
    output.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8") as file:
        for line in iter_lines(text):
            for sentence in chinese_sentences(line):
                joined = sentence.replace(" ", "")
                if joined in seen:
                    continue
                seen.add(joined)
                if not runs.isdisjoint(_runs(joined)):
                    left_out += 1
                    continue
                file.write(sentence + "\n")
                kept += 1
        if not kept:
            raise DataError(f"No sentence of {text} can be used.", "Give Chinese text.")
    print(f"{text.name}: {kept} sentences, {left_out} like held-out ones", file=sys.stderr)
    return output

"""Running text -> sentences for a language model, without the books that held-out speakers read."""

from __future__ import annotations

import bisect
import contextlib
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from asr.errors import DataError
from asr.files import atomic_path
from asr.text.normalizers import normalize

__all__ = ["clean_texts", "repaired", "runs_of", "sentences"]

RUN = 9  # so many words in a row that a text shares with a transcript are no accident
AROUND = 100_000  # words on either side of such a run that go with it: most of a book
TWICE = 8  # a sentence of so many words that was there before is a second copy of its book

_TITLES = {
    "mr": "mister",
    "mrs": "missus",
    "dr": "doctor",
    "st": "saint",
    "messrs": "messieurs",
    "esq": "esquire",
    "capt": "captain",
    "lieut": "lieutenant",
    "col": "colonel",
    "rev": "reverend",
    "hon": "honorable",
    "prof": "professor",
    "jr": "junior",
    "etc": "et cetera",
}
_DOTTED = re.compile(
    r"\b(mrs?|dr|st|messrs|capt|lieut|col|gen|rev|hon|prof|no|vol)\.", re.IGNORECASE
)
_END = re.compile(r"(?<=[.!?])[\"'”’)]*\s+")
_PLAIN = str.maketrans({"“": '"', "”": '"', "—": " ", "–": " ", "…": ".", "_": " "})
_DIGIT = re.compile(r"\d")
_HIGH = re.compile("[\x80-\uffff]{2,}")


def repaired(text: str) -> str:
    """Return text with UTF-8 that somebody read as Windows-1252 as it was meant.

    Example:
        >>> repaired("donâ€™t")
        'don’t'
    """
    if "â€" not in text and "Ã" not in text:
        return text
    return _HIGH.sub(
        lambda match: _reread(match[0]), text.replace("â€\ufffd", "”")
    )  # one byte has no character


def _reread(garbled: str) -> str:
    out, place = "", 0
    while place < len(garbled):
        char, length = _first_character(garbled[place : place + 4])
        out, place = out + char, place + length
    return out


def _first_character(garbled: str) -> tuple[str, int]:
    """The character that the first characters stand for, and how many they are."""
    for length in range(2, len(garbled) + 1):
        with contextlib.suppress(UnicodeError):
            return garbled[:length].encode("cp1252").decode(), length
    return garbled[0], 1


def sentences(paragraph: str) -> Iterator[str]:
    """Yield the sentences of a paragraph in LibriSpeech's letters, "Mr." as it is said.

    Those with digits are left out, since text does not tell how they are read.

    Example:
        >>> list(sentences("Mr. Hyde left. It was 1886. “Well!” said I."))
        ['mister hyde left', 'well', 'said i']
    """
    for part in _END.split(_DOTTED.sub(r"\1", repaired(paragraph).translate(_PLAIN))):
        if not _DIGIT.search(part) and (sentence := normalize(part, "librispeech")):
            yield " ".join(_TITLES.get(word, word) for word in sentence.split(" "))


def clean_texts(texts: Sequence[Path], held_out: Iterable[str], folder: Path) -> list[Path]:
    """Write the sentences of each text to a file of its name in ``folder``, and return their paths.

    Sentences around nine words in a row that a held-out transcript shares are left out, 100,000
    words either way: the rest of that book would tell what comes next. Sentences of eight words and
    more are kept once over all texts. What was left out is counted on standard error.

    Args:
        texts: files with a paragraph or a sentence a line, UTF-8.
        held_out: transcripts of the development and test sets, in any spelling.
        folder: is made if needed.

    Raises:
        DataError: two texts have one name, or nothing is left of one.
    """
    names = [text.name for text in texts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(
            f"Two texts are called {twice[0]}, which names their result.", "Rename one."
        )
    known = {
        run
        for line in held_out
        for sentence in sentences(line)
        for run in runs_of(sentence.split())
    }
    seen: set[int] = set()
    return [_clean(text, known, seen, folder / text.name) for text in texts]


def runs_of(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield every nine words in a row: so many that two texts share are no accident."""
    return (tuple(words[start : start + RUN]) for start in range(len(words) - RUN + 1))


def _clean(text: Path, known: set[tuple[str, ...]], seen: set[int], output: Path) -> Path:
    with tempfile.TemporaryFile("w+", encoding="utf-8") as draft:
        hits = _write_draft(text, known, draft)
        draft.seek(0)
        with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8") as file:
            kept, held_out, twice = _copy(draft, hits, seen, file)
    if not kept:
        raise DataError(
            f"Nothing is left of {text}.", "Give text that is not read in the test sets."
        )
    near = f"{held_out} left out around {len(hits)} passages of held-out speech"
    print(f"{text.name}: {kept} words kept, {near}, {twice} twice", file=sys.stderr)
    return output


def _write_draft(text: Path, known: set[tuple[str, ...]], draft: IO[str]) -> list[int]:
    """Write all sentences; returns the places, in words, where held-out speech begins."""
    hits, place = [], 0
    with text.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            for sentence in sentences(line):
                words = sentence.split()
                hits += [place + start for start, run in enumerate(runs_of(words)) if run in known]
                draft.write(sentence + "\n")
                place += len(words)
    return hits


def _copy(
    draft: Iterable[str], hits: Sequence[int], seen: set[int], file: IO[str]
) -> tuple[int, int, int]:
    """Copy sentences.

    Returns how many words were kept, were near held-out speech, and were there before.
    """
    kept = held_out = twice = place = 0
    for line in draft:
        length = line.count(" ") + 1
        near = bisect.bisect_left(hits, place - AROUND)  # the first that is not too far before
        if near < len(hits) and hits[near] < place + AROUND:
            held_out += length
        elif length >= TWICE and hash(line) in seen:
            twice += length
        else:
            seen.add(hash(line))
            file.write(line)
            kept += length
        place += length
    return kept, held_out, twice

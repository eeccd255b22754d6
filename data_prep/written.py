"""Text as people write -> training, dev and test parts, whole podcasts and whole books apart."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from asr.errors import DataError
from asr.files import atomic_write_text
from asr.lines import iter_lines
from data_prep.books import repaired, runs_of, sentences

__all__ = ["Parts", "split_books", "split_podcasts", "write_parts"]

STRETCH = 100_000  # words that books are cut into
EVERY = 14  # stretch of these trains
HELD = 10 * EVERY  # of these, one is for dev and one for tests, both half way between training ones
HELD_WORDS = 20_000  # of such a stretch
_STAMP = re.compile(r"\\?\[(?:(\d+):)?(\d+):(\d\d)(?:\.\d+)?\\?\]")


@dataclass
class Parts:
    """Paragraphs of each part.

    Attributes:
        train: to learn from.
        dev: to choose the best epoch by.
        test: to measure with, never trained on.
        left_out: words that stand near speech of a test set.
    """

    train: list[str] = field(default_factory=list)
    dev: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    left_out: int = 0


def split_podcasts(path: Path) -> Parts:
    """Return transcripts of podcasts, 1 % of the recordings for dev and 2 % for tests.

    A recording ends where the next time stamp is earlier; its first words decide its part.

    Raises:
        DataError: the file is missing or not UTF-8.
    """
    parts = Parts()
    for recording in _recordings(iter_lines(path)):
        number = int(hashlib.sha256(recording[0].encode()).hexdigest(), 16) % 100
        part = parts.dev if number == 0 else parts.test if number <= 2 else parts.train
        part += recording
    return parts


def _recordings(lines: Iterable[str]) -> Iterator[list[str]]:
    recording: list[str] = []
    last_s = 0
    for line in lines:
        if stamp := _STAMP.match(line):
            seconds = 3600 * int(stamp[1] or 0) + 60 * int(stamp[2]) + int(stamp[3])
            if seconds < last_s and recording:
                yield recording
                recording = []
            last_s = seconds
        text = html.unescape(_STAMP.sub(" ", line)).strip()
        if text:
            recording.append(text)
    if recording:
        yield recording


def split_books(path: Path, held_out_speech: Iterable[str] = ()) -> Parts:
    """Return a part of running books: every 14th stretch of 100,000 words, and between them, some
    600,000 words away, ten times fewer stretches for dev and tests.

    A training stretch that shares nine words in a row with ``held_out_speech`` is left out.

    Args:
        path: books one after the other, a paragraph a line.
        held_out_speech: transcripts of the dev and test sets, in any spelling.

    Raises:
        DataError: the file is missing or not UTF-8.
    """
    known = set(_runs(held_out_speech))
    parts = Parts()
    for number, stretch in enumerate(_stretches(iter_lines(path))):
        place = number % HELD
        if place in (EVERY // 2, HELD // 2 + EVERY // 2):
            part = parts.dev if place == EVERY // 2 else parts.test
            part += _first(stretch, HELD_WORDS)
        elif number % EVERY == 0:
            if known and any(run in known for run in _runs(stretch)):
                parts.left_out += sum(map(_words, stretch))
            else:
                parts.train += map(repaired, stretch)
    return parts


def _stretches(lines: Iterable[str]) -> Iterator[list[str]]:
    stretch: list[str] = []
    words = 0
    for line in lines:
        stretch.append(line)
        words += _words(line)
        if words >= STRETCH:
            yield stretch
            stretch, words = [], 0
    if stretch:
        yield stretch


def _words(line: str) -> int:
    return line.count(" ") + 1


def _first(stretch: Sequence[str], words: int) -> list[str]:
    kept: list[str] = []
    for line in stretch:
        if words <= 0:
            break
        kept.append(repaired(line))
        words -= _words(line)
    return kept


def _runs(lines: Iterable[str]) -> Iterator[tuple[str, ...]]:
    for line in lines:
        for said in sentences(line):
            yield from runs_of(said.split())


def write_parts(folder: Path, sources: dict[str, Parts]) -> None:
    """Write train.txt and dev.txt of all sources, and a test file of each, ``test-NAME.txt``.

    Raises:
        DataError: a part is empty.
    """
    texts = {
        "train": list(chain.from_iterable(parts.train for parts in sources.values())),
        "dev": list(chain.from_iterable(parts.dev for parts in sources.values())),
    }
    texts |= {f"test-{name}": parts.test for name, parts in sources.items()}
    for name, paragraphs in texts.items():
        if not paragraphs:
            raise DataError(f"There is too little text for {name}.", "Give longer text.")
        atomic_write_text(folder / f"{name}.txt", "\n".join(paragraphs) + "\n")

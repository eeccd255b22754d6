"""Transcripts in memory, and reading the lines of their files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import DataError
from asr.lines import number_lines, read_text

__all__ = ["Collector", "TimedWord", "Transcripts", "Utterance", "decoded", "read_lines"]


@dataclass(frozen=True)
class Utterance:
    """One transcript; times, if known, are in seconds within ``recording``."""

    id: str
    text: str
    speaker: str | None = None
    recording: str | None = None
    channel: str | None = None
    start: float | None = None
    end: float | None = None
    audio: str | None = None


@dataclass(frozen=True)
class TimedWord:
    """One line of a CTM; times in seconds."""

    word: str
    start: float
    end: float
    line: int

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


@dataclass(frozen=True)
class Transcripts:
    """The utterances of one file, by id.

    Attributes:
        path: of the file.
        format: a key of `FORMATS`.
        utterances: id -> utterance, in the order of the file; if lines have no ids, the ids are the
            line numbers.
        words: CTM only: (recording, channel) -> words in order of time.
        ignored: STM only: segments marked IGNORE_TIME_SEGMENT_IN_SCORING.
    """

    path: Path
    format: str
    utterances: dict[str, Utterance]
    words: dict[tuple[str, str], list[TimedWord]] = field(default_factory=dict)
    ignored: tuple[Utterance, ...] = ()

    def __len__(self) -> int:
        return len(self.utterances)


def decoded(path: Path) -> str:
    """Return the text of a file; see :func:`asr.lines.read_text`."""
    return read_text(path, "transcripts")


def read_lines(path: Path, comment: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that are not blank; only a line feed ends a line."""
    return number_lines(decoded(path), comment)


class Collector:
    """Collects utterances; the same id twice is an error."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.utterances: dict[str, Utterance] = {}
        self._lines: dict[str, int] = {}

    def add(self, utterance: Utterance, line: int) -> None:
        if utterance.id in self.utterances:
            raise DataError(
                f"{self.path}, line {line}: the id {utterance.id!r} is already on line "
                f"{self._lines[utterance.id]}.",
                "Every utterance needs an id of its own.",
            )
        self.utterances[utterance.id] = utterance
        self._lines[utterance.id] = line

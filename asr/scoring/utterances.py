"""Transcripts in memory, and reading the lines of their files."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from asr.errors import DataError

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
    try:
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError(
            f"{path}, line {line}: byte 0x{error.object[error.start]:02x} is not UTF-8.",
            "Convert the file to UTF-8.",
        ) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path} is a damaged gzip file ({error}).", "Copy or create it again."
        ) from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}).") from None


def read_lines(path: Path, comment: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield number and text of the lines that are not blank; only a line feed ends a line."""
    for number, line in enumerate(decoded(path).split("\n"), 1):
        line = line.rstrip("\r")
        if line.strip() and not (comment and line.lstrip().startswith(comment)):
            yield number, line


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

"""RTTM, NIST's format of who speaks when: reading and writing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from asr.errors import DataError
from asr.lines import iter_lines

__all__ = ["SpeakerTurn", "read_rttm", "write_rttm"]

NEEDED = "SPEAKER RECORDING CHANNEL START DURATION <NA> <NA> NAME <NA> <NA>"
IGNORED = ("SPKR-INFO", "LEXEME", "NON-SPEECH", "NON-LEX", "NOSCORE", "SEGMENT", "A/P", "CB", "IP")


@dataclass(frozen=True)
class SpeakerTurn:
    """A stretch of speech of one speaker.

    Attributes:
        start: in seconds.
        end: in seconds.
        speaker: name.
    """

    start: float
    end: float
    speaker: str

    def later(self, seconds: float) -> SpeakerTurn:
        """Return the turn by a clock that began so many seconds earlier."""
        start, end = round(self.start + seconds, 3), round(self.end + seconds, 3)
        return SpeakerTurn(start, end, self.speaker)


def read_rttm(path: str | Path) -> dict[str, list[SpeakerTurn]]:
    """Return the turns of each recording, in order of time.

    Lines other than ``SPEAKER`` (Rich Transcription Evaluation 2009, appendix A) are left out.

    Raises:
        DataError: the file cannot be read, has no turns, or a line is not RTTM.
    """
    recordings: dict[str, list[SpeakerTurn]] = {}
    for number, line in enumerate(iter_lines(path, "an RTTM file"), 1):
        columns = line.split()
        if not columns or line.startswith(";") or columns[0] in IGNORED:
            continue
        if columns[0] != "SPEAKER" or len(columns) < 8:
            raise DataError(f"{path}, line {number}: needed {NEEDED}, found {line[:80]!r}.")
        start, duration = (_seconds(path, number, value) for value in columns[3:5])
        turn = SpeakerTurn(start, start + duration, columns[7])
        recordings.setdefault(columns[1], []).append(turn)
    if not recordings:
        raise DataError(f"{path} has no turns.", f"Needed are lines {NEEDED}.")
    for turns in recordings.values():
        turns.sort(key=lambda turn: (turn.start, turn.end))
    return recordings


def _seconds(path: str | Path, number: int, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 1e9:
        raise DataError(f"{path}, line {number}: needed a time in seconds, found {text!r}.")
    return value


def write_rttm(recordings: Mapping[str, Iterable[SpeakerTurn]]) -> str:
    """Return the turns of recordings as RTTM; spaces in names become underscores."""
    rows = []
    for name, turns in recordings.items():
        for turn in turns:
            times = f"{turn.start:.3f} {turn.end - turn.start:.3f}"
            speaker = "_".join(turn.speaker.split())
            label = "_".join(name.split())
            rows.append(f"SPEAKER {label} 1 {times} <NA> <NA> {speaker} <NA> <NA>\n")
    return "".join(rows)

"""Tables of recordings with their speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.errors import DataError
from asr.text.columns import COLUMNS, find_columns
from asr.text.tables import read_table

__all__ = ["SpokenFile", "read_recordings"]


@dataclass(frozen=True)
class SpokenFile:
    """A recording of one speaker.

    Attributes:
        path: of the recording.
        speaker: who speaks.
    """

    path: Path
    speaker: str


def read_recordings(tables: Sequence[str | Path]) -> list[SpokenFile]:
    """Return the recordings of tables such as ``audio<TAB>speaker``, in their order.

    Paths are relative to their table. Other columns are not looked at, and rows without a speaker
    are left out. A speaker's name counts within all tables together.

    Raises:
        DataError: a table is missing or lacks a column, or no row has a speaker.
    """
    recordings: list[SpokenFile] = []
    names = [name for kind in ("audio", "speaker") for name in COLUMNS[kind]]
    for path in map(Path, tables):
        table = read_table(path, names, "a table audio<TAB>speaker")
        columns = find_columns(table.columns)
        missing = [kind for kind in ("audio", "speaker") if kind not in columns]
        if missing:
            raise DataError(
                f"{path} has no column for the {missing[0]}; it has: {', '.join(table.columns)}.",
                "Name the columns in the first line: audio<TAB>speaker.",
            )
        for row in table.rows:
            speaker = str(row.values[columns["speaker"]]).strip()
            if speaker:
                audio = path.parent / str(row.values[columns["audio"]])
                recordings.append(SpokenFile(audio, speaker))
    if not recordings:
        raise DataError(
            f"No recording with a speaker in {', '.join(map(str, tables)) or 'no tables'}.",
            "Give tables audio<TAB>speaker.",
        )
    return recordings

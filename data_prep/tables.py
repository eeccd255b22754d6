"""Tables of audio and text: CSV, TSV or JSON lines, with columns recognised by their names."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from asr.errors import DataError
from asr.text.columns import COLUMNS, find_columns
from asr.text.tables import Row, Table
from asr.text.tables import read_table as read_rows
from data_prep.splits import split_by_share, split_name
from data_prep.store import Utterance

__all__ = ["read_audio_table", "read_table", "table_utterances"]

NEEDED = ("audio", "text")
KNOWN = [name for choices in COLUMNS.values() for name in choices]
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_CHANNELS = {"A": 0, "B": 1}  # as telephone corpora call them
MAX_MISMATCH_S = 0.01  # of end and duration, where a row gives both


def read_table(
    path: str | Path,
    dev_share: float = 0.1,
    test_share: float = 0.0,
    audio_dir: str | Path | None = None,
) -> dict[str, list[Utterance]]:
    """Return the utterances of a table by its column ``split``, or split by share.

    Args:
        path: CSV (separated by commas, semicolons, bars or tabs), TSV or JSON lines with a column
            of audio files and one of transcripts, and optional columns for speaker, id, start and
            end or duration in seconds, channel (from 0, or A and B) and split. Audio paths are
            relative to the table's folder.
        dev_share: see :func:`data_prep.splits.split_by_share`.
        test_share: see :func:`data_prep.splits.split_by_share`.
        audio_dir: folder of relative audio paths, instead of the table's.

    Raises:
        DataError: the table is missing, empty, not text, lacks a column, or has a line that cannot
            be read; see :func:`asr.text.tables.read_table`.
    """
    table = read_audio_table(path)
    columns = _find_columns(table)
    utterances = table_utterances(table, audio_dir)
    if "split" not in columns:
        return split_by_share(utterances, dev_share, test_share)
    splits: dict[str, list[Utterance]] = {}
    for row, utterance in zip(table.rows, utterances, strict=True):
        name = _cell(row, columns, "split") or "train"
        if name in (".", "..") or set(name) & set("/\\") or not name.isprintable():
            raise DataError(
                f"{table.where(row)} has a split called {name!r}, which cannot be a folder name.",
                "Call it train, dev, test.",
            )
        splits.setdefault(split_name(name) or name, []).append(utterance)
    return splits


def read_audio_table(path: str | Path) -> Table:
    """Return the rows of a table of audio.

    Raises:
        DataError: see :func:`asr.text.tables.read_table`; or there is no row.
    """
    table = read_rows(Path(path).absolute(), KNOWN, "a table of audio files and their texts")
    if not table.rows:
        raise DataError(
            f"{table.path} has no rows.",
            "Give a table with a line of column names and one line per utterance.",
        )
    return table


def table_utterances(table: Table, audio_dir: str | Path | None = None) -> list[Utterance]:
    """Return the utterances of a table's rows; see :func:`read_table`."""
    columns = _find_columns(table)
    folder = Path(audio_dir).absolute() if audio_dir else table.path.parent
    utterances, seen = [], set[str]()
    for number, row in enumerate(table.rows, 1):
        utterance = _utterance(row, columns, folder, table.where(row))
        if utterance.id in seen:  # several segments of one recording
            utterance = replace(utterance, id=_free(f"{utterance.id}-{number}", seen))
        seen.add(utterance.id)
        utterances.append(utterance)
    return utterances


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "+"
    return name


def _find_columns(table: Table) -> dict[str, str]:
    found = find_columns(table.columns)
    for key in NEEDED:
        if key not in found:
            raise DataError(
                f"{table.path} has no column of "
                f"{'audio files' if key == 'audio' else 'transcripts'}; "
                f"its columns are: {', '.join(map(repr, table.columns))}.",
                f"Call it {COLUMNS[key][0]!r} (or {', '.join(COLUMNS[key][1:5])}); the first line "
                "names the columns.",
            )
    return found


def _cell(row: Row, columns: Mapping[str, str], key: str) -> str:
    value = row.values.get(columns[key]) if key in columns else None
    return "" if value is None else str(value).strip()


def _utterance(row: Row, columns: Mapping[str, str], folder: Path, where: str) -> Utterance:
    for key in NEEDED:
        _refuse_no_text(row.values.get(columns[key]), columns[key], where)
    given = _cell(row, columns, "audio")
    if not Path(given).name:
        raise DataError(f"{where} names no audio file.", "Fill in the cell or delete the row.")
    start, duration = _span(row, columns, where)
    name = _cell(row, columns, "id") or Path(given).with_suffix("").as_posix().lstrip("./")
    return Utterance(
        "_".join(name.split()) or given,
        str(folder / _expanded(given)),
        _cell(row, columns, "text"),
        _cell(row, columns, "speaker"),
        start_s=start,
        duration_s=duration,
        channel=_channel(_cell(row, columns, "channel"), where),
    )


def _channel(given: str, where: str) -> int | None:
    """Return a channel's number; None, which is the mean of all, where none is given."""
    if not given:
        return None
    if given in _CHANNELS:
        return _CHANNELS[given]
    if not (given.isascii() and given.isdigit()):
        raise DataError(
            f"{where}: the channel {given[:40]!r} is not a number from 0.",
            "Correct it, or give the column another name if it holds something else.",
        )
    return int(given)


def _refuse_no_text(value: Any, column: str, where: str) -> None:
    if not (value is None or isinstance(value, str)):  # of JSON: a number, a list, an object
        raise DataError(
            f"{where}: {column!r} is {str(value)[:40]!r}, which is no text.",
            "Write it in quotation marks.",
        )


def _expanded(given: str) -> Path:
    try:
        return Path(given).expanduser()
    except RuntimeError:  # ~name of a user who is not there
        return Path(given)


def _span(row: Row, columns: Mapping[str, str], where: str) -> tuple[float, float | None]:
    """Return start and duration in seconds; without a start, the duration is that of the file."""
    start, end, duration = (
        _seconds(row.values.get(columns.get(key, "")), columns.get(key, key), where)
        for key in ("start", "end", "duration")
    )
    if start is None and end is None:
        return 0.0, None
    first = start or 0.0
    length = (
        duration if end is None or (start is not None and duration is not None) else end - first
    )
    both = None not in (start, end, duration)
    clash = both and abs(first + (duration or 0) - (end or 0)) > MAX_MISMATCH_S
    if first < 0 or clash or (length is not None and length <= 0):
        raise DataError(
            f"{where}: start {start}, end {end}, duration {duration} are not a time span.",
            "Correct the row.",
        )
    return first, length


def _seconds(value: Any, column: str, where: str) -> float | None:
    """Return a cell as seconds, None where it is empty."""
    text = "" if value is None else str(value).strip()
    if not text:
        return None
    seconds = float(text) if _NUMBER.fullmatch(text) else math.nan
    if isinstance(value, bool) or not math.isfinite(seconds):
        raise DataError(
            f"{where}: the {column} {text[:40]!r} is not a number of seconds.",
            "Write seconds with a decimal point, such as 12.5.",
        )
    return seconds

"""Tables of audio and text: CSV, TSV or JSON lines, with columns recognised by their names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from asr.errors import DataError
from data_prep.splits import split_by_share, split_name
from data_prep.store import Utterance

__all__ = ["read_rows", "read_table", "table_utterances"]

COLUMNS: dict[str, tuple[str, ...]] = {
    "audio": (
        "audio",
        "path",
        "audio_filepath",
        "audio_path",
        "audio_file",
        "file",
        "filename",
        "file_name",
        "filepath",
        "file_path",
        "wav",
        "wav_path",
        "wav_filename",
        "wav_file",
        "recording",
        "clip",
        "sound",
    ),
    "text": (
        "text",
        "sentence",
        "transcript",
        "transcription",
        "transcripts",
        "normalized_text",
        "raw_text",
        "words",
        "utterance",
        "label",
        "target",
    ),
    "speaker": (
        "speaker",
        "speaker_id",
        "client_id",
        "spk",
        "spk_id",
        "speaker_name",
        "reader",
        "reader_id",
    ),
    "id": ("id", "utt_id", "utterance_id", "utt", "uttid", "segment_id", "key"),
    "start": ("start", "start_s", "offset", "begin", "start_time"),
    "end": ("end", "end_s", "stop", "end_time"),
    "duration": ("duration", "duration_s", "dur", "length"),
    "split": ("split", "subset", "partition", "set"),
}
NEEDED = ("audio", "text")


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
            end or duration in seconds, and split. Audio paths are relative to the table's folder.
        dev_share: see :func:`data_prep.splits.split_by_share`.
        test_share: see :func:`data_prep.splits.split_by_share`.
        audio_dir: folder of relative audio paths, instead of the table's.

    Raises:
        DataError: the table is missing, empty, not text, lacks a column, or has a line that cannot
            be read.
    """
    path = Path(path).absolute()
    rows = read_rows(path)
    columns = _find_columns(path, rows)
    utterances = table_utterances(path, rows, audio_dir)
    if "split" not in columns:
        return split_by_share(utterances, dev_share, test_share)
    splits: dict[str, list[Utterance]] = {}
    for row, utterance in zip(rows, utterances, strict=True):
        name = str(row.get(columns["split"]) or "train").strip()
        if name in (".", "..") or set(name) & set("/\\"):
            raise DataError(
                f"{path} has a split called {name!r}, which cannot be a folder name.",
                "Call it train, dev, test.",
            )
        splits.setdefault(split_name(name) or name, []).append(utterance)
    return splits


def table_utterances(
    path: Path, rows: list[dict[str, Any]], audio_dir: str | Path | None = None
) -> list[Utterance]:
    """Return the utterances of a table's rows; see :func:`read_table`."""
    columns = _find_columns(path, rows)
    folder = Path(audio_dir).absolute() if audio_dir else path.parent
    utterances, seen = [], set[str]()
    for number, row in enumerate(rows, 1):
        utterance = _utterance(row, columns, folder, f"{path}, entry {number}")
        if utterance.id in seen:  # several segments of one recording
            utterance = Utterance(f"{utterance.id}-{number}", *_rest(utterance))
        seen.add(utterance.id)
        utterances.append(utterance)
    return utterances


def _rest(utterance: Utterance) -> tuple[str, str, str, float, float | None]:
    return (
        utterance.audio,
        utterance.text,
        utterance.speaker,
        utterance.start_s,
        utterance.duration_s,
    )


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a CSV, TSV or JSON-lines table as mappings from column to value.

    Raises:
        DataError: the table is missing, empty, not text, or has a line that cannot be read.
    """
    if not path.is_file():
        raise DataError(f"There is no table {path}.", "Check the path.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text ({error.reason}).", "Save the table as UTF-8."
        ) from error
    json_lines = path.suffix.lower() in {".jsonl", ".json"} or text.lstrip().startswith("{")
    rows = list(_json_rows(path, text) if json_lines else _csv_rows(path, text))
    if not rows:
        raise DataError(
            f"{path} has no rows.",
            "Give a table with a line of column names and one line per utterance.",
        )
    return rows


def _json_rows(path: Path, text: str) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number} is not JSON: {error.msg}.", "Write one object per line."
            ) from error
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, line {number} is not an object.",
                'Write {"audio": ..., "text": ...} on each line.',
            )
        yield row


def _csv_rows(path: Path, text: str) -> Iterator[dict[str, Any]]:
    first = text.partition("\n")[0]
    delimiter = max("\t,;|", key=first.count)
    plain = delimiter in "\t|"  # quotation marks are ordinary characters then (Common Voice)
    csv.field_size_limit(1 << 24)
    try:
        # csv finds the ends of rows; splitlines() would also split at Unicode separators.
        lines = io.StringIO(text, newline="")
        reader = csv.DictReader(
            lines, delimiter=delimiter, quoting=csv.QUOTE_NONE if plain else csv.QUOTE_MINIMAL
        )
        for row in reader:
            yield {str(name): value for name, value in row.items() if name is not None}
    except csv.Error as error:
        raise DataError(
            f"{path} is not a readable table: {error}.", "Save it as CSV in UTF-8."
        ) from error


def _find_columns(path: Path, rows: list[dict[str, Any]]) -> dict[str, str]:
    names = list(dict.fromkeys(name for row in rows[:100] for name in row))
    plain = {
        name.strip().lower().replace(" ", "_").replace("-", "_"): name for name in reversed(names)
    }
    found = {
        key: plain[c] for key, choices in COLUMNS.items() for c in reversed(choices) if c in plain
    }
    for key in NEEDED:
        if key not in found:
            raise DataError(
                f"{path} has no column of {'audio files' if key == 'audio' else 'transcripts'}; "
                f"its columns are: {', '.join(map(repr, names))}.",
                f"Call it {COLUMNS[key][0]!r} (or {', '.join(COLUMNS[key][1:5])}).",
            )
    return found


def _utterance(
    row: Mapping[str, Any], columns: Mapping[str, str], folder: Path, where: str
) -> Utterance:
    def value(key: str) -> str:
        cell = row.get(columns[key]) if key in columns else None
        return "" if cell is None else str(cell).strip()

    if not value("audio"):
        raise DataError(f"{where} names no audio file.", "Fill in the cell or delete the row.")
    audio = folder / Path(value("audio")).expanduser()
    start, end, duration = (
        _seconds(value(key), key, where) for key in ("start", "end", "duration")
    )
    if start is not None and duration is None and end is not None:
        duration = end - start
    # Without a start, the duration is that of the file.
    stretch = (start, duration) if start is not None else (0.0, None)
    if stretch[0] < 0 or (stretch[1] is not None and stretch[1] <= 0):
        raise DataError(
            f"{where}: start {start} and duration {duration} are not a time span.",
            "Correct the row.",
        )
    name = value("id") or Path(value("audio")).with_suffix("").as_posix().lstrip("./")
    return Utterance("_".join(name.split()), str(audio), value("text"), value("speaker"), *stretch)


def _seconds(value: str, key: str, where: str) -> float | None:
    if not value:
        return None
    try:
        return float(value)
    except ValueError:
        raise DataError(
            f"{where}: the {key} {value!r} is not a number of seconds.", "Correct the row."
        ) from None

"""Read transcripts in the usual file formats.

Every reader returns `Transcripts`: utterances by id, in the order of the file. What is ambiguous or
malformed is an error that names the file and the line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from asr.audio.shar import parse_address, recording_path
from asr.errors import DataError
from asr.files import MANIFEST
from asr.lines import parse_json
from asr.scoring.timed_transcripts import read_ctm, read_stm
from asr.scoring.utterances import Collector, TimedWord, Transcripts, Utterance, decoded, read_lines
from asr.text.columns import COLUMNS, canonical, find_column, find_columns
from asr.text.tables import split_rows

__all__ = ["FORMATS", "TimedWord", "Transcripts", "Utterance", "read_speakers", "read_transcripts"]

_TEXT_KEYS = {
    "reference": ("text", "reference", "ref", *COLUMNS["text"]),
    "hypothesis": ("pred_text", "hypothesis", "hyp", "prediction", *COLUMNS["text"]),
}
_ALONE = ("id", "utt_id", "utterance_id", "uttid")  # hardly the id of an utterance


def read_transcripts(
    path: str | Path, format: str | None = None, role: str = "reference"
) -> Transcripts:
    """Read references or hypotheses from a file, or from a folder of files.

    Args:
        path: a file; a folder with ``cuts.jsonl.gz`` or ``hypotheses.tsv``; or a folder of
            ``*.json`` or ``*.txt`` with one utterance each, as ``asr transcribe -o`` writes it
            (ids: the paths within the folder without suffix).
        format: a key of `FORMATS`; by default detected from the file name.
        role: ``reference`` or ``hypothesis``: which one to read of JSON lines that have both.

    Raises:
        DataError: the file is missing, not UTF-8 or gzip, of unknown format, or has a malformed
            line or the same id twice.
    """
    path = Path(path)
    if format is not None and format not in FORMATS:
        raise DataError(
            f"There is no transcript format named {format!r}.",
            f"Choose one of: {', '.join(FORMATS)}.",
        )
    if path.is_dir():
        return _read_folder(path, format, role)
    if not path.exists():
        raise DataError(f"There is no file {path}.", f"Give the path of the {role} transcripts.")
    name = format or _guess_format(path)
    return FORMATS[name](path, name, role)


def read_speakers(path: str | Path) -> dict[str, str]:
    """Read utterance id -> speaker from two columns, as in Kaldi's ``utt2spk``.

    Columns are separated by a tab or spaces.

    Raises:
        DataError: a line does not have two columns, or an id has two speakers.
    """
    path = Path(path)
    speakers: dict[str, str] = {}
    for number, line in read_lines(path):
        cells = line.split("\t") if "\t" in line else line.split()
        columns = [cell.strip() for cell in cells]
        if len(columns) != 2 or not all(columns):
            raise DataError(
                f"{path}, line {number}: needed an utterance id and a speaker, found {line[:80]!r}."
            )
        if speakers.setdefault(columns[0], columns[1]) != columns[1]:
            raise DataError(
                f"{path}, line {number}: {columns[0]!r} has two speakers.", "Remove one of them."
            )
    return speakers


def _guess_format(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    if name == "text" or name.endswith((".trans.txt", ".text")):
        return "kaldi"
    known = {
        ".txt": "txt",
        ".tsv": "tsv",
        ".csv": "csv",
        ".json": "json",
        ".jsonl": "jsonl",
        ".ctm": "ctm",
        ".stm": "stm",
    }
    suffix = Path(name).suffix
    if suffix not in known:
        raise DataError(
            f"The format of {path} cannot be detected from its name.",
            f"Give a format: {', '.join(FORMATS)}.",
        )
    return known[suffix]


# --------------------------------------------------------------------------------------------------
# lines


def _read_txt(path: Path, name: str, role: str) -> Transcripts:
    """Read one utterance per line, without ids; an empty line is an empty utterance."""
    lines = decoded(path).split("\n")
    if lines[-1].strip() == "":
        lines.pop()
    return Transcripts(
        path, name, {str(n): Utterance(str(n), line.strip()) for n, line in enumerate(lines, 1)}
    )


def _read_kaldi(path: Path, name: str, role: str) -> Transcripts:
    """Read lines of ``id text``; an id alone has an empty text."""
    utterances = Collector(path)
    for number, line in read_lines(path):
        utterance_id, _, text = line.strip().replace("\t", " ").partition(" ")
        utterances.add(Utterance(utterance_id, text.strip()), number)
    return Transcripts(path, name, utterances.utterances)


def _read_tsv(path: Path, name: str, role: str) -> Transcripts:
    """Read lines of ``id<TAB>text``, or columns named by a header; an id alone has an empty text.

    A CSV needs the header, which tells what separates; see :mod:`asr.text.tables`.
    """
    names = {"id": COLUMNS["id"], "audio": COLUMNS["audio"], "text": _TEXT_KEYS[role]}
    known = [column for choices in names.values() for column in choices]
    delimiter = "\t" if name == "tsv" else ""
    records = list(split_rows(path, decoded(path), known, delimiter))
    head = records[0][1] if records else []
    found = find_columns(head, names | {"speaker": COLUMNS["speaker"]})
    if "text" in found and found.keys() & {"id", "audio"} and len(head) > 1:
        return _with_header(path, name, found, records)
    if head and (name == "csv" or (canonical(head[0]) in _ALONE and len(records) > 1)):
        raise DataError(
            f"{path}, line {records[0][0]}: of the columns {', '.join(map(repr, head))}, none "
            "names the ids and the texts.",
            "Call them id and text; a TSV needs no line of names.",
        )
    utterances = Collector(path)
    for line, cells in records:
        if len(cells) > 2 or not cells[0]:
            raise _wrong_cells(path, line, cells, ["id", "text"])
        utterances.add(Utterance(cells[0], "".join(cells[1:])), line)
    return Transcripts(path, name, utterances.utterances)


def _with_header(
    path: Path, name: str, found: dict[str, str], records: list[tuple[int, list[str]]]
) -> Transcripts:
    columns, utterances = records[0][1], Collector(path)
    rows = []
    for line, cells in records[1:]:
        row = dict(zip(columns, cells, strict=False))
        if any(cells[len(columns) :]) or not row.get(found.get("id", found.get("audio", ""))):
            raise _wrong_cells(path, line, cells, columns)
        rows.append((line, row))
    ids = [row.get(found["id"], "") for _, row in rows] if "id" in found else None
    ids = ids or _stems([row[found["audio"]] for _, row in rows])
    for (line, row), utterance_id in zip(rows, ids, strict=True):
        text, speaker = row.get(found["text"], ""), row.get(found.get("speaker", ""))
        utterances.add(Utterance(utterance_id, text, speaker=speaker or None), line)
    return Transcripts(path, name, utterances.utterances)


def _wrong_cells(path: Path, line: int, cells: list[str], columns: list[str]) -> DataError:
    return DataError(
        f"{path}, line {line}: needed {'<TAB>'.join(columns)}, found {len(cells)} columns: "
        f"{'<TAB>'.join(cells)[:80]!r}.",
        "Separate id and text by one tab, and use no tabs inside the text.",
    )


def _stems(paths: Sequence[str]) -> list[str]:
    """Return the names of recordings without folder and suffix; with folder, if two are equal."""
    stems = [Path(path).stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    return [path.removesuffix(Path(path).suffix) for path in paths]


# --------------------------------------------------------------------------------------------------
# JSON


def _parse_json(path: Path, text: str, line: int) -> Any:
    try:
        return parse_json(text)
    except ValueError as error:
        reason, _, further = str(error).rpartition(", line ")
        if reason and further.isdecimal():
            line += int(further) - 1
        raise DataError(f"{path}, line {line}: this is not JSON ({reason or error}).") from None


def _read_jsonl(path: Path, name: str, role: str) -> Transcripts:
    """Read one object with an id and a text per line; also a Lhotse manifest."""
    entries = [
        (f"line {number}", number, _parse_json(path, line, number))
        for number, line in read_lines(path)
    ]
    return _from_objects(path, name, role, entries)


def _read_json(path: Path, name: str, role: str) -> Transcripts:
    """Read a list of objects, a map id -> text, or the output of ``asr transcribe -f json``."""
    content = _parse_json(path, decoded(path), 1)
    if not isinstance(content, dict):
        listed = content if isinstance(content, list) else [content]
    elif isinstance(content.get("text"), str) and not find_column(content, COLUMNS["id"]):
        listed = [{"id": path.name.removesuffix(".gz").removesuffix(".json"), **content}]
    elif "text" in content or "supervisions" in content:
        listed = [content]
    else:
        listed = [_keyed(key, value) for key, value in content.items()]
    entries = [(f"entry {place}", place, entry) for place, entry in enumerate(listed, 1)]
    return _from_objects(path, name, role, entries)


def _keyed(key: str, value: Any) -> Any:
    entry = {"text": value} if value is None or isinstance(value, str) else value
    return {"id": key, **entry} if isinstance(entry, dict) else entry


_Entries = list[tuple[str, int, Any]]  # place in the file in words, its number, what is there


def _from_objects(path: Path, name: str, role: str, entries: _Entries) -> Transcripts:
    """Return the utterances of objects, which all have their text under one key.

    So that the reference never stands in for a hypothesis that is missing.
    """
    for where, _, entry in entries:
        if not isinstance(entry, dict):
            raise DataError(
                f"{path}, {where}: needed an object with an id and a text, found "
                f"{str(entry)[:60]!r}."
            )
    keys = dict.fromkeys(key for _, _, entry in entries for key in entry)
    column = find_column(keys, _TEXT_KEYS[role])
    plain = [entry for _, _, entry in entries if "supervisions" not in entry]
    ids = iter(_ids_of(plain))
    utterances = Collector(path)
    for where, number, entry in entries:
        if "supervisions" in entry:
            utterances.add(_checked_cut(entry, path, number), number)
        else:
            place = f"{path}, {where}"
            utterances.add(_from_object(entry, place, role, column, next(ids)), number)
    return Transcripts(path, name, utterances.utterances)


def _ids_of(entries: list[dict[str, Any]]) -> list[Any]:
    """Return the id of each object, if need be the name of its recording; None: it has none."""
    given = [_value(entry, "id") for entry in entries]
    paths = [audio if isinstance(audio := _value(e, "audio"), str) else "" for e in entries]
    stems = _stems([path or str(n) for n, path in enumerate(paths)])
    named = zip(given, paths, stems, strict=True)
    return [(stem if path else None) if own is None else own for own, path, stem in named]


def _value(entry: dict[str, Any], kind: str) -> Any:
    usual = [key for key in entry if canonical(key) in COLUMNS[kind] and entry[key] is not None]
    column = find_column(usual, COLUMNS[kind])
    return None if column is None else entry[column]


def _from_object(
    entry: dict[str, Any], where: str, role: str, column: str | None, utterance_id: Any
) -> Utterance:
    named = type(utterance_id) is int or (isinstance(utterance_id, str) and utterance_id != "")
    text = None if column is None else entry.get(column)
    if not named or not isinstance(text, str):
        needed = f"a text ({column or ', '.join(_TEXT_KEYS[role][:4])})" if named else "an id"
        found = f"{column}: {text!r}" if named and column in entry else f"the keys {_listed(entry)}"
        raise DataError(
            f"{where}: needed {needed}, found {found}.",
            'Give the empty text "" where nothing is said or was recognised.' if named else None,
        )
    speaker, audio = _value(entry, "speaker"), _value(entry, "audio")
    return Utterance(
        str(utterance_id),
        text,
        None if speaker is None else str(speaker),
        audio=audio if isinstance(audio, str) else None,
    )


def _listed(entry: dict[str, Any]) -> str:
    return ", ".join(entry) or "none"


def _checked_cut(entry: dict[str, Any], path: Path, number: int) -> Utterance:
    try:
        return _from_cut(entry, path)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        needed = "a cut needs an id, a start and supervisions with a text"
        raise DataError(f"{path}, line {number}: {needed}.", "Create the manifest again.") from None


def _from_cut(cut: dict[str, Any], path: Path) -> Utterance:
    """Return the utterance of a Lhotse cut: the texts of its supervisions in order of time."""
    supervisions = sorted(cut["supervisions"] or [], key=lambda s: float(s.get("start", 0.0)))
    speakers = {str(s["speaker"]) for s in supervisions if s.get("speaker") is not None}
    recording = cut.get("recording") or {}
    sources = [_sound(source, path) for source in recording.get("sources", [])]
    start = float(cut.get("start", 0.0))
    return Utterance(
        str(cut["id"]),
        " ".join(s.get("text", "") for s in supervisions),
        speakers.pop() if len(speakers) == 1 else None,
        recording=recording.get("id"),
        start=start,
        end=start + float(cut["duration"]) if "duration" in cut else None,
        audio=next(filter(None, sources), None),
    )


def _sound(source: dict[str, Any], manifest: Path) -> str | None:
    """Return the path, or the address in a shard, of a source of a Lhotse recording."""
    if source.get("type") == "command":
        address = recording_path(source["source"])
        return address if parse_address(address) else None
    return _resolved(source["source"], manifest) if source.get("type") == "file" else None


def _resolved(source: str, manifest: Path) -> str:
    beside = manifest.parent / source
    return str(beside) if not Path(source).exists() and beside.exists() else source


# --------------------------------------------------------------------------------------------------
# folders


def _read_folder(path: Path, format: str | None, role: str) -> Transcripts:
    for name in (
        ("hypotheses.tsv",) if role == "hypothesis" else (MANIFEST, "cuts.jsonl", "references.tsv")
    ):
        if (path / name).exists() and format is None:
            return read_transcripts(path / name, None, role)
    suffix = (
        ".json" if format == "json" or (format is None and any(path.rglob("*.json"))) else ".txt"
    )
    files = sorted(path.rglob(f"*{suffix}"))
    if not files or format not in (None, "json", "txt"):
        raise DataError(
            f"The folder {path} holds no transcripts (*.json, *.txt, hypotheses.tsv, "
            "cuts.jsonl.gz)."
        )
    utterances = Collector(path)
    for number, file in enumerate(files, 1):
        utterance_id = file.relative_to(path).as_posix().removesuffix(suffix)
        text = " ".join(decoded(file).split()) if suffix == ".txt" else _json_text(file)
        utterances.add(Utterance(utterance_id, text), number)
    return Transcripts(path, "folder", utterances.utterances)


def _json_text(path: Path) -> str:
    content = _parse_json(path, decoded(path), 1)
    if not isinstance(content, dict) or not isinstance(content.get("text"), str):
        raise DataError(
            f"{path}: needed an object with a text.",
            "Write it with: asr transcribe -f json -o DIR.",
        )
    return str(content["text"])


FORMATS: dict[str, Callable[[Path, str, str], Transcripts]] = {
    "txt": _read_txt,
    "tsv": _read_tsv,
    "csv": _read_tsv,
    "kaldi": _read_kaldi,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "ctm": read_ctm,
    "stm": read_stm,
}

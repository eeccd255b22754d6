"""Read transcripts in the usual file formats.

Every reader returns `Transcripts`: utterances by id, in the order of the file. What is ambiguous or
malformed is an error that names the file and the line.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asr.audio.shar import parse_address, recording_path
from asr.errors import DataError
from asr.files import MANIFEST
from asr.scoring.timed_transcripts import read_ctm, read_stm
from asr.scoring.utterances import Collector, TimedWord, Transcripts, Utterance, decoded, read_lines

__all__ = ["FORMATS", "TimedWord", "Transcripts", "Utterance", "read_speakers", "read_transcripts"]

_TEXT_KEYS = {
    "reference": ("text", "reference", "transcript", "sentence"),
    "hypothesis": ("pred_text", "hypothesis", "text", "transcript"),
}
_ID_KEYS = ("id", "utt_id", "utterance_id", "key", "name")
_AUDIO_KEYS = ("audio_filepath", "audio", "path", "file", "wav")
_TSV_HEADER = {"id", "utt_id", "name"}


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
        columns = line.split("\t") if "\t" in line else line.split()
        if len(columns) != 2:
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
    """Read lines of ``id<TAB>text``, or columns named by a header with ``id`` and ``text``."""
    utterances, columns = Collector(path), ["id", "text"]
    for place, (number, line) in enumerate(read_lines(path)):
        fields = line.split("\t")
        if (
            place == 0
            and fields[0].lower() in _TSV_HEADER
            and {"text", "sentence"} & {f.lower() for f in fields}
        ):
            columns = [
                "id" if f.lower() in _TSV_HEADER else "text" if f == "sentence" else f.lower()
                for f in fields
            ]
            continue
        if len(fields) > len(columns) or not fields[0].strip():
            raise DataError(
                f"{path}, line {number}: needed {'<TAB>'.join(columns)}, found {len(fields)} "
                f"columns: {line[:80]!r}.",
                "Separate id and text by one tab, and use no tabs inside the text.",
            )
        row = dict(zip(columns, (f.strip() for f in fields), strict=False))
        utterances.add(
            Utterance(row["id"], row.get("text", ""), speaker=row.get("speaker") or None), number
        )
    return Transcripts(path, name, utterances.utterances)


# --------------------------------------------------------------------------------------------------
# JSON


def _parse_json(path: Path, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {line + error.lineno - 1}: this is not JSON ({error.msg})."
        ) from None


def _read_jsonl(path: Path, name: str, role: str) -> Transcripts:
    """Read one object with an id and a text per line; also a Lhotse manifest."""
    utterances = Collector(path)
    for number, line in read_lines(path):
        utterances.add(_from_object(_parse_json(path, line, number), path, number, role), number)
    return Transcripts(path, name, utterances.utterances)


def _read_json(path: Path, name: str, role: str) -> Transcripts:
    """Read a list of objects, a map id -> text, or the output of ``asr transcribe -f json``."""
    content = _parse_json(path, decoded(path), 1)
    utterances = Collector(path)
    if (
        isinstance(content, dict)
        and isinstance(content.get("text"), str)
        and not _first(content, _ID_KEYS)
    ):
        utterances.add(
            Utterance(path.name.removesuffix(".gz").removesuffix(".json"), content["text"]), 1
        )
    elif isinstance(content, dict) and "text" not in content:
        for key, value in content.items():
            entry = {"text": value} if isinstance(value, str) else value
            utterances.add(
                _from_object(
                    {"id": key, **entry} if isinstance(entry, dict) else entry, path, 1, role
                ),
                1,
            )
    else:
        for place, entry in enumerate(content if isinstance(content, list) else [content], 1):
            utterances.add(_from_object(entry, path, place, role, what="entry"), place)
    return Transcripts(path, name, utterances.utterances)


def _first(entry: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def _from_object(entry: Any, path: Path, number: int, role: str, what: str = "line") -> Utterance:
    if not isinstance(entry, dict):
        raise DataError(
            f"{path}, {what} {number}: needed an object with an id and a text, found "
            f"{str(entry)[:60]!r}."
        )
    if "supervisions" in entry:
        try:
            return _from_cut(entry, path)
        except (AttributeError, KeyError, TypeError, ValueError):
            needed = "a cut needs an id, a start and supervisions with a text"
            raise DataError(
                f"{path}, line {number}: {needed}.", "Create the manifest again."
            ) from None
    audio, text = _first(entry, _AUDIO_KEYS), _first(entry, _TEXT_KEYS[role])
    utterance_id = _first(entry, _ID_KEYS)
    if utterance_id is None and isinstance(audio, str):
        utterance_id = Path(audio).stem
    if utterance_id is None or not isinstance(text, str):
        needed = "an id" if utterance_id is None else f"a text ({', '.join(_TEXT_KEYS[role])})"
        raise DataError(
            f"{path}, {what} {number}: needed {needed}, found the keys "
            f"{', '.join(entry) or 'none'}."
        )
    speaker = entry.get("speaker")
    return Utterance(
        str(utterance_id),
        text,
        None if speaker is None else str(speaker),
        audio=audio if isinstance(audio, str) else None,
    )


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
    "kaldi": _read_kaldi,
    "json": _read_json,
    "jsonl": _read_jsonl,
    "ctm": read_ctm,
    "stm": read_stm,
}

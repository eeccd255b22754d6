"""Labelled texts and tagged sentences from files: CSV, TSV, JSON lines, and CoNLL columns."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import DataError

__all__ = [
    "LabelledTexts",
    "TaggedSentences",
    "iob1_to_bio",
    "read_json_lines",
    "read_labelled",
    "read_tagged",
]


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and, where the file has them, their labels."""

    texts: list[str]
    labels: list[str] | None


@dataclass(frozen=True)
class TaggedSentences:
    """Words of each sentence, a tag for each word, and, where the file has them, a label for each
    sentence.
    """

    sentences: list[list[str]]
    tags: list[list[str]] | None
    labels: list[str] | None


def read_json_lines(path: str | Path) -> Iterator[tuple[int, Any]]:
    """Yield the line number, counted from 1, and the content of each line that is not blank.

    Raises:
        DataError: the file is missing or not UTF-8, or a line is not JSON.
    """
    path = _existing(path)
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, json.loads(line)
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8.", "Convert the file to UTF-8.") from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {number}: not JSON ({error.msg}).", "Write one JSON object a line."
        ) from None


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if not path.is_file():
        raise DataError(
            f"There is no file {path}.", "Give the path of a .csv, .tsv, .jsonl or .conll file."
        )
    return path


def read_labelled(path: str | Path, text: str = "text", label: str = "label") -> LabelledTexts:
    """Return the texts and labels of a .csv or .tsv file with a header, or of a .jsonl file.

    Args:
        path: the file.
        text: names of the columns or keys; all rows have a label or none has.
        label: names of the columns or keys; all rows have a label or none has.

    Raises:
        DataError: the file is missing, empty or malformed, or a row lacks its text or label; the
        line is named.
    """
    rows = list(_rows(_existing(path)))
    if not rows:
        raise DataError(f"{path} holds no texts.", "Give at least one row.")
    for number, row in rows:
        if not isinstance(row, dict) or not isinstance(row.get(text), str):
            raise DataError(
                f"{path}, line {number}: no text under {text!r}.", f"Name the column {text}."
            )
    return LabelledTexts([row[text] for _, row in rows], _labels(path, rows, label))


def _labels(
    path: str | Path, rows: Sequence[tuple[int, dict[str, Any]]], label: str
) -> list[str] | None:
    if all(row.get(label) is None for _, row in rows):
        return None
    for number, row in rows:
        if row.get(label) in (None, ""):
            raise DataError(
                f"{path}, line {number}: no label under {label!r}.", "Label every row or none."
            )
    return [str(row[label]) for _, row in rows]


def _rows(path: Path) -> Iterator[tuple[int, Any]]:
    if path.suffix not in (".csv", ".tsv"):
        yield from read_json_lines(path)
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(
                file, delimiter="\t" if path.suffix == ".tsv" else ",", strict=True
            )
            for row in reader:
                yield reader.line_num, row
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is not a readable table: {error}.", "Write UTF-8 with a header line."
        ) from None


def read_tagged(path: str | Path) -> TaggedSentences:
    """Return the sentences of a .jsonl file (``tokens``, ``tags``, perhaps ``label``) or of CoNLL
    columns.

    CoNLL columns: a word and, last, its tag a line, sentences parted by blank lines.

    Raises:
        DataError: the file is missing, empty or malformed, or words and tags differ in number; the
        line is named.
    """
    path = _existing(path)
    data = _tagged_json(path) if path.suffix in (".jsonl", ".json") else _tagged_columns(path)
    if not data.sentences:
        raise DataError(f"{path} holds no sentences.", "Give at least one.")
    return data


def _tagged_json(path: Path) -> TaggedSentences:
    rows = list(read_json_lines(path))
    for number, row in rows:
        fields: dict[str, Any] = row if isinstance(row, dict) else {}
        tokens: Any = fields.get("tokens")
        tags: Any = fields.get("tags")
        if not _is_words(tokens) or not (tags is None or _is_words(tags)):
            raise DataError(f"{path}, line {number}: needed lists of texts under tokens and tags.")
        if tags is not None and len(tags) != len(tokens):
            raise DataError(
                f"{path}, line {number}: {len(tokens)} tokens and {len(tags)} tags.",
                "Give one tag each.",
            )
    has_tags = any(row.get("tags") is not None for _, row in rows)
    lacking = next((number for number, row in rows if has_tags and row.get("tags") is None), None)
    if lacking is not None:
        raise DataError(f"{path}, line {lacking}: no tags.", "Tag every sentence or none.")
    tags = [row["tags"] for _, row in rows] if has_tags else None
    return TaggedSentences(
        [row["tokens"] for _, row in rows], tags, _labels(path, rows, "label") if rows else None
    )


def _is_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _tagged_columns(path: Path) -> TaggedSentences:
    sentences: list[list[str]] = [[]]
    tags: list[list[str]] = [[]]
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8.", "Convert the file to UTF-8.") from None
    for number, line in enumerate(lines, 1):
        columns = line.split()
        if not columns:
            if sentences[-1]:
                sentences.append([])
                tags.append([])
        elif columns[0] != "-DOCSTART-":
            if len(columns) < 2:
                raise DataError(
                    f"{path}, line {number}: needed a word and its tag, found {line[:60]!r}."
                )
            sentences[-1].append(columns[0])
            tags[-1].append(columns[-1])
    return TaggedSentences([s for s in sentences if s], [t for t in tags if t], None)


def iob1_to_bio(tags: Sequence[str]) -> list[str]:
    """Return tags with ``B-`` at the beginning of every entity, as BIO needs it; legal BIO is
    returned as it is.

    Example:
        >>> iob1_to_bio(["I-x", "I-x", "O", "I-y"])
        ['B-x', 'I-x', 'O', 'B-y']
    """
    out = []
    for before, tag in zip(["O", *tags], tags, strict=False):
        begins = tag.startswith("I-") and before[2:] != tag[2:]
        out.append(f"B-{tag[2:]}" if begins else tag)
    return out

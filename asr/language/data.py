"""Rows of tables and JSON lines, for tasks on text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from asr.errors import DataError
from asr.lines import read_json_lines
from asr.text.columns import canonical, find_column
from asr.text.tables import read_table

__all__ = ["NEEDED", "is_words", "labels_of", "read_rows", "require_texts"]

Numbered = tuple[int, Any]
"""A line number, counted from 1, and the row in that line."""

NEEDED = "the path of a .csv, .tsv, .jsonl or .conll file"


def read_rows(path: str | Path, names: Sequence[str] = ()) -> Iterator[Numbered]:
    """Yield the rows of a .csv or .tsv file with a header, or of a file of JSON lines.

    Args:
        path: the file.
        names: columns that the caller looks for; a table may write them in other letter case.

    Raises:
        DataError: the file is missing or malformed; see :func:`asr.text.tables.read_table`.
    """
    path = Path(path)
    if path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
        table = read_table(path, names, NEEDED)
        meant = {find_column(table.columns, [canonical(name)]): name for name in names}
        for row in table.rows:
            yield row.line, {meant.get(name, name): cell for name, cell in row.values.items()}
    else:
        yield from read_json_lines(path, NEEDED)


def labels_of(path: str | Path, rows: Iterable[Numbered], label: str) -> list[str] | None:
    """Return the labels of rows under the key ``label``, or None where no row has one.

    Raises:
        DataError: some rows have a label and others do not; the first that lacks it is named.
    """
    rows = list(rows)
    if all(row.get(label) is None for _, row in rows):
        return None
    for number, row in rows:
        if row.get(label) in (None, ""):
            raise DataError(
                f"{path}, line {number}: no label under {label!r}.", "Label every row or none."
            )
    return [_label(row[label], f"{path}, line {number}") for number, row in rows]


def _label(value: Any, where: str) -> str:
    """Return a label as text, spelled as in the file: true stays true."""
    if isinstance(value, str):
        return value
    if not isinstance(value, (bool, int, float)):
        raise DataError(f"{where}: the label {value!r} is no text.", "Give one text a label.")
    return json.dumps(value)


def is_words(value: Any) -> TypeGuard[list[str]]:
    """Return whether a value from JSON is a list of texts."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def require_texts(texts: Any, name: str = "texts") -> list[str]:
    """Return a list of texts that a caller gave.

    Args:
        texts: any iterable of str, but not a str.
        name: of the argument, for errors.

    Raises:
        DataError: it is something else, or one of its items is no text.
    """
    if isinstance(texts, (str, bytes)):
        raise DataError(
            f"{name} is one text, {texts[:40]!r}; a list of texts is needed.",
            "Put it in a list: [text].",
        )
    try:
        given = list(texts)
    except TypeError:
        raise DataError(
            f"{name} is {type(texts).__name__}; a list of texts is needed.", "Give a list."
        ) from None
    for number, text in enumerate(given):
        if not isinstance(text, str):
            raise DataError(
                f"{name}[{number}] is {text!r}, which is not a text.", "Give texts only."
            )
    return [str(text) for text in given]

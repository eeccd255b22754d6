"""Texts that ``asr predict`` and ``POST /v1/predict`` read, and the JSON lines that they write."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr.errors import DataError
from asr.files import atomic_write_text
from asr.language.data import is_words
from asr.lines import decode, iter_lines, read_json_lines
from asr.text.columns import canonical, find_column
from asr.text.tables import read_table

__all__ = ["Rows", "TextInputs", "text_of", "tokens_of"]

Rows = list[dict[str, Any]]
NEEDED = "a text file, a table or a .jsonl file, or - for stdin"
TEXT_COLUMNS = ("text", "sentence", "message", "utterance", "query", "question")


class TextInputs:
    """Rows of texts: see :class:`asr.catalogue.Inputs`.

    Each row holds ``text``, or a list of words under ``tokens``; other keys are kept.
    """

    keys = ("texts",)

    def read_file(self, model: object, file: Path, future: Path | None = None) -> Rows:
        """Return the rows of a file: a text a line, .jsonl, or a table with a header.

        ``-`` is standard input. The texts of a .csv or .tsv are in the column that the model was
        trained on, or in one with a usual name such as ``text``; its other columns are kept.

        Raises:
            DataError: the file is missing or malformed; the line is named.
        """
        if str(file) == "-":
            text = decode(sys.stdin.buffer.read(), "standard input").removesuffix("\n")
            return [{"text": line.removesuffix("\r")} for line in text.split("\n") if text]
        if file.suffix in (".jsonl", ".json"):
            numbered = read_json_lines(file, NEEDED)
            return [_checked(row, f"{file}, line {number}") for number, row in numbered]
        if file.name.lower().removesuffix(".gz").endswith((".csv", ".tsv")):
            return _table_rows(file, _trained_column(model))
        return [{"text": line} for line in iter_lines(file, NEEDED)]

    def read_json(self, model: object, request: Mapping[str, Any]) -> Rows:
        """Return the rows of the request's ``texts``."""
        return [{"text": text} for text in request["texts"]]

    def write_file(self, rows: Rows, predictions: Rows, output_dir: Path | None) -> str:
        """Return a JSON line a row with its prediction, or write them to ``predictions.jsonl``."""
        lines = [
            json.dumps({**row, **prediction}, ensure_ascii=False) + "\n"
            for row, prediction in zip(rows, predictions, strict=True)
        ]
        if output_dir is None:
            return "".join(lines)
        path = output_dir / "predictions.jsonl"
        atomic_write_text(path, "".join(lines))
        return f"{path}\n"

    def write_json(self, predictions: Rows) -> Rows:
        """Return the predictions, which are JSON objects already."""
        return predictions


def _trained_column(model: object) -> str:
    """Return the column of texts that a model was trained on; empty where nothing tells."""
    data = getattr(getattr(model, "config_", None), "data", None)
    return str(getattr(data, "text", ""))


def _table_rows(file: Path, trained: str) -> Rows:
    """Return the rows of a table, the column of its texts called ``text``."""
    choices = [*([canonical(trained)] if trained else []), *TEXT_COLUMNS]
    table = read_table(file, choices, NEEDED)
    column = find_column(table.columns, choices)
    if column is None:
        raise DataError(
            f"{file} has no column of texts: its columns are {', '.join(table.columns)}.",
            f"Call the column {trained or 'text'}; a file without a header ends with .txt.",
        )
    return [
        {"text": row.values[column], **{k: v for k, v in row.values.items() if k != column}}
        for row in table.rows
    ]


def _checked(row: Any, where: str) -> dict[str, Any]:
    if isinstance(row, str):
        return {"text": row}
    fields: dict[str, Any] = row if isinstance(row, dict) else {}
    if not is_words(fields.get("tokens")) and not isinstance(fields.get("text"), str):
        raise DataError(f"{where}: no text under 'text', and no list of texts under 'tokens'.")
    return fields


def text_of(row: Mapping[str, Any]) -> str:
    """Return the text of a row, if need be that of its tokens."""
    text = row.get("text")
    return text if isinstance(text, str) else " ".join(row["tokens"])


def tokens_of(row: Mapping[str, Any]) -> list[str]:
    """Return the tokens of a row, if need be its text split at white space."""
    tokens = row.get("tokens")
    return tokens if is_words(tokens) else text_of(row).split()

"""The one reader of tables: CSV, TSV and JSON lines as rows of texts, with their line numbers.

Cells stay as they are written, without the white space around them: what a value means is for the
caller to say. Whatever could be read in two ways is an error that names the line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.errors import DataError
from asr.lines import number_lines, read_json_lines, read_text
from asr.text.columns import canonical

__all__ = ["JSON_SUFFIXES", "Row", "Table", "read_table", "split_rows"]

JSON_SUFFIXES = (".jsonl", ".json", ".ndjson")
DELIMITERS = "\t,;|"
_SEP = re.compile(r'"?sep=(.)"?\r?\n', re.IGNORECASE)  # first line of Excel's own CSV files
_NAMES = {"\t": "a tab", ",": "a comma", ";": "a semicolon", "|": "a bar"}
_OPENED_TWICE = "a quotation mark is closed within a cell"


@dataclass(frozen=True)
class Row:
    """One row of a table.

    Attributes:
        line: where it begins in the file, from 1.
        values: column -> cell; of JSON lines whatever the object holds.
    """

    line: int
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table that was read whole.

    Attributes:
        path: of the file.
        columns: their names, in order.
        rows: in order.
    """

    path: Path
    columns: tuple[str, ...]
    rows: list[Row]

    def where(self, row: Row) -> str:
        """Return the place of a row, for messages."""
        return f"{self.path}, line {row.line}"


def read_table(
    path: str | Path, names: Iterable[str] = (), needed: str = "a table", delimiter: str = ""
) -> Table:
    """Return the rows of a table whose first line names its columns, or of JSON lines.

    Commas and semicolons separate cells as RFC 4180 says: a cell that holds the separator, a
    quotation mark or a line break stands in quotation marks. Where tabs or bars separate,
    quotation marks are ordinary characters, unless the first line's names stand in them.

    Args:
        path: .csv, .tsv, .jsonl, plain or gzipped.
        names: columns that the caller knows; they decide between separators.
        needed: what kind of file the caller needs, for the error's remedy.
        delimiter: what separates cells; by default a tab, comma, semicolon or bar, told by the
            first line.

    Raises:
        DataError: the file is missing, not UTF-8, or names a column twice; a row has more or fewer
            cells than there are columns; a quotation mark is never closed. The line is named.
    """
    path = Path(path)
    if path.name.lower().removesuffix(".gz").endswith(JSON_SUFFIXES):
        return _json_table(path, needed)
    text = read_text(path, needed)
    if text.lstrip().startswith("{") and not delimiter:
        return _json_table(path, needed)
    records = split_rows(path, text, names, delimiter)
    head_line, head = next(records, (0, []))
    columns = _checked_names(path, head_line, head)
    rows = [
        Row(line, dict(zip(columns, _fitted(path, line, cells, columns), strict=True)))
        for line, cells in records
    ]
    return Table(path, tuple(name for name in columns if name), rows)


def _json_table(path: Path, needed: str) -> Table:
    rows = []
    for line, content in read_json_lines(path, needed):
        if not isinstance(content, dict):
            raise DataError(
                f"{path}, line {line} is not an object.", "Write one JSON object on each line."
            )
        rows.append(Row(line, content))
    return Table(path, tuple(dict.fromkeys(name for row in rows for name in row.values)), rows)


def _checked_names(path: Path, line: int, head: Sequence[str]) -> list[str]:
    names = list(head)
    while names and not names[-1]:  # of separators at the end of the line
        names.pop()
    for place, name in enumerate(names):
        if name and name in names[:place]:
            raise DataError(
                f"{path}, line {line} names the column {name!r} twice.", "Rename one of them."
            )
    return names


def _fitted(path: Path, line: int, cells: list[str], columns: Sequence[str]) -> list[str]:
    """Return as many cells as there are columns; only empty ones may be left off or over."""
    extra = cells[len(columns) :]
    unnamed = [cell for name, cell in zip(columns[1:], cells[1:], strict=False) if not name]
    if len(cells) < len(columns) or any(extra) or any(unnamed):
        shown = ", ".join(map(repr, columns))
        raise DataError(
            f"{path}, line {line}: {len(cells)} cells, but {len(columns)} columns ({shown}): "
            f"{' | '.join(cells)[:80]!r}.",
            "Put a cell that holds the separator into quotation marks, or separate by tabs.",
        )
    return cells[: len(columns)]


def split_rows(
    path: Path, text: str, names: Iterable[str] = (), delimiter: str = ""
) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row that is not blank; see :func:`read_table`.

    Raises:
        DataError: a quotation mark is never closed, or closed within a cell.
    """
    if "\n" not in text:  # line ends of an old Macintosh
        text = text.replace("\r", "\n")
    skipped = 0
    if match := _SEP.match(text):
        delimiter, skipped, text = delimiter or match[1], 1, text[match.end() :]
    head = next((line for _, line in number_lines(text)), "")
    delimiter = delimiter or _delimiter(head, set(map(canonical, names)))
    quoted = delimiter not in "\t|" or head.startswith('"')
    rows = _quoted_rows(path, text, delimiter, skipped) if quoted else _plain_rows(text, delimiter)
    for line, cells in rows:
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield line + skipped, cells


def _delimiter(head: str, names: set[str]) -> str:
    """Return the separator by which most names are known; of equal ones the most frequent."""

    def known(delimiter: str) -> int:
        cells = head.split(delimiter)
        return sum(canonical(cell.strip(' "')) in names for cell in cells)

    return max(DELIMITERS, key=lambda d: (d in head and known(d), head.count(d)))


def _plain_rows(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    for line, content in number_lines(text):
        yield line, [_unquoted(cell) for cell in content.split(delimiter)]


def _unquoted(cell: str) -> str:
    """Return a cell without the quotation marks of a program that writes them by RFC 4180.

    Such a program quotes a cell that holds quotation marks, and doubles these.
    """
    if '""' not in cell or not (len(cell) > 3 and cell[0] == cell[-1] == '"'):
        return cell
    inner = cell[1:-1].replace('""', "\0")
    return cell if '"' in inner else inner.replace("\0", '"')


def _quoted_rows(
    path: Path, text: str, delimiter: str, skipped: int
) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(1 << 30)
    # csv finds the ends of rows; splitlines() would also split at Unicode separators
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True, skipinitialspace=True
    )
    shapes: set[str] = set()
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _misquoted(path, line + skipped, str(error)) from None
        if cells is None:
            return
        if reader.line_num > line and _swallows(cells, shapes, delimiter):
            raise _misquoted(path, line + skipped, "a row begins inside quotation marks")
        shapes |= {_shape(cells[0])} if cells and line > 1 else set()
        yield line, cells


def _misquoted(path: Path, line: int, reason: str) -> DataError:
    reasons = {
        "unexpected end of data": "a quotation mark is never closed",
        "field larger than field limit (1073741824)": "a cell is larger than 1 GB",
    }
    reason = _OPENED_TWICE if "expected after" in reason else reasons.get(reason, reason)
    return DataError(
        f"{path}, from line {line} on: {reason}.",
        'Write a quotation mark within a quoted cell twice: "he said ""no""".',
    )


def _swallows(cells: Sequence[str], shapes: set[str], delimiter: str) -> bool:
    """Whether a cell of several lines holds a line that begins as other rows begin.

    A quotation mark that opens one transcript and another that closes the next one would
    otherwise make one row of two.
    """
    starts = [line for cell in cells for line in cell.split("\n")[1:] if delimiter in line]
    return any(_shape(line.partition(delimiter)[0]) in shapes for line in starts)


def _shape(cell: str) -> str:
    """Return the form of an id or a path: letters as a, digits as 0; empty if it tells nothing."""
    form = re.sub(r"\d+", "0", re.sub(r"[^\W\d_]+", "a", cell.strip()))
    return form if form not in ("", "a") and not re.search(r"\s", form) else " "

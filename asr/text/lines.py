"""Read text files with one record per line: UTF-8, plain or gzipped, and JSON lines."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from asr.errors import DataError

__all__ = ["iter_lines", "read_json_lines"]


def iter_lines(path: str | Path, needed: str = "a text file") -> Iterator[str]:
    """Yield the lines of a UTF-8 file without their line ends.

    Only "\\n" and "\\r\\n" end a line: Unicode's other separators may occur inside a sentence. A
    byte order mark is dropped.

    Args:
        path: the file; .gz is decompressed.
        needed: what kind of file the caller needs, for the error's remedy.

    Raises:
        DataError: the file is missing, damaged or not UTF-8.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file {path}.", f"Give {needed}.")
    try:
        with _open(path) as file:
            for line in file:
                yield line.rstrip("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8.", "Convert the file to UTF-8.") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is not a whole gzip file: {error}.", "Copy it again.") from None


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="\n")
    return path.open(encoding="utf-8-sig", newline="\n")


def read_json_lines(path: str | Path, needed: str = "a .jsonl file") -> Iterator[tuple[int, Any]]:
    """Yield the line number, from 1, and the parsed JSON of each line that is not blank.

    Raises:
        DataError: see :func:`iter_lines`; or a line is not JSON.
    """
    for number, line in enumerate(iter_lines(path, needed), 1):
        if not line.strip():
            continue
        try:
            content = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{path}, line {number}: not JSON ({error.msg}).", "Write one JSON object a line."
            ) from None
        yield number, content

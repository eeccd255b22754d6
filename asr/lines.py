"""Read text files: whole, by line, as JSON lines, or as a list of words.

Every text that comes in passes here, so that one rule holds for all: UTF-8 with or without a
byte-order mark, or UTF-16 with one; plain or gzipped, told by content; a line ends at a line feed.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import math
import os
import re
import stat
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NoReturn

from asr.errors import DataError

__all__ = [
    "check_ends",
    "decode",
    "iter_lines",
    "nfc",
    "number_lines",
    "parse_json",
    "plain_spaces",
    "read_json_lines",
    "read_text",
    "read_words",
]

ENDLESS = {(1, 5), (1, 7), (1, 8), (1, 9)}  # Linux's numbers of zero, full, random, urandom
_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SPACES = re.compile(r"[^\S \t\r\n]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_REMEDY = "Convert the file to UTF-8."


def nfc(text: str) -> str:
    """Return a text in Unicode's composed form, in which equal texts are equal."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def plain_spaces(text: str) -> str:
    """Return a text in which spaces of any kind, such as no-break and ideographic, are blanks.

    Line ends stay as they are.
    """
    return _SPACES.sub(" ", text)


def decode(data: bytes, where: str) -> str:
    """Return the text of bytes; a byte-order mark is dropped.

    Args:
        data: UTF-8, or UTF-16 with a byte-order mark.
        where: name of the file, for errors.

    Raises:
        DataError: it is something else; the line is named.
    """
    encoding = "utf-16" if data[:2] in _UTF16 else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        _refuse_byte(data, error, where)
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{where}, line {line}: a byte 0 is in the text.", _REMEDY)
    return text


def _refuse_byte(data: bytes, error: UnicodeDecodeError, where: str) -> NoReturn:
    line = data.count(b"\n", 0, error.start) + 1
    byte = f"byte 0x{data[error.start]:02x}" if error.start < len(data) else "the end"
    name = "UTF-16" if data[:2] in _UTF16 else "UTF-8"
    raise DataError(f"{where}, line {line}: {byte} is not {name}.", _REMEDY) from None


def check_ends(path: str | os.PathLike[str]) -> None:
    """Refuse a device that can be read for ever: /dev/zero, /dev/full, /dev/urandom.

    Raises:
        DataError: the path is one.
    """
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return  # whoever opens it says why
    device = os.major(status.st_rdev), os.minor(status.st_rdev)
    if stat.S_ISCHR(status.st_mode) and device in ENDLESS:
        raise DataError(f"{path} is a device that never ends.", "Give a file.")


def read_text(path: str | Path, needed: str = "a text file") -> str:
    """Return the text of a file.

    Args:
        path: the file; gzip is decompressed.
        needed: what kind of file the caller needs, for the error's remedy.

    Raises:
        DataError: the file is missing, damaged, or not UTF-8; the line is named.
    """
    path = Path(path)
    check_ends(path)
    try:
        data = path.read_bytes()
        return decode(gzip.decompress(data) if data[:2] == _GZIP else data, str(path))
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _damaged(path, error) from None
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise _unreadable(path, error, needed) from None


def number_lines(text: str, comment: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield the number, from 1, and the text of each line that is not blank.

    Args:
        text: of a file. Only "\\n" and "\\r\\n" end a line: Unicode's other separators may occur
            inside a sentence.
        comment: lines that begin with it are left out.
    """
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if line.strip() and not (comment and line.lstrip().startswith(comment)):
            yield number, line


def iter_lines(path: str | Path, needed: str = "a text file") -> Iterator[str]:
    """Yield the lines of a file of any size without their line ends.

    Args:
        path: the file; gzip is decompressed.
        needed: what kind of file the caller needs, for the error's remedy.

    Raises:
        DataError: see :func:`read_text`.
    """
    path, number = Path(path), 1
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 2):
                if "\0" in line:
                    raise DataError(f"{path}, line {number - 1}: a byte 0 is in it.", _REMEDY)
                yield line.rstrip("\n").removesuffix("\r")
    except UnicodeDecodeError as error:  # found in a block that begins behind line `number`
        before = error.object[: error.start].count(b"\n")
        raise DataError(f"{path}, from line {number + before} on, is not UTF-8.", _REMEDY) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise _damaged(path, error) from None
    except OSError as error:
        raise _unreadable(path, error, needed) from None


def _open(path: Path) -> IO[str]:
    check_ends(path)
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
    raw: Any = gzip.open(path) if zipped else path.open("rb")  # noqa: SIM115 - the caller closes it
    try:
        encoding = "utf-16" if raw.peek(2)[:2] in _UTF16 else "utf-8-sig"
    except BaseException:
        raw.close()
        raise
    return io.TextIOWrapper(raw, encoding=encoding, newline="\n")


def _damaged(path: Path, error: Exception) -> DataError:
    return DataError(f"{path} is not a whole gzip file: {error}.", "Copy it again.")


def _unreadable(path: Path, error: Exception, needed: str) -> DataError:
    if not path.is_file():
        what = "It is a folder, no file:" if path.is_dir() else "There is no file"
        return DataError(f"{what} {path}.", f"Give {needed}.")
    reason = getattr(error, "strerror", None) or str(error)
    return DataError(f"{path} cannot be read ({reason}).", f"Give {needed}.")


def read_words(path: str | Path, needed: str = "a list of words") -> list[str]:
    """Return the words of a file in composed form (NFC), separated by white space of any kind.

    Raises:
        DataError: see :func:`read_text`.
    """
    return nfc(read_text(path, needed)).split()


def parse_json(text: str) -> Any:
    """Return the content of JSON, of which nothing is lost and nothing is guessed.

    Raises:
        ValueError: it is not JSON; or it holds NaN or Infinity, a number that no float can hold, a
            key twice in one object, half a character, or too many levels. The message says which.
    """
    try:
        content = json.loads(
            text,
            parse_int=_whole,
            parse_float=_finite,
            parse_constant=_refuse_constant,
            object_pairs_hook=_once,
        )
    except RecursionError:
        raise ValueError("it has too many levels") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg}, line {error.lineno}") from None
    if "\\u" in text and _SURROGATE.search(json.dumps(content, ensure_ascii=False)):
        raise ValueError("a \\u escape names half a character")
    return content


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        shown = digits if len(digits) <= 12 else f"{digits[:12]}..."
        raise ValueError(f"the number {shown} is too large")
    return number


def _whole(digits: str) -> int:
    _finite(digits)
    return int(digits)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found


def read_json_lines(path: str | Path, needed: str = "a .jsonl file") -> Iterator[tuple[int, Any]]:
    """Yield the line number, from 1, and the parsed JSON of each line that is not blank.

    Raises:
        DataError: see :func:`iter_lines`; or a line is not JSON.
    """
    for number, line in enumerate(iter_lines(path, needed), 1):
        if not line.strip():
            continue
        try:
            content = parse_json(line)
        except ValueError as error:
            raise DataError(
                f"{path}, line {number}: not JSON ({str(error).removesuffix(', line 1')}).",
                "Write one JSON object a line.",
            ) from None
        yield number, content

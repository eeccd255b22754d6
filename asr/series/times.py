"""Times of series from texts, by rules that are stated: none is guessed.

ISO 8601 is read as it is, with blanks, slashes or without separators too (2024-01-31 13:00,
2024/01/31, 20240131, 2024-01). Other whole numbers stay numbers. Where days and months stand in
another order, some row must tell which is which, or the caller gives the format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from asr.errors import DataError, require

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["parse_times"]

_WHOLE = re.compile(r"[+-]?\d{1,18}")
_COMPACT = re.compile(r"(1[6-9]|2[01])\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_CLOCK = r"(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?)"
_ISO = re.compile(rf"\d{{4}}([-/])\d{{2}}(?:\1\d{{2}}{_CLOCK}?)?")
_OFFSET = re.compile(r"(?:Z|[+-]\d{2}(?::?\d{2})?)$")
_NUMBERED = re.compile(rf"(\d{{1,2}})([/.-])(\d{{1,2}})\2(\d{{4}}){_CLOCK}?")
_NAMED = ("%d %b %Y", "%d %B %Y", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y", "%b %Y", "%B %Y")
_REMEDY = (
    "Write them like 2024-01-31 13:00, or give their format: data.date_format=%d/%m/%Y (in Python: "
    "pandas.to_datetime(frame.ds, format=...))."
)


def parse_times(texts: Sequence[str], where: str, date_format: str = "") -> pd.Index:
    """Return the times (n,) that texts name: timestamps, or whole numbers.

    Where offsets such as +01:00 change, as with daylight saving, rows that all name one time of
    day are days of that place, without offset; any others are brought to UTC.

    Args:
        texts: one a row.
        where: name of the table in errors.
        date_format: as of strptime, for texts that are not ISO 8601; empty: see above.

    Raises:
        DataError: a text is no time, or could be read in two ways.
    """
    pd = require("pandas", "train")
    if not date_format and all(map(_WHOLE.fullmatch, texts)):
        if all(map(_COMPACT.fullmatch, texts)):
            return _strptime(texts, "%Y%m%d", where)
        return pd.Index([int(text) for text in texts], dtype="int64")
    plain = [_OFFSET.sub("", text) if ":" in text else text for text in texts]
    if all(map(_ISO.fullmatch, plain)):
        return _iso(texts, plain, where)
    if date_format:
        return _strptime(texts, date_format, where)
    if all(map(_NUMBERED.fullmatch, texts)):
        return _numbered(texts, where)
    return _named(texts, plain, where)


def _strptime(texts: Sequence[str], date_format: str, where: str) -> pd.Index:
    pd = require("pandas", "train")
    try:
        return pd.DatetimeIndex(pd.to_datetime(list(texts), format=date_format))
    except (ValueError, TypeError, OverflowError) as error:
        reason = str(error).partition(". ")[0].partition("\n")[0]
        raise DataError(f"{where}: ds holds no timestamps: {reason}.", _REMEDY) from None


def _iso(texts: Sequence[str], plain: Sequence[str], where: str) -> pd.Index:
    pd = require("pandas", "train")
    offsets = {text[len(rest) :] for text, rest in zip(texts, plain, strict=True)}
    texts, plain = (
        [text.replace(",", ".").replace("/", "-") for text in s] for s in (texts, plain)
    )
    if len(offsets) > 1 and "" in offsets:
        raise DataError(
            f"{where}: some times in ds have an offset such as {max(offsets)}, others have none.",
            "Give all of them one, or none.",
        )
    if len(offsets) <= 1:
        return _strptime(texts, "ISO8601", where)
    local = _strptime(plain, "ISO8601", where)
    if len(set(local.time)) == 1:  # days of one place: 24 hours of UTC are not always one of them
        return local
    try:
        return pd.DatetimeIndex(pd.to_datetime(list(texts), format="ISO8601", utc=True))
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: ds holds no timestamps: {error}.", _REMEDY) from None


def _numbered(texts: Sequence[str], where: str) -> pd.Index:
    """Return dates like 31/01/2024, in the one order of day and month that all of them allow."""
    parts = [match for text in texts if (match := _NUMBERED.fullmatch(text))]
    separators = {match[2] for match in parts}
    first, second = (max(int(match[group]) for match in parts) for group in (1, 3))
    order = "%d{0}%m{0}%Y" if first > 12 or separators == {"."} else "%m{0}%d{0}%Y"
    if len(separators) > 1 or (first <= 12 and second <= 12 and separators != {"."}):
        raise DataError(
            f"{where}: ds holds {texts[0]!r}, and no row tells which number is the day.",
            "Give the format: data.date_format=%d/%m/%Y or %m/%d/%Y, or write 2024-01-31.",
        )
    clocks = {text.count(":") for text in texts}
    clock = ("", " %H:%M", " %H:%M:%S")[max(clocks)] if len(clocks) == 1 else " %H:%M:%S"
    return _strptime(
        [text.replace("T", " ") for text in texts], order.format(*separators) + clock, where
    )


def _named(texts: Sequence[str], plain: Sequence[Any], where: str) -> pd.Index:
    for date_format in _NAMED:
        try:
            return _strptime(texts, date_format, where)
        except DataError:
            continue
    odd = next((t for t, p in zip(texts, plain, strict=True) if not _ISO.fullmatch(p)), texts[0])
    raise DataError(f"{where}: ds holds no timestamps: {odd[:40]!r} is none.", _REMEDY)

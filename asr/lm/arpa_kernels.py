"""Kernels that parse and print the text of ARPA files."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

__all__ = [
    "BAD_BACKOFF",
    "BAD_PROB",
    "BLANK_LINE",
    "END_OF_FILE",
    "EXTRA_FIELD",
    "FEW_WORDS",
    "OK",
    "POSITIVE_PROB",
    "REPEATED_WORD",
    "UNKNOWN_WORD",
    "parse_ngrams",
    "parse_unigrams",
    "print_ngrams",
]

Bytes = npt.NDArray[np.uint8]

OK, END_OF_FILE, BLANK_LINE, BAD_PROB, POSITIVE_PROB = 0, 1, 2, 3, 4
FEW_WORDS, UNKNOWN_WORD, BAD_BACKOFF, EXTRA_FIELD, REPEATED_WORD = 5, 6, 7, 8, 9

# Bytes.
_NEWLINE, _BACKSLASH, _MINUS, _PLUS, _DOT, _ZERO, _NINE = 10, 92, 45, 43, 46, 48, 57
_POWERS = 10.0 ** np.arange(23)  # exact in float64


@kernel(inline="always")
def _is_space(byte: int) -> bool:
    return byte == 32 or (9 <= byte <= 13 and byte != 10)


@kernel(inline="always")
def _field(data: Bytes, position: int) -> tuple[int, int]:
    """Return the bounds of the next field on this line; empty at the end of the line."""
    end = len(data)
    while position < end and _is_space(data[position]):
        position += 1
    start = position
    while position < end and data[position] != _NEWLINE and not _is_space(data[position]):
        position += 1
    return start, position


@kernel
def _number(data: Bytes, start: int, end: int) -> float:
    """Return the decimal number in data[start:end], at higher precision than float32.

    NaN if it is not a number, or too large for a logarithm.
    """
    position, negative = start, False
    if position < end and (data[position] == _MINUS or data[position] == _PLUS):
        negative = data[position] == _MINUS
        position += 1
    mantissa, digits, exponent, seen_dot = np.int64(0), 0, 0, False
    first = position
    while position < end:
        byte = np.int64(data[position])
        if _ZERO <= byte <= _NINE:
            if mantissa < 10**17:
                mantissa = mantissa * 10 + (byte - _ZERO)
                exponent -= 1 if seen_dot else 0
            else:
                exponent += 0 if seen_dot else 1
            digits += 1
        elif byte == _DOT and not seen_dot:
            seen_dot = True
        else:
            break
        position += 1
    if digits == 0 or position == first:
        return np.nan
    if position < end:
        if data[position] != 101 and data[position] != 69:  # e, E
            return np.nan
        position += 1
        down = position < end and data[position] == _MINUS
        if position < end and (data[position] == _MINUS or data[position] == _PLUS):
            position += 1
        if position == end or end - position > 6:
            return np.nan
        power = 0
        while position < end:
            if data[position] < _ZERO or data[position] > _NINE:
                return np.nan
            power = power * 10 + (data[position] - _ZERO)
            position += 1
        exponent += -power if down else power
    value: float = np.float64(mantissa)
    if mantissa != 0:
        while exponent < 0 and value != 0.0:
            step = min(22, -exponent)
            value /= _POWERS[step]
            exponent += step
        while exponent > 0 and np.isfinite(value):
            step = min(22, exponent)
            value *= _POWERS[step]
            exponent -= step
    if not abs(value) < 1e9:  # not the logarithm of a probability
        return np.nan
    return -value if negative else value


@kernel(inline="always")
def _hash(data: Bytes, start: int, end: int):  # type: ignore[no-untyped-def]
    code = np.uint64(14695981039346656037)
    for i in range(start, end):
        code = (code ^ np.uint64(data[i])) * np.uint64(1099511628211)
    return code ^ (code >> np.uint64(29))


@kernel(inline="always")
def _same(data: Bytes, a: int, b: int, length: int) -> bool:
    for i in range(length):  # noqa: SIM110 - a kernel has no generators
        if data[a + i] != data[b + i]:
            return False
    return True


@kernel(inline="always")
def _lookup(
    data: Bytes, start: int, end: int, spans: npt.NDArray[np.int64], table: npt.NDArray[np.int32]
) -> int:
    """Return the slot of a word in the hash table, or the free slot for it."""
    mask = np.int64(len(table) - 1)
    slot: int = np.int64(_hash(data, start, end)) & mask
    while table[slot] >= 0:
        other = table[slot]
        if spans[other, 1] - spans[other, 0] == end - start and _same(
            data, spans[other, 0], start, end - start
        ):
            break
        slot = (slot + 1) & mask
    return slot


@kernel
def _line_start(data: Bytes, position: int) -> tuple[int, int]:
    """Return (status, start of the probability); not OK at file ends, blank lines and headers."""
    start, end = _field(data, position)
    if start == len(data):
        return END_OF_FILE, start
    if start == end or data[start] == _BACKSLASH:
        return BLANK_LINE, start
    return OK, start


@kernel
def _prob(data: Bytes, start: int) -> tuple[int, float, int]:
    """Return (status, value, position behind it) of the first field of an n-gram's line."""
    start, end = _field(data, start)
    value = _number(data, start, end)
    if np.isnan(value):
        return BAD_PROB, value, end
    if value > 0:
        return POSITIVE_PROB, value, end
    return OK, value, end


@kernel
def _line_end(data: Bytes, position: int, has_backoff: bool) -> tuple[int, float, int]:
    """Return (status, back-off, position of the next line) of the rest of an n-gram's line."""
    start, end = _field(data, position)
    backoff = 0.0
    if start < end:
        backoff = _number(data, start, end)
        if np.isnan(backoff):
            return BAD_BACKOFF, backoff, end
        if not has_backoff and backoff != 0.0:
            return EXTRA_FIELD, backoff, end
        start, end = _field(data, end)
        if start < end:
            return EXTRA_FIELD, backoff, end
    return OK, backoff, end + 1


@kernel
def parse_unigrams(
    data: Bytes,
    position: int,
    has_backoff: bool,
    spans: npt.NDArray[np.int64],
    probs: npt.NDArray[np.float32],
    backoffs: npt.NDArray[np.float32],
    table: npt.NDArray[np.int32],
) -> tuple[int, int, int]:
    """Parse the unigrams; return (status, rows read, position).

    Fills in the start and end of each word (count, 2), the numbers, and the hash table from word to
    row. If the status is not OK, the position is the start of the line with the problem.
    """
    for row in range(len(spans)):
        status, start = _line_start(data, position)
        if status != OK:
            return status, row, position
        status, prob, start = _prob(data, start)
        if status != OK:
            return status, row, position
        start, end = _field(data, start)
        if start == end:
            return FEW_WORDS, row, position
        slot = _lookup(data, start, end, spans, table)
        if table[slot] >= 0:
            return REPEATED_WORD, row, position
        table[slot] = row
        spans[row, 0], spans[row, 1] = start, end
        status, backoff, after = _line_end(data, end, has_backoff)
        if status != OK:
            return status, row, position
        probs[row], backoffs[row], position = prob, backoff, after
    return OK, len(spans), position


@kernel
def parse_ngrams(
    data: Bytes,
    position: int,
    has_backoff: bool,
    spans: npt.NDArray[np.int64],
    table: npt.NDArray[np.int32],
    row_ids: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int32],
    probs: npt.NDArray[np.float32],
    backoffs: npt.NDArray[np.float32],
) -> tuple[int, int, int]:
    """Parse the n-grams of one order into rows (count, n) of word ids.

    Returns (status, rows read, position) as :func:`parse_unigrams` does.
    """
    for row in range(len(rows)):
        status, start = _line_start(data, position)
        if status != OK:
            return status, row, position
        status, prob, end = _prob(data, start)
        if status != OK:
            return status, row, position
        for i in range(rows.shape[1]):
            start, end = _field(data, end)
            if start == end:
                return FEW_WORDS, row, position
            unigram = table[_lookup(data, start, end, spans, table)]
            if unigram < 0:
                return UNKNOWN_WORD, row, position
            rows[row, i] = row_ids[unigram]
        status, backoff, after = _line_end(data, end, has_backoff)
        if status != OK:
            return status, row, position
        probs[row], backoffs[row], position = prob, backoff, after
    return OK, len(rows), position


@kernel
def _print_number(value: float, decimals: int, out: Bytes, position: int) -> int:
    """Print a number without trailing zeros; return the position behind it."""
    scale = 10**decimals
    scaled = np.int64(np.rint(abs(np.float64(value)) * scale))
    if scaled == 0:
        out[position] = _ZERO
        return position + 1
    if value < 0:
        out[position] = _MINUS
        position += 1
    whole, rest = scaled // scale, scaled % scale
    length, power = 1, 10
    while whole >= power:
        length, power = length + 1, power * 10
    for i in range(length - 1, -1, -1):
        out[position + i] = _ZERO + whole % 10
        whole //= 10
    position += length
    if rest > 0:
        out[position] = _DOT
        while rest % 10 == 0:
            rest, decimals = rest // 10, decimals - 1
        for i in range(decimals, 0, -1):
            out[position + i] = _ZERO + rest % 10
            rest //= 10
        position += decimals + 1
    return position


@kernel
def print_ngrams(
    rows: npt.NDArray[np.int32],
    probs: npt.NDArray[np.float32],
    backoffs: npt.NDArray[np.float32],
    has_backoff: bool,
    text: Bytes,
    text_starts: npt.NDArray[np.int64],
    decimals: int,
    first: int,
    out: Bytes,
) -> tuple[int, int]:
    """Print rows from ``first`` on until ``out`` is nearly full; return (next row, bytes used)."""
    position, columns = 0, rows.shape[1]
    for row in range(first, len(rows)):
        need = 64
        for i in range(columns):
            need += text_starts[rows[row, i] + 1] - text_starts[rows[row, i]] + 1
        if position + need > len(out):
            return row, position
        position = _print_number(probs[row], decimals, out, position)
        for i in range(columns):
            out[position] = 9 if i == 0 else 32
            position += 1
            for j in range(text_starts[rows[row, i]], text_starts[rows[row, i] + 1]):
                out[position] = text[j]
                position += 1
        if has_backoff:
            out[position] = 9
            position = _print_number(backoffs[row], decimals, out, position + 1)
        out[position] = _NEWLINE
        position += 1
    return len(rows), position

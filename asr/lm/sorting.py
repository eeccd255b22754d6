"""Radix sort of fixed-width integer records.

An n-gram is packed into K unsigned 64-bit words, the most significant field first. A record is such
a key, followed by words that are only moved along with it. Records are arrays (count, W), W >= K.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

__all__ = ["Records", "is_sorted", "key_width", "pack_rows", "sort_records", "sorted_row_order"]

Records = npt.NDArray[np.uint64]

# A first pass spreads the records over 2048 buckets, most of which then fit in the CPU cache.
_SPLIT_BITS = 11
_DIGIT_BITS = 8
_SMALL = 40  # records up to which insertion sort is fastest
_LARGE = 1 << 16  # larger buckets are split once more before they are sorted


def key_width(columns: int, bits: int) -> int:
    """Return the number of 64-bit words of a key: ``columns`` fields, none across two words."""
    return -(-columns // (64 // bits))


@kernel
def pack_rows(
    rows: npt.NDArray[np.int32], columns: npt.NDArray[np.int64], bits: int, out: Records
) -> None:
    """Pack columns of ``rows`` into the first words of ``out``, the most significant first."""
    per_word = 64 // bits
    for row in range(len(rows)):
        for i in range(len(columns)):
            shift = np.uint64(bits * (per_word - 1 - i % per_word))
            word = i // per_word
            value = np.uint64(rows[row, columns[i]]) << shift
            out[row, word] = value if i % per_word == 0 else out[row, word] | value


def _digits(columns: int, bits: int, split: bool) -> npt.NDArray[np.int64]:
    """Return (word, shift, width) of each digit of the key, most significant first."""
    per_word = 64 // bits
    digits: list[tuple[int, int, int]] = []
    for start in range(0, columns, per_word):
        used = bits * min(per_word, columns - start)
        top = bits * per_word
        while used > 0:
            width = min(used, _SPLIT_BITS if split and len(digits) < 2 else _DIGIT_BITS)
            digits.append((start // per_word, top - width, width))
            top, used = top - width, used - width
    return np.array(digits, np.int64)


@kernel
def _split(
    records: Records,
    scratch: Records,
    low: int,
    high: int,
    digit: npt.NDArray[np.int64],
    copy_back: bool,
) -> npt.NDArray[np.int64]:
    """Sort records[low:high] by one digit, stably, into ``scratch``; return the buckets' bounds.

    A counting sort. With ``copy_back`` the result is copied back to ``records``.
    """
    word, shift, mask = digit[0], np.uint64(digit[1]), np.uint64((1 << digit[2]) - 1)
    bounds = np.zeros((1 << digit[2]) + 1, np.int64)
    for i in range(low, high):
        bounds[((records[i, word] >> shift) & mask) + np.uint64(1)] += 1
    bounds[0] = low
    for i in range(1, len(bounds)):
        bounds[i] += bounds[i - 1]
    place = bounds[:-1].copy()
    width = records.shape[1]
    for i in range(low, high):
        bucket = (records[i, word] >> shift) & mask
        to = place[bucket]
        place[bucket] = to + 1
        for j in range(width):
            scratch[to, j] = records[i, j]
    if copy_back:
        records[low:high] = scratch[low:high]
    return bounds


@kernel
def _insertion_sort(records: Records, low: int, high: int, key_words: int) -> None:
    width = records.shape[1]
    held = np.empty(width, np.uint64)
    for i in range(low + 1, high):
        held[:] = records[i]
        j = i - 1
        while j >= low:
            greater = False
            for k in range(key_words):
                if records[j, k] != held[k]:
                    greater = records[j, k] > held[k]
                    break
            if not greater:
                break
            records[j + 1] = records[j]
            j -= 1
        records[j + 1] = held


@kernel
def _sort_bucket(
    records: Records,
    scratch: Records,
    low: int,
    high: int,
    digits: npt.NDArray[np.int64],
    done: int,
) -> None:
    """Sort records[low:high], which agree in their first ``done`` digits, from the last digit."""
    if high - low < 2 or done == len(digits):
        return
    if high - low <= _SMALL:
        _insertion_sort(records, low, high, digits[-1, 0] + 1)
        return
    source, target = records, scratch
    for d in range(len(digits) - 1, done - 1, -1):
        _split(source, target, low=low, high=high, digit=digits[d], copy_back=False)
        source, target = target, source
    if (len(digits) - done) % 2:
        records[low:high] = scratch[low:high]


@kernel
def _sort_buckets(
    records: Records,
    scratch: Records,
    buckets: npt.NDArray[np.int64],
    digits: npt.NDArray[np.int64],
) -> None:
    for b in range(len(buckets)):
        low, high, done = buckets[b]
        if high - low > _LARGE and done < len(digits):
            bounds = _split(
                records, scratch, low=low, high=high, digit=digits[done], copy_back=True
            )
            for i in range(len(bounds) - 1):
                _sort_bucket(
                    records,
                    scratch,
                    low=bounds[i],
                    high=bounds[i + 1],
                    digits=digits,
                    done=done + 1,
                )
        else:
            _sort_bucket(records, scratch, low=low, high=high, digits=digits, done=done)


def sort_records(records: Records, columns: int, bits: int, threads: int = 1) -> Records:
    """Sort records (count, W) by their first ``columns`` fields of ``bits`` bits, in place.

    Returns ``records``.
    """
    if len(records) < 2:
        return records
    digits = _digits(columns, bits, split=True)
    scratch = np.empty_like(records)
    bounds = _split(records, scratch, low=0, high=len(records), digit=digits[0], copy_back=True)
    filled = np.flatnonzero(np.diff(bounds) > 1)
    buckets = np.stack([bounds[filled], bounds[filled + 1], np.ones_like(filled)], axis=1)
    if threads == 1 or len(records) < _LARGE:
        _sort_buckets(records, scratch, buckets, digits)
        return records
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        for job in [
            pool.submit(_sort_buckets, records, scratch, part, digits)
            for part in _shares(buckets, threads)
        ]:
            job.result()
    return records


def _shares(buckets: npt.NDArray[np.int64], threads: int) -> Sequence[npt.NDArray[np.int64]]:
    """Split the buckets into parts with about equal numbers of records, four per thread."""
    ends = np.cumsum(buckets[:, 1] - buckets[:, 0])
    cuts = np.searchsorted(ends, np.arange(1, 4 * threads) * ends[-1] // (4 * threads))
    return [part for part in np.split(buckets, np.unique(cuts)) if len(part)]


def sorted_row_order(rows: npt.NDArray[np.int32], bits: int) -> npt.NDArray[np.int64]:
    """Return the row numbers that sort ``rows`` (count, columns) lexicographically, stably.

    All values are below ``2 ** bits``.
    """
    columns = rows.shape[1]
    width = key_width(columns, bits)
    records = np.empty((len(rows), width + 1), np.uint64)
    pack_rows(rows, np.arange(columns), bits, records)
    records[:, width] = np.arange(len(rows), dtype=np.uint64)
    return sort_records(records, columns, bits)[:, width].astype(np.int64)


@kernel
def is_sorted(rows: npt.NDArray[np.int32]) -> bool:
    """Return whether ``rows`` (count, columns) strictly increase in lexicographic order."""
    for row in range(1, len(rows)):
        greater = False
        for i in range(rows.shape[1]):
            if rows[row, i] != rows[row - 1, i]:
                greater = rows[row, i] > rows[row - 1, i]
                break
        if not greater:
            return False
    return True

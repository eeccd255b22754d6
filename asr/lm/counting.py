"""Kernels of modified Kneser-Ney estimation over packed n-gram records.

An n-gram w1 ... wn is packed (see asr/lm/sorting.py) in one of three column orders. Each makes one
step of the estimation a single pass over sorted records:

* suffix order (wn, ..., w1): n-grams with the same ending are adjacent, which gives the adjusted
  counts;
* context order (wn-1, ..., w1, wn): n-grams of one context are adjacent, which gives discounted
  probabilities; and contexts with the same ending are adjacent, so the lower order can be
  interpolated in the same pass;
* reading order (w1, ..., wn): the order of a finished model, in which each n-gram is joined with
  its back-off weight as a context.

Sorting is stable, so changing to the next order sorts only by the columns that move to the front. A
record is the packed n-gram and one 64-bit value: first a count; then ``adjusted count * 2 +
pruned``; at last two float32, the probability and the back-off weight *of the context*.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel
from asr.lm.model import BOS, EOS
from asr.lm.sorting import Records, key_width

__all__ = [
    "adjust",
    "count_keys",
    "fill_keys",
    "finish",
    "interpolate",
    "prefix_masks",
    "to_reading_order",
]

_BOS, _EOS = BOS, EOS
_ONE = np.uint64(1)


def prefix_masks(columns: int, bits: int) -> npt.NDArray[np.uint64]:
    """Return masks that keep the first ``columns`` fields of a key."""
    per_word = 64 // bits
    masks = []
    for start in range(0, columns, per_word):
        used = bits * min(per_word, columns - start)
        masks.append(((1 << used) - 1) << (bits * per_word - used))
    assert len(masks) == key_width(columns, bits)
    return np.array(masks, np.uint64)


@kernel(inline="always")
def _field(records: Records, row: int, column: int, bits: int) -> int:
    per_word = 64 // bits
    shift = np.uint64(bits * (per_word - 1 - column % per_word))
    value: int = np.int64((records[row, column // per_word] >> shift) & np.uint64((1 << bits) - 1))
    return value


@kernel(inline="always")
def _put(records: Records, row: int, column: int, bits: int, value: int) -> None:
    """Set a field; columns must be set in order, as the first one of each word clears it."""
    per_word = 64 // bits
    shift = np.uint64(bits * (per_word - 1 - column % per_word))
    old = np.uint64(0) if column % per_word == 0 else records[row, column // per_word]
    records[row, column // per_word] = old | (np.uint64(value) << shift)


@kernel(inline="always")
def _compare(a: Records, i: int, b: Records, j: int, masks: npt.NDArray[np.uint64]) -> int:
    """Return -1, 0 or 1: the masked key of a[i] is less than, equal to or greater than b[j]'s."""
    for k in range(len(masks)):
        x, y = a[i, k] & masks[k], b[j, k] & masks[k]
        if x != y:
            return -1 if x < y else 1
    return 0


@kernel
def fill_keys(
    ids: npt.NDArray[np.int32],
    id_map: npt.NDArray[np.int32],
    bits: int,
    context: npt.NDArray[np.int64],
    out: Records,
) -> None:
    """Write the n-gram that ends at each token, in suffix order; sentences are padded with ``<s>``.

    ``context``: the last words of the text so far, the most recent first.
    """
    order = len(context) + 1
    for i in range(len(ids)):
        word = np.int64(id_map[ids[i]])
        _put(out, i, 0, bits, word)
        for column in range(1, order):
            _put(out, i, column, bits, context[column - 1])
        if word == _EOS:
            context[:] = _BOS
        else:
            for column in range(order - 2, 0, -1):
                context[column] = context[column - 1]
            if order > 1:
                context[0] = word


@kernel
def count_keys(records: Records, masks: npt.NDArray[np.uint64], out: Records) -> int:
    """Merge equal neighbours of sorted keys, or records with counts; return how many are left."""
    words, used = len(masks), -1
    counted = records.shape[1] > words
    for row in range(len(records)):
        if row == 0 or _compare(records, row - 1, records, row, masks) != 0:
            used += 1
            out[used, :words] = records[row, :words]
            out[used, words] = 0
        out[used, words] += records[row, words] if counted else _ONE
    return used + 1


@kernel
def adjust(
    records: Records,
    order: int,
    n: int,
    bits: int,
    masks: npt.NDArray[np.uint64],
    longer_masks: npt.NDArray[np.uint64],
    prune: int,
    out: Records,
    count_counts: npt.NDArray[np.int64],
) -> int:
    """Write n-grams with adjusted counts, in context order; return how many.

    ``records`` are the counted ``order``-grams in suffix order. The adjusted count of an n-gram is
    the number of different words before it; for the highest order, and for n-grams that begin with
    ``<s>``, it is the plain count (Chen & Goodman 1998, section 4.1.6). N-grams with a plain count
    of at most ``prune`` are marked as pruned. ``masks`` and ``longer_masks`` keep n and n + 1
    fields. ``count_counts[c]`` is incremented for each n-gram with adjusted count c < 5.
    """
    value, count_at = key_width_kernel(n, bits), key_width_kernel(order, bits)
    used, adjusted, seen, before = -1, np.int64(0), np.int64(0), -1
    for row in range(len(records)):
        # <s> is never predicted, so n-grams with <s> behind their first word are only padding.
        short = False
        for column in range(n - 1):
            short = short or _field(records, row, column, bits) == _BOS
        if short:
            continue
        count = np.int64(records[row, count_at])
        if before < 0 or _compare(records, before, records, row, masks) != 0:
            if used >= 0:
                _close(
                    out,
                    used,
                    value=value,
                    adjusted=adjusted,
                    seen=seen,
                    prune=prune,
                    count_counts=count_counts,
                )
            used, adjusted, seen = used + 1, np.int64(0), np.int64(0)
            for column in range(1, n):
                _put(out, used, column - 1, bits, _field(records, row, column, bits))
            _put(out, used, n - 1, bits, _field(records, row, 0, bits))
            fresh = True
        else:
            fresh = n < order and _compare(records, before, records, row, longer_masks) != 0
        if n == order or _field(records, row, n - 1, bits) == _BOS:
            adjusted += count
        elif fresh:
            adjusted += 1
        seen += count
        before = row
    if used >= 0:
        _close(
            out,
            used,
            value=value,
            adjusted=adjusted,
            seen=seen,
            prune=prune,
            count_counts=count_counts,
        )
    return used + 1


@kernel(inline="always")
def key_width_kernel(columns: int, bits: int) -> int:
    """Return asr.lm.sorting.key_width; callable from kernels."""
    per_word = 64 // bits
    return (columns + per_word - 1) // per_word


@kernel(inline="always")
def _close(
    out: Records,
    row: int,
    value: int,
    adjusted: int,
    seen: int,
    prune: int,
    count_counts: npt.NDArray[np.int64],
) -> None:
    out[row, value] = np.uint64(adjusted * 2 + (1 if seen <= prune else 0))
    if adjusted < len(count_counts):
        count_counts[adjusted] += 1


@kernel
def interpolate(
    records: Records,
    floats: npt.NDArray[np.float32],
    n: int,
    bits: int,
    context_masks: npt.NDArray[np.uint64],
    discounts: npt.NDArray[np.float64],
    parents: Records,
    parent_floats: npt.NDArray[np.float32],
    parent_masks: npt.NDArray[np.uint64],
    lower: npt.NDArray[np.float32],
) -> int:
    """Replace adjusted counts by probabilities and back-off weights; return how many are kept.

    Interpolated modified Kneser-Ney (Chen & Goodman 1998, section 4.1.6): p(w | h) = (count -
    discount) / total + weight(h) * p(w | shorter h), with weight(h) the discounted mass / total.
    The mass of pruned n-grams, which are removed, goes to the back-off weight as well.

    ``floats`` is ``records`` viewed as float32. ``parents`` are the records of the order below, in
    context order, with their probabilities. ``lower`` (vocabulary,) is workspace: the probabilities
    of the words after one shorter context; for n = 2 it holds the unigram probabilities.
    """
    value, parent_value = key_width_kernel(n, bits), key_width_kernel(n - 1, bits)
    kept, parent, start = 0, 0, 0
    last = n - 1
    while start < len(records):
        # All n-grams of one context: the total of their counts, and the mass that is discounted.
        end, total, mass = start, np.int64(0), 0.0
        while end < len(records) and _compare(records, start, records, end, context_masks) == 0:
            count = np.int64(records[end, value] >> _ONE)
            total += count
            mass += count if records[end, value] & _ONE else discounts[min(count, 3)]
            end += 1
        # Contexts with the same ending share their shorter context, so the parents advance along
        # with the records.
        if n > 2:
            while (
                parent < len(parents)
                and _compare(parents, parent, records, start, parent_masks) < 0
            ):
                parent += 1
            while (
                parent < len(parents)
                and _compare(parents, parent, records, start, parent_masks) == 0
            ):
                lower[_field(parents, parent, last - 1, bits)] = parent_floats[
                    parent, 2 * parent_value
                ]
                parent += 1
        weight = mass / total
        for row in range(start, end):
            if records[row, value] & _ONE:
                continue
            count = np.int64(records[row, value] >> _ONE)
            prob = (count - discounts[min(count, 3)]) / total + weight * lower[
                _field(records, row, last, bits)
            ]
            records[kept, :value] = records[row, :value]
            floats[kept, 2 * value], floats[kept, 2 * value + 1] = prob, weight
            kept += 1
        start = end
    return kept


@kernel
def to_reading_order(records: Records, n: int, bits: int) -> None:
    """Repack keys from context order to reading order, in place; the caller sorts."""
    fields = np.empty(n, np.int64)
    for row in range(len(records)):
        for column in range(n - 1):
            fields[n - 2 - column] = _field(records, row, column, bits)
        fields[n - 1] = _field(records, row, n - 1, bits)
        for column in range(n):
            _put(records, row, column, bits, fields[column])


@kernel
def finish(
    records: Records,
    floats: npt.NDArray[np.float32],
    n: int,
    bits: int,
    masks: npt.NDArray[np.uint64],
    longer: Records,
    longer_floats: npt.NDArray[np.float32],
    rows: npt.NDArray[np.int32],
    log10_probs: npt.NDArray[np.float32],
    log10_backoffs: npt.NDArray[np.float32],
) -> None:
    """Unpack n-grams in reading order, with log10 probabilities and back-off weights.

    The back-off weight of an n-gram comes from the n-grams that extend it, ``longer``.
    """
    value, longer_value, child = key_width_kernel(n, bits), key_width_kernel(n + 1, bits), 0
    for row in range(len(records)):
        for column in range(n):
            rows[row, column] = _field(records, row, column, bits)
        log10_probs[row] = min(0.0, np.log10(floats[row, 2 * value]))
        log10_backoffs[row] = 0.0
        if child < len(longer) and _compare(longer, child, records, row, masks) == 0:
            log10_backoffs[row] = np.log10(longer_floats[child, 2 * longer_value + 1])
            while child < len(longer) and _compare(longer, child, records, row, masks) == 0:
                child += 1

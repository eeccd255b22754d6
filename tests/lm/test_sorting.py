from __future__ import annotations

import numpy as np
import pytest

from asr.lm.sorting import is_sorted, key_width, pack_rows, sort_records, sorted_row_order


@pytest.mark.parametrize(("columns", "bits"), [(1, 5), (2, 17), (3, 21), (4, 17), (6, 22), (5, 32)])
@pytest.mark.parametrize("count", [0, 1, 30, 3000, 200_000])
def test_order_is_that_of_lexsort(columns: int, bits: int, count: int) -> None:
    rng = np.random.default_rng(count)
    top = min(2**bits, 2**31) - 1
    rows = np.minimum(top ** rng.random((count, columns)) - 1, 2**31 - 1).astype(np.int32)
    order = sorted_row_order(rows, bits)
    np.testing.assert_array_equal(order, np.lexsort(rows.T[::-1]))  # both are stable
    assert is_sorted(np.unique(rows, axis=0))


@pytest.mark.parametrize("threads", [1, 3])
def test_sorting_by_first_columns_is_stable(threads: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 40, (100_000, 3)).astype(np.int32)
    records = np.zeros((len(rows), key_width(3, 6) + 1), np.uint64)
    pack_rows(rows, np.arange(3), 6, records)
    records[:, -1] = np.arange(len(rows))
    sorted_records = sort_records(records, 2, 6, threads)
    np.testing.assert_array_equal(sorted_records[:, -1], np.lexsort((rows[:, 1], rows[:, 0])))


def test_sorted_means_strictly_increasing() -> None:
    assert is_sorted(np.array([[0, 1], [0, 2], [1, 0]], np.int32))
    assert not is_sorted(np.array([[0, 1], [0, 1]], np.int32))
    assert not is_sorted(np.array([[0, 2], [0, 1]], np.int32))

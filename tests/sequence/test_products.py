"""The matrix-product micro-kernel against numpy."""

from __future__ import annotations

import numpy as np
import pytest

from asr.sequence.products import COLUMNS, add_product, pack_columns

SHAPES = [(1, 1), (7, COLUMNS), (40, COLUMNS + 1), (16, 4 * COLUMNS), (33, 7 * COLUMNS - 3)]


def given(R: int, K: int, M: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Whole numbers, so that sums in any order are exact."""
    rng = np.random.default_rng(R)
    x, weights, out = (
        rng.integers(-8, 9, shape).astype(np.float32) for shape in ((R, K), (K, M), (R, M))
    )
    return x, weights, out


@pytest.mark.parametrize("R", range(14))
@pytest.mark.parametrize(("K", "M"), SHAPES)
def test_adds_the_product(R: int, K: int, M: int) -> None:
    x, weights, out = given(R, K, M)
    expected = out + x @ weights
    add_product(x, pack_columns(weights), out)
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("R", [1, 2, 5, 11])
def test_rows_of_larger_arrays_leave_the_others_alone(R: int) -> None:
    x, weights, out = given(R + 4, 30, COLUMNS + 5)
    expected = out.copy()
    expected[2 : R + 2] += x[2 : R + 2] @ weights
    add_product(x[2 : R + 2], pack_columns(weights.T.copy().T), out[2 : R + 2])
    np.testing.assert_array_equal(out, expected)


def test_what_is_not_a_number_stays_in_its_row() -> None:
    x, weights, out = given(9, 20, 2 * COLUMNS)
    x[4, 7] = np.nan
    add_product(x, pack_columns(weights), out)
    assert np.isnan(out[4]).all()
    assert np.isfinite(np.delete(out, 4, axis=0)).all()

"""Small matrix products (GEMM): a micro-kernel whose sums stay in registers.

A BLAS library packs its operands before it multiplies, which pays for large products; a recurrent
layer has a small one at every time step. Here the weights are packed once, in blocks of columns,
and a few rows at a time are multiplied by a block. numba cannot be told to keep sums in registers,
so that loop is written in LLVM's intermediate code, with vectors.

R rows, K inner, M columns, N blocks of W columns. Goto and van de Geijn 2008 explain such loops.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from asr.kernels import kernel

__all__ = ["COLUMNS", "ROWS", "add_product", "pack_columns"]

F32 = npt.NDArray[np.float32]

ROWS = 4
"""Rows that are multiplied together, at most."""
_HAS_AVX512 = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]
LANES = 16 if _HAS_AVX512 else 8
VECTORS = 3
COLUMNS = VECTORS * LANES
"""W. With 16 registers, AVX2 holds the sums of four rows, a row of weights and one number of x."""


def pack_columns(weights: F32) -> F32:
    """(K, M) -> (N, K, W): the columns in blocks, the last one padded with zeros."""
    K, M = weights.shape
    packed = np.zeros((-(-M // COLUMNS), K, COLUMNS), np.float32)
    _pack(weights, packed)
    return packed


@kernel
def _pack(weights: F32, packed: F32) -> None:
    for n in range(packed.shape[0]):
        first = n * COLUMNS
        width = min(COLUMNS, weights.shape[1] - first)
        for k in range(weights.shape[0]):
            for m in range(width):
                packed[n, k, m] = weights[k, first + m]


def _element(builder: Any, array: Any, *place: Any) -> Any:
    """Return the address of an item of an array, as a number."""
    address = builder.ptrtoint(array.data, ir.IntType(64))
    strides = cgutils.unpack_tuple(builder, array.strides)
    for index, stride in zip(place, strides, strict=False):
        address = builder.add(address, builder.mul(index, stride))
    return address


def _write_loop(
    rows: int, blocks: int, context: Any, builder: Any, signature: Any, arguments: Any
) -> Any:
    """Write the loop over K, with a vector of sums for each row and block."""
    x, w, out = (
        cgutils.create_struct_proxy(kind)(context, builder, value=value)
        for kind, value in zip(signature.args[:3], arguments[:3], strict=True)
    )
    row, block = arguments[3:]
    integer, number = ir.IntType(64), ir.FloatType()
    vector, undefined = ir.VectorType(number, LANES), ir.Undefined
    every = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)

    def at(kind: Any, address: Any) -> Any:
        return builder.inttoptr(address, kind.as_pointer())

    starts = [_element(builder, x, builder.add(row, integer(r))) for r in range(rows)]
    packed = [
        builder.add(_element(builder, w, builder.add(block, integer(b))), integer(4 * LANES * v))
        for b in range(blocks)
        for v in range(VECTORS)
    ]
    column = builder.mul(block, integer(COLUMNS))
    places = [
        at(
            vector,
            _element(
                builder,
                out,
                builder.add(row, integer(r)),
                builder.add(column, integer(COLUMNS * b + LANES * v)),
            ),
        )
        for r in range(rows)
        for b in range(blocks)
        for v in range(VECTORS)
    ]
    sums = [cgutils.alloca_once(builder, vector) for _ in places]
    for place, total in zip(places, sums, strict=True):
        builder.store(builder.load(place, align=4), total)
    with cgutils.for_range(builder, cgutils.unpack_tuple(builder, w.shape)[1]) as loop:
        step = builder.mul(loop.index, integer(4))
        wide = builder.mul(step, integer(COLUMNS))
        weights = [builder.load(at(vector, builder.add(w, wide)), align=4) for w in packed]
        for r, start in enumerate(starts):
            value = builder.load(at(number, builder.add(start, step)))
            lanes = builder.insert_element(ir.Constant(vector, undefined), value, integer(0))
            lanes = builder.shuffle_vector(lanes, ir.Constant(vector, undefined), every)
            for b, weight in enumerate(weights):
                product = builder.fmul(lanes, weight, flags=["contract"])
                total = sums[r * blocks * VECTORS + b]
                added = builder.fadd(builder.load(total), product, flags=["contract"])
                builder.store(added, total)
    for place, total in zip(places, sums, strict=True):
        builder.store(builder.load(total), place, align=4)
    return context.get_dummy_value()


def _tile(rows: int, blocks: int) -> Any:
    """Return the micro-kernel for a tile: so many rows of x (R, K) times so many blocks of packed
    weights w (N, K, W), from a row and a block on, added to out (R, N W).
    """

    @intrinsic  # type: ignore[untyped-decorator,unused-ignore]
    def tile(typing: Any, x: Any, w: Any, out: Any, row: Any, block: Any) -> Any:
        return types.void(x, w, out, types.intp, types.intp), partial(_write_loop, rows, blocks)

    return tile


_four, _three, _two, _one = _tile(4, 1), _tile(3, 1), _tile(2, 1), _tile(1, 1)
_one_by_three = _tile(1, 3)  # sums of three vectors alone would wait for each other


@kernel
def _add_blocks(x: F32, w: F32, out: F32) -> None:
    """Add x (R, K) times w (N, K, W) to out (R, N W)."""
    R, N = x.shape[0], w.shape[0]
    threes = 0 if R < 3 or R == 5 else -R % ROWS  # 9 rows are three times three
    fours = (R - 3 * threes) // ROWS
    for n in range(N):
        for r in range(0, ROWS * fours, ROWS):
            _four(x, w, out, r, n)
        for r in range(ROWS * fours, ROWS * fours + 3 * threes, 3):
            _three(x, w, out, r, n)
    first, groups = ROWS * fours + 3 * threes, N // 3 * 3
    if R - first == 2:
        for n in range(N):
            _two(x, w, out, first, n)
    elif R - first == 1:
        for n in range(0, groups, 3):
            _one_by_three(x, w, out, first, n)
        for n in range(groups, N):
            _one(x, w, out, first, n)


@kernel
def _add_product(x: F32, w: F32, out: F32) -> None:
    full = out.shape[1] // COLUMNS
    _add_blocks(x, w[:full], out)
    if full < w.shape[0]:
        last = np.zeros((x.shape[0], COLUMNS), np.float32)
        _add_blocks(x, w[full:], last)
        for r in range(x.shape[0]):
            for m in range(full * COLUMNS, out.shape[1]):
                out[r, m] += last[r, m - full * COLUMNS]


def _add_in_python(x: F32, w: F32, out: F32) -> None:
    out += (x @ w.swapaxes(0, 1).reshape(x.shape[1], -1))[:, : out.shape[1]]


add_product = _add_in_python if config.DISABLE_JIT else _add_product
"""``add_product(x, w, out)``: add x (R, K) times w, packed from (K, M), to out (R, M); float32,
rows contiguous.
"""

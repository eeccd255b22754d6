"""The sequential part of an LSTM, forward and backward.

B batch, T steps, H hidden; gates in the order i, f, g, o; recurrent weights as
:func:`asr.sequence.products.pack_columns` packs them, in N blocks of W columns.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.kernels import FAST, kernel
from asr.sequence.products import ROWS, add_product, pack_columns

__all__ = ["ROWS", "backward", "forward", "pack_columns"]

F32 = npt.NDArray[np.float32]

# tanh as a rational function with Eigen's coefficients for float32
# (Eigen/src/Core/MathFunctionsImpl.h).
LIMIT = np.float32(7.90531110763549805)
ODD: tuple[float, ...] = tuple(
    np.array(
        [
            4.89352455891786e-03,
            6.37261928875436e-04,
            1.48572235717979e-05,
            5.12229709037114e-08,
            -8.60467152213735e-11,
            2.00018790482477e-13,
            -2.76076847742355e-16,
        ],
        np.float32,
    )
)
EVEN: tuple[float, ...] = tuple(
    np.array(
        [4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06],
        np.float32,
    )
)
ONE, HALF = np.float32(1), np.float32(0.5)


@kernel(inline="always", fastmath=FAST, error_model="numpy")
def _tanh(x: float) -> float:
    x = LIMIT if x > LIMIT else x
    x = -LIMIT if x < -LIMIT else x
    s = x * x
    p = ODD[6]
    p = p * s + ODD[5]
    p = p * s + ODD[4]
    p = p * s + ODD[3]
    p = p * s + ODD[2]
    p = p * s + ODD[1]
    p = p * s + ODD[0]
    q = EVEN[3]
    q = q * s + EVEN[2]
    q = q * s + EVEN[1]
    q = q * s + EVEN[0]
    return x * p / q


@kernel(inline="always", fastmath=FAST, error_model="numpy")
def _sigmoid(x: float) -> float:
    return HALF + HALF * _tanh(HALF * x)  # type: ignore[no-any-return]


@kernel(fastmath=FAST, error_model="numpy")
def forward(
    start: int, stop: int, gates: F32, bias: F32, h: F32, c: F32, squashed: F32, w_hh: F32
) -> None:
    """Run the sequences ``start`` to ``stop``: fill in h and c (T + 1, B, H) from step 1 on.

    gates (T, B, 4H): the input's contributions without the bias (4H,), replaced by the activations
    of the gates. squashed (T, B, H): tanh of c after each step. w_hh (N, H, W): the recurrent
    weights (H, 4H).
    """
    T, H = gates.shape[0], h.shape[2]
    bias_if, bias_g, bias_o = bias[: 2 * H], bias[2 * H : 3 * H], bias[3 * H :]
    for t in range(T):
        add_product(h[t, start:stop], w_hh, gates[t, start:stop])
        for b in range(start, stop):
            # slices, since loops that begin at k = 2 H are not vectorised: k might be negative
            both, g, o = gates[t, b, : 2 * H], gates[t, b, 2 * H : 3 * H], gates[t, b, 3 * H :]
            i, f = both[:H], both[H:]
            before, cell, tanh, out = c[t, b], c[t + 1, b], squashed[t, b], h[t + 1, b]
            for k in range(2 * H):
                both[k] = _sigmoid(both[k] + bias_if[k])
            for k in range(H):
                g[k] = _tanh(g[k] + bias_g[k])
            for k in range(H):
                o[k] = _sigmoid(o[k] + bias_o[k])
            for k in range(H):
                cell[k] = f[k] * before[k] + i[k] * g[k]
            for k in range(H):
                tanh[k] = _tanh(cell[k])
            for k in range(H):
                out[k] = o[k] * tanh[k]


@kernel(fastmath=FAST, error_model="numpy")
def backward(
    start: int,
    stop: int,
    gradients: F32,
    gates: F32,
    c: F32,
    squashed: F32,
    dy: F32,
    dh: F32,
    dc: F32,
    w_hh: F32,
) -> None:
    """Fill in the gradients (T, B, 4H) of the gates' inputs, for sequences ``start`` to ``stop``.

    dh and dc (B, H): gradients of the last state; they become those of the first state. gates
    (T, B, 4H), c (T + 1, B, H), squashed (T, B, H): as :func:`forward` leaves them. dy (T, B, H):
    gradients of the outputs. w_hh (N, 4H, W): the recurrent weights (4H, H).
    """
    T, H = dy.shape[0], dy.shape[2]
    for t in range(T - 1, -1, -1):
        for b in range(start, stop):
            gate, cell, tanh, above, from_h, from_c = (
                gates[t, b],
                c[t, b],
                squashed[t, b],
                dy[t, b],
                dh[b],
                dc[b],
            )
            gradient = gradients[t, b]
            for k in range(H):
                i, f, g, o = gate[k], gate[H + k], gate[2 * H + k], gate[3 * H + k]
                d = above[k] + from_h[k]
                e = from_c[k] + d * o * (ONE - tanh[k] * tanh[k])
                gradient[k] = e * g * i * (ONE - i)
                gradient[H + k] = e * cell[k] * f * (ONE - f)
                gradient[2 * H + k] = e * i * (ONE - g * g)
                gradient[3 * H + k] = d * tanh[k] * o * (ONE - o)
                from_c[k] = e * f
        dh[start:stop] = 0
        add_product(gradients[t, start:stop], w_hh, dh[start:stop])

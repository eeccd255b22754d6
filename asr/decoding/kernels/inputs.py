"""Check log-probabilities in one pass. T frames, V vocabulary."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

FINE, NAN, POSITIVE_INFINITY, POSITIVE, NOT_NORMALISED = 0, 1, 2, 3, 4
POSITIVE_TOLERANCE = 0.01
# Largest deviation of log(sum of probabilities) from 0; float16 and bfloat16 stay well within.
NORMALISATION_TOLERANCE = 0.1
# With more tokens than this, only every eighth frame and the last have their sums checked.
EVERY_FRAME_UP_TO = 64


@kernel(error_model="numpy", _nrt=False)
def first_fault(log_probs: npt.NDArray[np.float32]) -> tuple[int, int, int]:
    """Return (fault, frame, token) of the first fault of ``log_probs`` (T, V).

    (FINE, 0, 0) if there is none.
    """
    T, V = log_probs.shape
    # All values below this together add less than a thousandth to the sum, so their exponentials
    # are left out.
    negligible = np.float32(-7.0 - math.log(max(V, 1)))
    tolerance = np.float32(POSITIVE_TOLERANCE)
    for t in range(T):
        bad = 0
        for v in range(V):
            bad += not log_probs[t, v] <= tolerance  # NaN too; a loop without branches
        if bad > 0:
            for v in range(V):
                x = log_probs[t, v]
                if math.isnan(x):
                    return NAN, t, v
                if math.isinf(x) and x > 0:
                    return POSITIVE_INFINITY, t, v
                if x > tolerance:
                    return POSITIVE, t, v
        if V > EVERY_FRAME_UP_TO and t % 8 and t < T - 1:
            continue
        total = np.float32(0.0)
        for v in range(V):
            if log_probs[t, v] > negligible:
                total += math.exp(log_probs[t, v])
        if not abs(math.log(max(total, np.float32(1e-30)))) <= NORMALISATION_TOLERANCE:
            return NOT_NORMALISED, t, 0
    return FINE, 0, 0

"""One pass over log-probabilities that finds the first fault. T frames, V vocabulary."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

FINE, NAN, POSITIVE_INFINITY, POSITIVE, NOT_NORMALISED = 0, 1, 2, 3, 4
POSITIVE_TOLERANCE = 0.01
NORMALISATION_TOLERANCE = (
    0.1  # of the log of the sum: float16 and bfloat16 outputs stay well within
)


EVERY_FRAME_UP_TO = 64  # tokens; larger vocabularies have their sums checked on every eighth frame


@kernel(error_model="numpy", _nrt=False)
def first_fault(log_probs: npt.NDArray[np.float32]) -> tuple[int, int, int]:
    """Return (fault, frame, token) of the first fault of ``log_probs`` (T, V), (FINE, 0, 0) if
    there is none.
    """
    T, V = log_probs.shape
    # Values below this add less than a thousandth of the sum all together: their exponential is not
    # worth its time.
    negligible = np.float32(-7.0 - math.log(max(V, 1)))
    tolerance = np.float32(POSITIVE_TOLERANCE)
    for t in range(T):
        bad = 0
        for v in range(V):
            bad += not log_probs[t, v] <= tolerance  # NaN too; a loop without branches
        if bad > 0:
            for v in range(V):
                x = log_probs[t, v]
                if not x <= tolerance:
                    return (
                        (
                            NAN
                            if math.isnan(x)
                            else POSITIVE_INFINITY
                            if math.isinf(x)
                            else POSITIVE
                        ),
                        t,
                        v,
                    )
        if V > EVERY_FRAME_UP_TO and t % 8 and t < T - 1:
            continue
        total = np.float32(0.0)
        for v in range(V):
            if log_probs[t, v] > negligible:
                total += math.exp(log_probs[t, v])
        if not abs(math.log(max(total, np.float32(1e-30)))) <= NORMALISATION_TOLERANCE:
            return NOT_NORMALISED, t, 0
    return FINE, 0, 0

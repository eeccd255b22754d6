"""The weighted alignment of NIST's sclite, compiled; a module of its own, as it imports numba."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.kernels import kernel

__all__ = ["trace"]

_SUBSTITUTION, _GAP = 4, 3  # sclite's costs of a substitution and of an insertion or deletion
_EQUAL, _SUB, _DEL, _INS = (ord(code) for code in "=SDI")


@kernel
def trace(reference: NDArray[np.int64], hypothesis: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the edits (``=``, ``S``, ``D``, ``I`` as ASCII) with the lowest cost.

    Ties prefer the diagonal, then the insertion, then the deletion, as in sclite 2.10. Takes O(R H)
    time and bytes for R reference and H hypothesis words.
    """
    rows, columns = len(reference), len(hypothesis)
    back = np.empty((rows + 1, columns + 1), dtype=np.uint8)
    back[0, :], back[:, 0] = _INS, _DEL
    above = np.arange(columns + 1) * _GAP
    current = np.empty_like(above)
    for i in range(1, rows + 1):
        current[0] = i * _GAP
        for j in range(1, columns + 1):
            same = reference[i - 1] == hypothesis[j - 1]
            diagonal = above[j - 1] + (0 if same else _SUBSTITUTION)
            deletion, insertion = above[j] + _GAP, current[j - 1] + _GAP
            if diagonal <= deletion and diagonal <= insertion:
                current[j], back[i, j] = diagonal, _EQUAL if same else _SUB
            elif deletion < insertion:
                current[j], back[i, j] = deletion, _DEL
            else:
                current[j], back[i, j] = insertion, _INS
        above, current = current, above
    edits = np.empty(rows + columns, dtype=np.uint8)
    place, i, j = rows + columns, rows, columns
    while i > 0 or j > 0:
        place -= 1
        edit = back[i, j]
        edits[place] = edit
        if edit != _INS:
            i -= 1
        if edit != _DEL:
            j -= 1
    return edits[place:]

"""Complete a model so that its n-grams form a trie."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel
from asr.lm.model import NgramModel
from asr.lm.sorting import sorted_row_order
from asr.lm.trie import build_trie, score_rows

__all__ = ["close_prefixes"]


@kernel
def _mark_orphans(
    rows: npt.NDArray[np.int32], parents: npt.NDArray[np.int32], orphan: npt.NDArray[np.bool_]
) -> int:
    """Mark the first row of each prefix that is not among ``parents``; return how many.

    Rows and parents are sorted, so one pass over both is enough.
    """
    parent, marked, columns = 0, 0, parents.shape[1]
    for row in range(len(rows)):
        sign = -1
        while parent < len(parents):
            sign = 0
            for i in range(columns):
                if parents[parent, i] != rows[row, i]:
                    sign = 1 if parents[parent, i] > rows[row, i] else -1
                    break
            if sign >= 0:
                break
            parent += 1
        if sign == 0 and parent < len(parents):
            continue
        repeats = row > 0
        for i in range(columns):
            repeats = repeats and rows[row, i] == rows[row - 1, i]
        if not repeats:
            orphan[row] = True
            marked += 1
    return marked


def close_prefixes(model: NgramModel) -> NgramModel:
    """Return a model with the same scores that lists the prefix of every n-gram.

    A missing prefix is added with its backed-off probability and back-off weight 0 (log10).
    """
    rows, probs, backoffs = list(model.ngrams), list(model.log10_probs), list(model.log10_backoffs)
    added = False
    for n in range(model.order - 1, 0, -1):
        orphan = np.zeros(len(rows[n]), np.bool_)
        if not _mark_orphans(rows[n], rows[n - 1], orphan):
            continue
        added = True
        missing = rows[n][orphan, :-1]
        merged = np.concatenate([rows[n - 1], missing])
        order = sorted_row_order(merged, max(1, (len(model.words) - 1).bit_length()))
        rows[n - 1] = merged[order]
        probs[n - 1] = np.concatenate([probs[n - 1], np.full(len(missing), np.nan, np.float32)])[
            order
        ]
        backoffs[n - 1] = np.concatenate([backoffs[n - 1], np.zeros(len(missing), np.float32)])[
            order
        ]
    return _fill(NgramModel(model.words, rows, probs, backoffs)) if added else model


def _fill(model: NgramModel) -> NgramModel:
    """Replace NaN probabilities by backed-off probabilities, lowest order first."""
    trie = build_trie(model)
    for n in range(2, model.order):
        rows, probs = model.ngrams[n - 1], trie.log10_probs[trie.offsets[n - 1] : trie.offsets[n]]
        missing = np.flatnonzero(np.isnan(probs))
        lower = np.empty(len(missing))
        arrays = trie.last_words, trie.first_child, trie.log10_probs, trie.log10_backoffs
        score_rows(rows[missing], 1, *arrays, lower)
        nodes = missing + trie.offsets[n - 1]
        parents = np.searchsorted(trie.first_child, nodes, side="right") - 1
        probs[missing] = lower + trie.log10_backoffs[parents]
    filled = [
        trie.log10_probs[a:b] for a, b in zip(trie.offsets[:-1], trie.offsets[1:], strict=True)
    ]
    return NgramModel(model.words, model.ngrams, filled, model.log10_backoffs)

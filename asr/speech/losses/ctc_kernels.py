"""The forward-backward algorithm of CTC on one processor (Graves et al. 2006, sections 4.1, 4.2).

The states of an utterance are its labels with a blank before, between and after them. ``alpha`` of
a state is the probability of all paths that reach it, ``beta`` that of all paths from it to the
end. Both are kept as probabilities that are normalised in every frame, not as logarithms, so that a
state costs two additions and a product.

States from which the end is out of reach are left out; the others would be normalised against them.
Where the network finds many labels improbable (a long utterance early in training), the product of
alpha and beta falls below the range of numbers, and there is no answer.

Legend: B batch, T frames, V vocabulary, L labels, S = 2L + 1 states.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from asr.kernels import FAST, kernel

__all__ = ["posteriors"]

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

LEAST = 1e-280  # of sum(alpha * beta); terms down to 1e-16 of it still have all their digits


@kernel(fastmath=FAST, error_model="numpy")
def posteriors(
    start: int,
    stop: int,
    probs: F32,
    lens: I64,
    labels: I64,
    offsets: I64,
    label_lens: I64,
    gamma: F32,
    losses: F64,
) -> None:
    """Fill in -log P(labels), and the posterior probability of each symbol in each frame.

    Symbol 0 is the blank. A loss is left as it is where there is no answer.

    Args:
        start: first utterance to compute.
        stop: the one after the last.
        probs: (B, T, V).
        lens: (B,) valid frames.
        labels: of all utterances, one after another.
        offsets: (B,) place of each utterance's first label.
        label_lens: (B,).
        gamma: (B, T, V), all zero; gets the posterior probabilities.
        losses: (B,); gets -log P(labels).
    """
    for b in range(start, stop):
        T, L = lens[b], label_lens[b]
        S = 2 * L + 1
        symbol = np.zeros(S, np.int64)
        symbol[1::2] = labels[offsets[b] : offsets[b] + L]
        # 1 where a path may leave out the blank before a label: the label before it is another
        skip = np.zeros(S)
        for s in range(3, S, 2):
            skip[s] = 1.0 if symbol[s] != symbol[s - 2] else 0.0
        alpha, emitted = np.zeros((T, S)), np.zeros((T, S))
        reached, log_scale = _forward(probs[b, :T], symbol, skip, alpha, emitted)
        if not reached:
            continue
        # a path ends in the last label or in the blank after it
        end = alpha[T - 1, S - 1] + (alpha[T - 1, S - 2] if S > 1 else 0.0)
        if end > 0.0 and _backward(alpha, emitted, symbol, skip, gamma[b]):
            losses[b] = -(log_scale + np.log(end))


@kernel(fastmath=FAST, error_model="numpy")
def _forward(probs: F32, symbol: I64, skip: F64, alpha: F64, emitted: F64) -> tuple[bool, float]:
    """Fill in alpha (T, S), each frame normalised, and the probability of each state's symbol.

    Return whether a path reaches the last frame, and the sum of the logarithms of what the frames
    were divided by.
    """
    T, S = alpha.shape
    log_scale = 0.0
    for t in range(T):
        # the states that the start reaches and from which the end is in reach
        low, high = max(0, S - 2 * (T - t)), min(S, 2 * t + 2)
        row, out = alpha[t], emitted[t]
        for s in range(low, high):
            out[s] = probs[t, symbol[s]]
        if t == 0:
            for s in range(low, high):
                row[s] = out[s]
        else:
            before = alpha[t - 1]
            for s in range(low, min(high, 2)):
                row[s] = (before[s] + (before[s - 1] if s else 0.0)) * out[s]
            for s in range(max(low, 2), high):
                row[s] = (before[s] + before[s - 1] + skip[s] * before[s - 2]) * out[s]
        scale = row[low:high].sum() if low < high else 0.0
        if not scale > 0.0:
            return False, log_scale
        row[low:high] /= scale
        log_scale += np.log(scale)
    return T > 0, log_scale


@kernel(fastmath=FAST, error_model="numpy")
def _backward(alpha: F64, emitted: F64, symbol: I64, skip: F64, gamma: F32) -> bool:
    """Add the posterior probability of each state to that of its symbol in gamma (T, V).

    Return whether all products of alpha and beta lie within the range of numbers.
    """
    T, S = alpha.shape
    beta, ahead = np.zeros(S), np.zeros(S)
    beta[max(0, S - 2) :] = 1.0
    for t in range(T - 1, -1, -1):
        row, share = alpha[t], 0.0
        for s in range(S):
            share += row[s] * beta[s]
        if not share > LEAST:
            return False
        for s in range(S):
            gamma[t, symbol[s]] += row[s] * beta[s] / share
        if t:
            # beta of the frame before, from what each state emits here times its own beta
            out, largest = emitted[t], 0.0
            for s in range(S):
                ahead[s] = beta[s] * out[s]
                largest = max(largest, ahead[s])
            for s in range(S):
                ahead[s] /= largest
            beta[S - 1] = ahead[S - 1]
            for s in range(S - 2):
                beta[s] = ahead[s] + ahead[s + 1] + skip[s + 2] * ahead[s + 2]
            if S > 1:
                beta[S - 2] = ahead[S - 2] + ahead[S - 1]
    return True

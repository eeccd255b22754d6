"""CTC-CRF's denominator on one processor.

Legend: B batch, T frames, V vocabulary, S states of the label model, four utterances side by side
in the last axis of every array.

Forward and backward over the label model composed with the CTC topology. Each state has two masses:
of the paths whose last frame is its label (spoken) and of those whose last frame is a blank.
Probabilities, scaled in every frame, instead of logarithms: an arc costs a product and an addition.
What falls below the range in which products of two such numbers are normal ones becomes exactly 0.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.kernels import kernel

__all__ = ["LANES", "Automaton", "denominators"]

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
U32 = npt.NDArray[np.uint32]

LANES = 4  # utterances at once; weighted_sums is written for four
LEAST_PROB = np.float32(1e-14)
LEAST_MASS = np.float32(1e-24)  # times LEAST_PROB, still a normal float32
# no "reassoc": the arcs of a state would be vectorised, by gathers
FASTMATH = {"contract", "arcp", "nsz"}


class Automaton(NamedTuple):
    """Fields of :class:`asr.speech.losses.label_graph.LabelGraph`, arcs by target and by source."""

    begin: int
    label: I64
    backoff: I64
    backoff_weight: F32
    final: F32
    in_first: U32
    in_sources: U32
    in_weights: F32
    out_first: U32
    out_targets: U32
    out_weights: F32


@kernel(fastmath=FASTMATH, error_model="numpy")
def weighted_sums(first: U32, other: U32, weights: F32, values: F32, sums: F32) -> None:
    """Put into each row of ``sums`` the weighted sum of the ``values`` that its arcs name."""
    for row in range(len(first) - 1):
        a = b = c = d = np.float32(0.0)  # not an array: it could overlap, and would stay in memory
        for arc in range(first[row], first[row + 1]):
            weight, end = weights[arc], other[arc]
            a += weight * values[end, 0]
            b += weight * values[end, 1]
            c += weight * values[end, 2]
            d += weight * values[end, 3]
        sums[row, 0], sums[row, 1], sums[row, 2], sums[row, 3] = a, b, c, d


@kernel(fastmath=FASTMATH, error_model="numpy")
def _load_frame(probs: F32, row: int, t: int, lens: I64, scale: F32, frame: F32) -> None:
    """Put frame t times ``scale`` into ``frame`` (V + 1, LANES); 0 after an utterance's end."""
    V = probs.shape[2]
    for k in range(LANES):
        inside = row + k < len(lens) and t < lens[row + k]
        for v in range(V):
            p = probs[row + k, t, v] if inside else np.float32(0.0)
            frame[v, k] = np.float32(0.0) if p < LEAST_PROB else p * scale[k]


@kernel(fastmath=FASTMATH, error_model="numpy")
def _forward(
    probs: F32,
    row: int,
    lens: I64,
    graph: Automaton,
    history: F32,
    scales: F32,
    ends: F64,
    log_z: F64,
) -> None:
    """Fill in the spoken masses of every frame, what they are scaled with next, and log Z.

    history, scales (T + 1, S, LANES), row t + 1 after frame t; ends (LANES,): mass of an end after
    the last frame.
    """
    S, V, T = len(graph.label), probs.shape[2], len(history) - 1
    frame, sums = np.zeros((V + 1, LANES), np.float32), np.zeros((S, LANES), np.float32)
    mass, total = np.zeros((S, LANES), np.float32), np.zeros(LANES)
    # what arcs to another label start from, all mass, and those to the same label, that of blanks
    values = np.zeros((2 * S, LANES), np.float32)
    mass[graph.begin] = values[graph.begin] = values[S + graph.begin] = np.float32(1.0)
    history[0], scales[0] = np.float32(0.0), np.float32(1.0)
    for t in range(T):
        _load_frame(probs, row, t=t, lens=lens, scale=scales[t], frame=frame)
        before, after = history[t], history[t + 1]
        for s in range(S - 1, -1, -1):  # long histories first
            to, weight = graph.backoff[s], graph.backoff_weight[s]
            if to >= 0:
                for k in range(LANES):
                    values[to, k] += weight * values[s, k]
                    values[S + to, k] += weight * values[S + s, k]
        weighted_sums(graph.in_first, graph.in_sources, graph.in_weights, values, sums)
        total[:] = 0.0
        for s in range(S):
            v = graph.label[s]
            for k in range(LANES):
                x, y = (before[s, k] + sums[s, k]) * frame[v, k], mass[s, k] * frame[0, k]
                x = np.float32(0.0) if x < LEAST_MASS else x
                y = np.float32(0.0) if y < LEAST_MASS else y
                after[s, k], mass[s, k] = x, x + y
                values[s, k], values[S + s, k] = x + y, y
                total[k] += x + y
        for k in range(LANES):
            b = row + k
            if b < len(lens) and t < lens[b]:
                scales[t + 1, k] = np.float32(1.0 / total[k])
                log_z[b] += np.log(total[k])
                if t == lens[b] - 1:
                    for s in range(S):
                        ends[k] += mass[s, k] * graph.final[s]
                    log_z[b] += np.log(ends[k] / total[k])


@kernel(fastmath=FASTMATH, error_model="numpy")
def _backward(
    probs: F32,
    row: int,
    lens: I64,
    graph: Automaton,
    history: F32,
    scales: F32,
    ends: F64,
    gamma: F32,
) -> None:
    """Add to ``gamma`` (B, T, V) what :func:`_forward` leaves to be found."""
    S, V, T = len(graph.label), probs.shape[2], len(history) - 1
    frame, shares = np.zeros((V + 1, LANES), np.float32), np.zeros((V + 1, LANES), np.float32)
    after_spoken, after_blank = np.zeros((S, LANES), np.float32), np.zeros((S, LANES), np.float32)
    sums = np.zeros((2 * S, LANES), np.float32)
    for t in range(T - 1, -1, -1):
        shares[:] = np.float32(0.0)
        for k in range(LANES):
            if row + k < len(lens) and t == lens[row + k] - 1:
                after_spoken[:, k] = graph.final
                after_blank[:, k] = graph.final
        _load_frame(probs, row, t=t, lens=lens, scale=scales[t], frame=frame)
        for s in range(S):
            v = graph.label[s]
            for k in range(LANES):
                shares[v, k] += history[t + 1, s, k] * after_spoken[s, k]
                after_spoken[s, k] *= frame[v, k]
                after_blank[s, k] *= frame[0, k]
        for k in range(LANES):
            if row + k < len(lens) and t < lens[row + k]:
                rest = 1.0
                for v in range(1, V):
                    share = shares[v, k] / ends[k]
                    gamma[row + k, t, v] += share
                    rest -= share
                gamma[row + k, t, 0] += rest
        weighted_sums(graph.out_first, graph.out_targets, graph.out_weights, after_spoken, sums)
        for s in range(S):  # short histories first
            to, weight = graph.backoff[s], graph.backoff_weight[s]
            for k in range(LANES):
                if to >= 0:
                    sums[s, k] += weight * sums[to, k]
                    sums[S + s, k] += weight * sums[S + to, k]
                onward = after_blank[s, k] + sums[s, k]
                after_spoken[s, k] += onward
                after_blank[s, k] = onward + sums[S + s, k]


@kernel(fastmath=FASTMATH, error_model="numpy")
def denominators(
    start: int, stop: int, probs: F32, lens: I64, graph: Automaton, gamma: F32, log_z: F64
) -> None:
    """Fill in log Z and, for each frame, how probable each symbol is in it.

    probs, gamma (B, T, V); lens, log_z (B,); gamma and log_z all zero. Only the utterances from
    ``start`` to ``stop``.
    """
    for row in range(start, stop, LANES):
        those = lens[: min(stop, row + LANES)]
        T = those[row:].max()
        history = np.empty((T + 1, len(graph.label), LANES), np.float32)
        scales, ends = np.zeros((T + 1, LANES), np.float32), np.zeros(LANES)
        _forward(
            probs,
            row,
            lens=those,
            graph=graph,
            history=history,
            scales=scales,
            ends=ends,
            log_z=log_z,
        )
        _backward(
            probs,
            row,
            lens=those,
            graph=graph,
            history=history,
            scales=scales,
            ends=ends,
            gamma=gamma,
        )

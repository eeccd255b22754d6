"""CTC over a graph of spellings on one processor.

Legend: B batch, T frames, V vocabulary, N nodes of an utterance; node N stands for the beginning.

As asr/speech/losses/ctc_kernels.py, whose labels are a chain: every node has a state for its label
(spoken) and one for the blank after it, and the beginning has a blank too. Probabilities,
normalised in every frame; no answer where they leave the range of numbers. States from which the
end is out of reach are left out: whatever they would hold, the others would be measured against it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.kernels import FAST, kernel

__all__ = ["Graph", "spelling_posteriors"]

F64 = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]

LEAST = 1e-280  # products down to 1e-16 of it still have all their digits
FAR = 1 << 40  # frames


class Graph(NamedTuple):
    """Fields of :class:`asr.speech.losses.spellings.Spelling`."""

    labels: I64
    first: I64
    sources: I64
    weights: F64
    ends: F64


@kernel
def _frames_needed(graph: Graph) -> I64:
    """Return (2, N + 1): the fewest frames to an end from each node's label and from its blank."""
    N = len(graph.labels)
    needed = np.full((2, N + 1), FAR)
    for n in range(N):
        if graph.ends[n] > 0.0:
            needed[:, n] = 0
    for n in range(N - 1, -1, -1):
        for arc in range(graph.first[n], graph.first[n + 1]):
            source = graph.sources[arc]
            again = source < N and graph.labels[source] == graph.labels[n]  # a blank between
            needed[0, source] = min(needed[0, source], needed[0, n] + (2 if again else 1))
            needed[1, source] = min(needed[1, source], needed[0, n] + 1)
    return needed


@kernel(fastmath=FAST, error_model="numpy")
def _forward(probs: F32, graph: Graph, spoken: F64, blank: F64) -> float:
    """Fill in the masses (T, N + 1), normalised in every frame; return the log of their scale.

    Not a number where nothing leads to an end.
    """
    T, N = len(spoken), len(graph.labels)
    needed, total = _frames_needed(graph), 0.0
    spoken[:], blank[:] = 0.0, 0.0
    for t in range(T):
        left, scale = T - 1 - t, 0.0
        if needed[1, N] <= left:
            blank[t, N] = scale = (blank[t - 1, N] if t else 1.0) * probs[t, 0]
        for n in range(N):
            if needed[1, n] > left:
                continue
            mass = spoken[t - 1, n] if t else 0.0
            for arc in range(graph.first[n], graph.first[n + 1]):
                source = graph.sources[arc]
                if t == 0:
                    onward = 1.0 if source == N else 0.0
                else:
                    onward = blank[t - 1, source]
                    if source == N or graph.labels[source] != graph.labels[n]:
                        onward += spoken[t - 1, source]
                mass += graph.weights[arc] * onward
            if needed[0, n] <= left:
                spoken[t, n] = mass * probs[t, graph.labels[n]]
            if t:
                blank[t, n] = (spoken[t - 1, n] + blank[t - 1, n]) * probs[t, 0]
            scale += spoken[t, n] + blank[t, n]
        if not scale > 0.0:
            return np.nan
        spoken[t] /= scale
        blank[t] /= scale
        total += np.log(scale)
    return total


@kernel(fastmath=FAST, error_model="numpy")
def _backward(probs: F32, graph: Graph, spoken: F64, blank: F64, gamma: F32) -> bool:
    """Add to ``gamma`` (T, V) the share of each symbol; return whether the numbers sufficed."""
    T, N = len(spoken), len(graph.labels)
    after_spoken, after_blank = np.zeros(N + 1), np.zeros(N + 1)
    next_spoken, next_blank = np.zeros(N + 1), np.zeros(N + 1)
    after_spoken[:N] = graph.ends
    after_blank[:N] = graph.ends
    for t in range(T - 1, -1, -1):
        share = 0.0
        for n in range(N + 1):
            share += spoken[t, n] * after_spoken[n] + blank[t, n] * after_blank[n]
        if not share > LEAST:
            return False
        largest = 0.0
        for n in range(N + 1):
            gamma[t, 0] += blank[t, n] * after_blank[n] / share
            next_blank[n] = after_blank[n] * probs[t, 0]
            if n < N:
                label = graph.labels[n]
                gamma[t, label] += spoken[t, n] * after_spoken[n] / share
                next_spoken[n] = after_spoken[n] * probs[t, label]
            largest = max(largest, next_spoken[n], next_blank[n])
        for n in range(N + 1):
            next_spoken[n] /= largest
            after_blank[n] = next_blank[n] / largest
            after_spoken[n] = next_spoken[n] + after_blank[n]
        for n in range(N):
            for arc in range(graph.first[n], graph.first[n + 1]):
                source = graph.sources[arc]
                onward = graph.weights[arc] * next_spoken[n]
                after_blank[source] += onward
                if source == N or graph.labels[source] != graph.labels[n]:
                    after_spoken[source] += onward
    return True


@kernel
def spelling_posteriors(
    start: int,
    stop: int,
    probs: F32,
    lens: I64,
    graphs: Graph,
    nodes: I64,
    arcs: I64,
    gamma: F32,
    losses: F64,
) -> None:
    """Fill in -log of the weighted probability of all spellings, and each symbol's in each frame.

    probs, gamma (B, T, V), gamma all zero; lens, losses (B,); graphs, nodes and arcs as in
    :class:`asr.speech.losses.spellings.Spellings`. A loss is left as it is where there is no
    answer. Only the utterances from ``start`` to ``stop``.
    """
    for b in range(start, stop):
        T, low, high = lens[b], nodes[b], nodes[b + 1]
        graph = Graph(
            graphs.labels[low:high],
            graphs.first[low + b : high + b + 1],
            graphs.sources[arcs[b] : arcs[b + 1]],
            graphs.weights[arcs[b] : arcs[b + 1]],
            graphs.ends[low:high],
        )
        spoken, blank = np.empty((T, high - low + 1)), np.empty((T, high - low + 1))
        total, end = _forward(probs[b, :T], graph, spoken, blank), 0.0
        for n in range(high - low):
            end += (spoken[T - 1, n] + blank[T - 1, n]) * graph.ends[n] if T else 0.0
        if not end > 0.0 or not _backward(probs[b, :T], graph, spoken, blank, gamma[b]):
            continue
        losses[b] = -(total + np.log(end))

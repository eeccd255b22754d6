"""Compiled loops of the search: scores forward, and the path backward.

A choice is a byte: how the best path comes into a state. 0 always stays where it is.

| state | 1 | 2 | more |
|---|---|---|---|
| node (0: from its silence) | from its star | from the node before: a word is skipped | |
| silence (0: from its node) | from the word before, by its first pronunciation | its second | ... |
| star | from its node | from the word before, by its first pronunciation | ... |
| first token of a word | from its node | from the word before, by its first pronunciation | ... |
| blank in a word | from the token before | | |
| other token | from the blank before | from the token before that | |

Legend: T frames, W words, S states, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from asr.kernels import kernel

__all__ = ["close", "forward", "longest_rising", "trace"]

RENORMALISE = 32  # frames; scores are relative to the best one, so that 32 bits are enough


@kernel(_nrt=False, inline="always")
def _boundary(graph: Any, frame: Any, scores: Any, choices: Any, word: int) -> None:
    """Compute the three states of a boundary."""
    old, new = scores
    node = graph.nodes[word]
    end, place = np.float32(-np.inf), 0
    score, choice = old[node + 1], 0
    if old[node + 2] > score:
        score, choice = old[node + 2], 1
    if word > 0:
        for way in range(graph.ways[word - 1], graph.ways[word]):
            if old[graph.last[way]] > end:
                end, place = old[graph.last[way]], way - graph.ways[word - 1]
        skipped = new[graph.nodes[word - 1]] - graph.skips[word - 1]
        if skipped > score:
            score, choice = skipped, 2
    new[node], choices[node] = score, choice
    if end > score:
        new[node + 1], choices[node + 1] = end + frame[0], 1 + place
    else:
        new[node + 1], choices[node + 1] = score + frame[0], 0
    best, choice, star_open = old[node + 2], 0, np.float32(graph.star_open)
    if score - star_open > best:
        best, choice = score - star_open, 1
    if end - star_open > best:
        best, choice = end - star_open, 2 + place
    new[node + 2], choices[node + 2] = best + frame[-1], choice


@kernel(_nrt=False, inline="always")
def _first_token(graph: Any, frame: Any, scores: Any, choices: Any, place: Any) -> None:
    """Compute the first state of a pronunciation; ``place`` is its word and its number."""
    old, new = scores
    word, way = place
    node, state = graph.nodes[word], graph.first[way]
    label = graph.labels[state]
    score, choice = old[state], 0
    if new[node] > score:
        score, choice = new[node], 1
    if word > 0:
        begin = graph.ways[word - 1]
        for before in range(begin, graph.ways[word]):
            end = graph.last[before]
            # equal tokens need a blank in between
            if old[end] > score and graph.labels[end] != label:
                score, choice = old[end], 2 + before - begin
    new[state], choices[state] = score + frame[label], choice


@kernel(_nrt=False, inline="always")
def _inner(labels: Any, jumps: Any, frame: Any, scores: Any, choices: Any) -> None:
    """Compute states as if all lay within words: one loop without branches, as vectors.

    Args:
        labels: of n states and of the two before them, (n + 2,).
        jumps: see :class:`asr.speech.viterbi.graph.GraphArrays`, likewise.
        frame: log-probabilities, (V + 1,).
        scores: of the frame before, and of this one, likewise.
        choices: likewise.
    """
    old, new = scores
    stay, step, jump = old[2:], old[1:-1], old[:-2]
    costs, tokens, written, chosen = jumps[2:], labels[2:], new[2:], choices[2:]
    for i in range(len(stay)):
        score, choice = stay[i], np.uint8(0)
        steps = step[i] > score
        score, choice = (step[i], np.uint8(1)) if steps else (score, choice)
        skipped = jump[i] - costs[i]
        skips = skipped > score
        score, choice = (skipped, np.uint8(2)) if skips else (score, choice)
        written[i], chosen[i] = score + frame[np.uint32(tokens[i])], choice


@kernel(_nrt=False)
def _renormalise(scores: Any) -> None:
    best = scores[0]
    for i in range(len(scores)):
        best = max(best, scores[i])
    if best > -np.inf:
        for i in range(len(scores)):
            scores[i] -= best


@kernel(_nrt=False)
def forward(graph: Any, log_probs: Any, band: Any, scores: Any, choices_room: Any) -> int:
    """Advance the scores of all states over frames; return the row of ``scores`` that has them.

    Args:
        graph: :class:`asr.speech.viterbi.graph.GraphArrays`.
        log_probs: (T, V + 1), the star's last.
        band: first and last boundary that each frame may be at, (T, 2); neither falls.
        scores: (2, S); the first row holds those before the first frame, and minus infinity beyond
            the band; all are overwritten.
        choices_room: choices (T, width), each row from the node of its first boundary on; or
            (0, 0), which keeps none; and room for one row of all states, (S,).
    """
    choices, chosen = choices_room
    num_words, labels = len(graph.skips), graph.labels
    row, first, before = 0, 0, 0
    for t in range(len(log_probs)):
        old, new, frame = scores[row], scores[1 - row], log_probs[t]
        lo, hi = band[t, 0], band[t, 1]
        # what has left the band since the row was last used, two frames ago
        for i in range(graph.nodes[before], graph.nodes[lo]):
            new[i] = -np.inf
        before, first = first, lo
        base = graph.nodes[lo]
        stop = graph.nodes[hi + 1] if hi < num_words else len(labels)
        begin = base + 1  # two states are looked back at
        rows = (old[begin:stop], new[begin:stop])
        _inner(labels[begin:stop], graph.jumps[begin:stop], frame, rows, chosen[begin:stop])
        for word in range(lo, hi + 1):
            _boundary(graph, frame, (old, new), chosen, word)
            if word < num_words:
                for way in range(graph.ways[word], graph.ways[word + 1]):
                    _first_token(graph, frame, (old, new), chosen, (word, way))
        if len(choices) > 0:
            for i in range(base, stop):
                choices[t, i - base] = chosen[i]
        row = 1 - row
        if t % RENORMALISE == RENORMALISE - 1:
            _renormalise(scores[row, base:stop])
    return row


@kernel(_nrt=False)
def close(graph: Any, scores: Any, lo: int) -> int:
    """Return the last state of the best path through the whole text; -1: there is none.

    Args:
        graph: the text.
        scores: after the last frame, (S,).
        lo: first boundary that the last frame may be at.
    """
    num_words = len(graph.skips)
    best, state = np.float32(-np.inf), -1
    if num_words > 0:
        for way in range(graph.ways[num_words - 1], graph.ways[num_words]):
            if scores[graph.last[way]] > best:
                best, state = scores[graph.last[way]], graph.last[way]
    cost = np.float32(0)
    for word in range(num_words, lo - 1, -1):
        for shift in (1, 2):
            score = scores[graph.nodes[word] + shift] - cost
            if score > best:
                best, state = score, graph.nodes[word] + shift
        if word > 0:
            cost += graph.skips[word - 1]
    return state


@kernel(_nrt=False)
def _previous(graph: Any, state: int, word: int, choice: int) -> Any:
    """Return the state that a choice comes from, and its word; a node stands for itself."""
    shift = state - graph.nodes[word]
    if shift == 1:
        if choice == 0:
            return graph.nodes[word], word
        return graph.last[graph.ways[word - 1] + choice - 1], word - 1
    if choice == 0:
        return state, word
    is_first = False
    for way in range(graph.ways[word], graph.ways[word + 1] if word < len(graph.skips) else 0):
        is_first = is_first or graph.first[way] == state
    if shift == 2 or is_first:
        if choice == 1:
            return graph.nodes[word], word
        return graph.last[graph.ways[word - 1] + choice - 2], word - 1
    return state - choice, word


@kernel(_nrt=False)
def trace(graph: Any, band: Any, choices: Any, state: int, path: Any) -> int:
    """Write the state of each frame into ``path`` (T,), and return the one before the first frame.

    Args:
        graph: the text.
        band: see :func:`forward`.
        choices: that :func:`forward` wrote, (T, width).
        state: of the last frame.
        path: of these frames, (T,).
    """
    word, after = 0, len(graph.nodes)  # of the last node that is not behind the state
    while after - word > 1:
        middle = (word + after) // 2
        if graph.nodes[middle] <= state:
            word = middle
        else:
            after = middle
    for t in range(len(path) - 1, -1, -1):
        path[t] = state
        base = graph.nodes[band[t, 0]]
        state, word = _previous(graph, state, word, choices[t, state - base])
        while state == graph.nodes[word]:
            choice = choices[t, state - base]
            if choice == 2:
                word -= 1
                state = graph.nodes[word]
            else:
                state += 1 + choice
    return state


@kernel(_nrt=False)
def longest_rising(values: Any, ends: Any, before: Any, row: Any) -> int:
    """Write the indices of the longest rising row of ``values``; return its length (Schensted
    1961).

    Args:
        values: (N,).
        ends: room for the last index of the rows of each length whose value is lowest, (N,).
        before: room for what comes before each index in its row, (N,).
        row: the indices, (N,).
    """
    length = 0
    for index in range(len(values)):
        low, high = 0, length
        while low < high:
            middle = (low + high) // 2
            if values[ends[middle]] < values[index]:
                low = middle + 1
            else:
                high = middle
        before[index] = ends[low - 1] if low > 0 else -1
        ends[low] = index
        length = max(length, low + 1)
    index = ends[length - 1] if length > 0 else -1
    for place in range(length - 1, -1, -1):
        row[place] = index
        index = before[index]
    return length

"""From the last beam to hypotheses: closing, merging equal texts, alignment, word posteriors.

B beam rows, T frames, V vocabulary, L tokens.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels.beam import (
    BLANK,
    COUNT,
    CURRENT,
    END_LM,
    END_STATE,
    EXTRA,
    HOT,
    LEX,
    LM,
    MISSES,
    NODE,
    OTHER,
    STATE,
    WORDS,
    Hotwords,
    Language,
    Options,
    Search,
    _ask,
    close_word,
    closing_extra,
)
from asr.kernels import kernel

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

SCORE, ACOUSTIC, LM_SCORE = 0, 1, 2
EOS = 2


@kernel(error_model="numpy", _nrt=False)
def _weights(o: Options, g: Language, h: Hotwords, s: Search, current: int, row: int) -> float:
    """Logarithm of the weights in a row's mass."""
    lex = s.ints[current, row, LEX]
    weight = o.lm_alpha * s.floats[current, row, LM] + o.lm_beta * s.ints[current, row, WORDS]
    weight += s.floats[current, row, EXTRA]
    if o.hot:
        weight += h.pending[s.ints[current, row, HOT]]
    return weight + math.log(g.factors[lex] if lex >= 0 else o.unknown_factor)


@kernel(error_model="numpy", _nrt=False)
def close(o: Options, g: Language, h: Hotwords, s: Search, scores: F64) -> int:
    """Scores (B, 3) of every row with its open word closed and the sentence ended; -inf where the
    lexicon forbids it.

    Returns the number of queries that a lazily filled model lacks; then the scores mean nothing
    yet.
    """
    current = s.counters[CURRENT]
    floats, ints = s.floats[current], s.ints[current]
    for row in range(s.counters[COUNT]):
        mass = (
            max(floats[row, BLANK], floats[row, OTHER])
            if o.use_max
            else floats[row, BLANK] + floats[row, OTHER]
        )
        acoustic = s.scale[0] + math.log(mass) - _weights(o, g, h, s, current, row)
        lm, extra, words, state = (
            floats[row, LM],
            floats[row, EXTRA],
            ints[row, WORDS],
            ints[row, STATE],
        )
        lex = ints[row, LEX]
        scores[row, ACOUSTIC] = acoustic
        if lex != 0:
            if not close_word(o, g, s, current, row):
                scores[row, SCORE] = -np.inf
                continue
            lm += floats[row, END_LM]
            extra += closing_extra(o, g, lex)
            words += 1
            state = max(ints[row, END_STATE], 0)
            if o.hot:
                extra += h.earned[h.follow[ints[row, HOT], 1]]
        if o.word_lm or o.token_lm:
            lm += _ask(g, s, state, EOS)[0]
        scores[row, LM_SCORE] = lm
        scores[row, SCORE] = acoustic + o.lm_alpha * lm + o.lm_beta * words + extra
    return s.counters[MISSES]


@kernel(error_model="numpy", _nrt=False)
def trace(s: Search, row: int, tokens: I32, frames: I32) -> int:
    """Tokens of a row and the frames at which the search first met them; returns their number L."""
    node = s.ints[s.counters[CURRENT], row, NODE]
    length = 0
    while node > 0:
        length += 1
        node = s.arena[node, 0]
    if length > len(tokens):
        return length
    node = s.ints[s.counters[CURRENT], row, NODE]
    for i in range(length - 1, -1, -1):
        tokens[i], frames[i] = s.arena[node, 1], s.arena[node, 2]
        node = s.arena[node, 0]
    return length


@kernel(error_model="numpy", _nrt=False)
def word_hashes(
    tokens: I32, starts: npt.NDArray[np.bool_], codes: I32, first: I64, out: U64
) -> int:
    """One hash per word of a token sequence, from its characters; returns the number of words."""
    n, fresh = 0, True
    for token in tokens:
        fresh = fresh or starts[token]
        for i in range(first[token], first[token + 1]):
            if fresh:
                out[n] = np.uint64(0x9E3779B97F4A7C15)
                n += 1
                fresh = False
            x = (out[n - 1] ^ np.uint64(codes[i])) * np.uint64(0xD6E8FEB86659FD93)
            out[n - 1] = x ^ (x >> np.uint64(32))
    return n


@kernel
def texts(
    s: Search, starts: npt.NDArray[np.bool_], codes: I32, first: I64, hashes: U64, bounds: I64
) -> None:
    """Word hashes of all rows, one after the other; row r has ``hashes[bounds[r]:bounds[r + 1]]``."""
    total = 0
    tokens, frames = np.empty(64, np.int32), np.empty(64, np.int32)
    for row in range(s.counters[COUNT]):
        length = trace(s, row, tokens, frames)
        if length > len(tokens):
            tokens, frames = np.empty(2 * length, np.int32), np.empty(2 * length, np.int32)
            trace(s, row, tokens, frames)
        bounds[row] = total
        total += word_hashes(tokens[:length], starts, codes, first, hashes[total:])
    bounds[s.counters[COUNT]] = total


@kernel(error_model="numpy", _nrt=False)
def _rank(scores: F64, n: int, order: I64, filled: bool) -> None:
    """Sort ``order[:n]`` (first filled with 0 ... n - 1 unless it is) by falling score; stable."""
    for i in range(n):
        row = order[i] if filled else i
        j = i
        while j > 0 and scores[order[j - 1], SCORE] < scores[row, SCORE]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = row


@kernel
def merge(scores: F64, hashes: U64, bounds: I64, use_max: bool, order: I64) -> int:
    """Rows of different texts, best first, into ``order``; equal texts add up in the best of them.

    Returns how many.
    """
    B = len(bounds) - 1
    ranked = np.empty(B, np.int64)
    _rank(scores, B, ranked, False)
    keys = np.empty(B, np.uint64)
    n = 0
    for row in ranked:
        if scores[row, SCORE] == -np.inf:
            break
        key = np.uint64(bounds[row + 1] - bounds[row])
        for i in range(bounds[row], bounds[row + 1]):
            key = (key ^ hashes[i]) * np.uint64(0xD6E8FEB86659FD93)
            key ^= key >> np.uint64(32)
        same = -1
        for i in range(n):
            if keys[i] == key:
                same = i
                break
        if same < 0:
            keys[n], order[n] = key, row
            n += 1
        elif not use_max:
            best = order[same]
            gain = math.log1p(math.exp(scores[row, SCORE] - scores[best, SCORE]))
            scores[best, SCORE] += gain
            scores[best, ACOUSTIC] += gain
    _rank(scores, n, order, True)
    return n


@kernel(error_model="numpy", _nrt=False)
def align(
    log_probs: F32,
    tokens: I32,
    met: I32,
    score: F32,
    back: npt.NDArray[np.uint8],
    starts: I32,
    ends: I32,
    peaks: F64,
) -> bool:
    """Best alignment of tokens (L,) to ``log_probs`` (T, V): first frame, frame after the last,
    best log p of each.

    Viterbi over blanks and tokens in turn (Graves et al. 2006, section 4.1), from the frames
    ``met`` (L,) at which the search first met each token on. ``score`` (2 L + 1,) and ``back`` (T,
    2 L + 1) are workspace. False if none exists.
    """
    T, L = len(log_probs), len(tokens)
    S = 2 * L + 1
    score[:S] = -np.inf
    reached = 0  # tokens met up to now
    for t in range(T):
        while reached < L and met[reached] <= t:
            reached += 1
        low = max(0, S - 2 * (T - t))  # states from which the end is still in reach
        p_blank = log_probs[t, 0]
        for i in range(2 * reached, low - 1, -1):
            best, step = score[i], 0
            if t == 0:
                best = np.float32(0.0 if i < 2 else -np.inf)
            elif i > 0:
                if score[i - 1] > best:
                    best, step = score[i - 1], 1
                if (
                    i & 1
                    and i > 2
                    and score[i - 2] > best
                    and tokens[(i >> 1) - 1] != tokens[i >> 1]
                ):
                    best, step = score[i - 2], 2
            score[i] = best + (log_probs[t, tokens[i >> 1]] if i & 1 else p_blank)
            back[t, i] = step
        if low > 1:
            score[max(0, low - 4) : low] = -np.inf
    state = S - 1 if L == 0 or score[S - 1] >= score[S - 2] else S - 2
    if score[state] == -np.inf:
        return False
    peaks[:] = -np.inf
    ends[:] = -1
    for t in range(T - 1, -1, -1):
        if state & 1:
            i = state >> 1
            starts[i] = t
            if ends[i] < 0:
                ends[i] = t + 1
            peaks[i] = max(peaks[i], np.float64(log_probs[t, tokens[i]]))
        state -= back[t, state]
    return True


@kernel
def agreement(hashes: U64, bounds: I64, weights: F64, rows: I64, best: int, out: F64) -> None:
    """For every word of row ``best`` the weight of the rows that have it at the aligned place, into
    ``out``.

    Rows are aligned by edit distance; what they have in common at the ends is matched at once.
    """
    a = hashes[bounds[best] : bounds[best + 1]]
    out[: len(a)] = 0.0
    for r in range(len(rows)):
        b = hashes[bounds[rows[r]] : bounds[rows[r] + 1]]
        head = 0
        while head < min(len(a), len(b)) and a[head] == b[head]:
            head += 1
        tail = 0
        while tail < min(len(a), len(b)) - head and a[len(a) - 1 - tail] == b[len(b) - 1 - tail]:
            tail += 1
        for i in range(head):
            out[i] += weights[r]
        for i in range(len(a) - tail, len(a)):
            out[i] += weights[r]
        _match_middle(a[head : len(a) - tail], b[head : len(b) - tail], weights[r], out[head:])


@kernel
def _match_middle(a: U64, b: U64, weight: float, out: F64) -> None:
    n, m = len(a), len(b)
    if n == 0 or m == 0:
        return
    cost = np.empty((n + 1, m + 1), np.int32)
    for i in range(n, -1, -1):
        for j in range(m, -1, -1):
            if i == n or j == m:
                cost[i, j] = n - i + m - j
            else:
                step = cost[i + 1, j + 1] + (0 if a[i] == b[j] else 1)
                cost[i, j] = min(step, cost[i + 1, j] + 1, cost[i, j + 1] + 1)
    i, j = 0, 0
    while i < n and j < m:
        if cost[i, j] == cost[i + 1, j + 1] + (0 if a[i] == b[j] else 1):
            if a[i] == b[j]:
                out[i] += weight
            i += 1
            j += 1
        elif cost[i, j] == cost[i + 1, j] + 1:
            i += 1
        else:
            j += 1

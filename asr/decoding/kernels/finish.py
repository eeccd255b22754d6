"""Turn the last beam into hypotheses: close words, merge equal texts, align, agreement of words.

B beam rows, T frames, V vocabulary, L tokens.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels.layout import (
    BLANK,
    COUNT,
    CURRENT,
    END_LM,
    END_STATE,
    EXTRA,
    HOT,
    LEX,
    LM,
    LOG_SCALE,
    MISSES,
    NODE,
    OTHER,
    STATE,
    WORDS,
    Hotwords,
    Language,
    Options,
    Search,
    add,
    ask,
    close_word,
    closing_extra,
    look_ahead_factor,
)
from asr.kernels import kernel

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

SCORE, ACOUSTIC, LM_SCORE = 0, 1, 2
EOS = 2


class Spelling(NamedTuple):
    """How tokens make words: whether a token starts a word, and which characters it adds."""

    starts: npt.NDArray[np.bool_]  # (V,)
    codes: I32  # characters of all tokens
    first: I64  # (V + 1,) token v has the characters codes[first[v] : first[v + 1]]


class Texts(NamedTuple):
    """Texts of all rows as word hashes; row r has ``hashes[bounds[r] : bounds[r + 1]]``."""

    hashes: U64
    bounds: I64  # (B + 1,)


class Alignment(NamedTuple):
    """Workspace and result of an alignment of L tokens to T frames."""

    score: F32  # (2 L + 1,) score of the best path into each state
    back: npt.NDArray[np.uint8]  # (T, 2 L + 1) how many states the best path moved: 0, 1 or 2
    starts: I32  # (L,) first frame of each token
    ends: I32  # (L,) frame after the last
    peaks: F64  # (L,) best log-probability


@kernel(error_model="numpy", _nrt=False)
def weight_of(o: Options, g: Language, h: Hotwords, s: Search, row: int) -> float:
    """Return the logarithm of the weights that a row's mass has beside its CTC probability."""
    current = s.counters[CURRENT]
    lex = s.ints[current, row, LEX]
    weight = o.lm_alpha * s.floats[current, row, LM] + o.lm_beta * s.ints[current, row, WORDS]
    weight += s.floats[current, row, EXTRA]
    if o.hot:
        weight += h.pending[s.ints[current, row, HOT]]
    return weight + math.log(look_ahead_factor(o, g, lex))


@kernel(error_model="numpy", _nrt=False)
def close(o: Options, g: Language, h: Hotwords, s: Search, scores: F64) -> int:
    """Fill in the scores (B, 3) of every row with its open word closed and the sentence ended.

    -inf if the open word is not in the lexicon. Returns the number of queries that a lazily filled
    model could not answer; unless it is 0, the scores are not valid yet.
    """
    current = s.counters[CURRENT]
    floats, ints = s.floats[current], s.ints[current]
    for row in range(s.counters[COUNT]):
        # Take every weight out again, look-ahead included: the CTC score is left.
        mass = add(floats[row, BLANK], floats[row, OTHER], o.use_max)
        acoustic = s.scale[LOG_SCALE] + math.log(mass) - weight_of(o, g, h, s, row)
        lm, extra = floats[row, LM], floats[row, EXTRA]
        words, state = ints[row, WORDS], ints[row, STATE]
        lex = ints[row, LEX]
        scores[row, ACOUSTIC] = acoustic
        if lex != 0:
            if not close_word(o, g, s, current, row):
                scores[row, SCORE] = -np.inf
                continue
            lm += floats[row, END_LM]
            extra += closing_extra(g, lex)
            words += 1
            state = max(ints[row, END_STATE], 0)
            if o.hot:  # the end of a sentence is a word boundary: a phrase may end here
                extra += h.earned[h.follow[ints[row, HOT], 1]]
        if o.boundary and (o.word_lm or o.token_lm):
            lm += ask(g, s, state, EOS)[0]
        scores[row, LM_SCORE] = lm
        scores[row, SCORE] = acoustic + o.lm_alpha * lm + o.lm_beta * words + extra
    return s.counters[MISSES]


@kernel(error_model="numpy", _nrt=False)
def trace(s: Search, row: int, tokens: I32, frames: I32) -> int:
    """Fill in the tokens of a row and the frames that first reached them; return their number L.

    If there is no room for L tokens, nothing is written.
    """
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
def word_hashes(tokens: I32, spelling: Spelling, out: U64) -> int:
    """Hash each word of a token sequence by its characters; return the number of words."""
    n, fresh = 0, True
    for token in tokens:
        fresh = fresh or spelling.starts[token]
        for i in range(spelling.first[token], spelling.first[token + 1]):
            if fresh:
                out[n] = np.uint64(0x9E3779B97F4A7C15)
                n += 1
                fresh = False
            x = (out[n - 1] ^ np.uint64(spelling.codes[i])) * np.uint64(0xD6E8FEB86659FD93)
            out[n - 1] = x ^ (x >> np.uint64(32))
    return n


@kernel(error_model="numpy", _nrt=False)
def texts(s: Search, spelling: Spelling, texts: Texts, tokens: I32, frames: I32) -> None:
    """Fill in the word hashes of all rows; ``tokens`` and ``frames`` are workspace, (T,)."""
    hashes, bounds = texts
    total = 0
    for row in range(s.counters[COUNT]):
        length = trace(s, row, tokens, frames)
        bounds[row] = total
        total += word_hashes(tokens[:length], spelling, hashes[total:])
    bounds[s.counters[COUNT]] = total


@kernel(error_model="numpy", _nrt=False)
def _rank(scores: F64, n: int, order: I64, filled: bool) -> None:
    """Sort ``order[:n]`` by falling score, stably; unless ``filled``, start from 0 ... n - 1."""
    for i in range(n):
        row = order[i] if filled else i
        j = i
        while j > 0 and scores[order[j - 1], SCORE] < scores[row, SCORE]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = row


@kernel(error_model="numpy", _nrt=False)
def merge(scores: F64, texts: Texts, use_max: bool, order: I64, workspace: tuple[I64, U64]) -> int:
    """Write the best row of every distinct text into ``order``, best first; return how many.

    Different token sequences can spell the same text. Their probabilities add up in the best of
    them, unless ``use_max``. ``workspace``: two arrays (B,).
    """
    hashes, bounds = texts
    ranked, keys = workspace
    B = len(bounds) - 1
    _rank(scores, B, ranked, False)
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
            # log(e^a + e^b) - a, for the better score a
            gain = math.log1p(math.exp(scores[row, SCORE] - scores[best, SCORE]))
            scores[best, SCORE] += gain
            scores[best, ACOUSTIC] += gain
    _rank(scores, n, order, True)
    return n


@kernel(error_model="numpy", _nrt=False, inline="always")
def _best_step(score: F32, tokens: I32, state: int) -> tuple[float, int]:
    """Return the best score of reaching a state, and how many states it moved from.

    0: from itself; 1: from the state before; 2: from the token before, if it is another token, so
    that no blank is needed in between.
    """
    best, step = score[state], 0
    if state > 0 and score[state - 1] > best:
        best, step = score[state - 1], 1
    skips = state & 1 and state > 2 and tokens[(state >> 1) - 1] != tokens[state >> 1]
    if skips and score[state - 2] > best:
        best, step = score[state - 2], 2
    return best, step


@kernel(error_model="numpy", _nrt=False)
def _forward(log_probs: F32, tokens: I32, met: I32, a: Alignment) -> None:
    """Compute the Viterbi scores of all states; state 2 i + 1 is token i, even ones are blanks."""
    T, L = len(log_probs), len(tokens)
    S = 2 * L + 1
    a.score[:S] = -np.inf
    reached = 0  # tokens that the search had met by this frame
    for t in range(T):
        while reached < L and met[reached] <= t:
            reached += 1
        low = max(0, S - 2 * (T - t))  # from lower states the end is out of reach
        for i in range(2 * reached, low - 1, -1):  # downwards, so that one row of scores is enough
            best, step = _best_step(a.score, tokens, i)
            if t == 0:
                best, step = np.float32(0.0 if i < 2 else -np.inf), 0
            a.score[i] = best + log_probs[t, tokens[i >> 1] if i & 1 else 0]
            a.back[t, i] = step
        if low > 1:
            a.score[max(0, low - 4) : low] = -np.inf


@kernel(error_model="numpy", _nrt=False)
def align(log_probs: F32, tokens: I32, met: I32, a: Alignment) -> bool:
    """Find the best alignment of tokens (L,) to ``log_probs`` (T, V); False if there is none.

    Viterbi over blank, token, blank, token, ... (Graves et al. 2006, section 4.1). Token i is not
    aligned before frame ``met[i]``, at which the search first appended it.
    """
    S = 2 * len(tokens) + 1
    _forward(log_probs, tokens, met, a)
    # An alignment ends in the last token or in the blank behind it.
    state = S - 1 if S == 1 or a.score[S - 1] >= a.score[S - 2] else S - 2
    if a.score[state] == -np.inf:
        return False
    a.peaks[:] = -np.inf
    a.ends[:] = -1
    for t in range(len(log_probs) - 1, -1, -1):
        if state & 1:
            i = state >> 1
            a.starts[i] = t
            if a.ends[i] < 0:
                a.ends[i] = t + 1
            a.peaks[i] = max(a.peaks[i], np.float64(log_probs[t, tokens[i]]))
        state -= a.back[t, state]
    return True


@kernel(error_model="numpy", _nrt=False)
def agreement(texts: Texts, weighted: tuple[I64, F64], best: int, out: F64, cost: I32) -> int:
    """Sum, for every word of row ``best``, the weights of the rows that agree with it.

    A row agrees if it has the same word at the place that the edit distance aligns. Common words at
    both ends match without computing distances.

    Args:
        texts: of all rows.
        weighted: the rows that are compared, and their weights.
        best: number of the row.
        out: the sums.
        cost: workspace for edit distances.

    Returns 0, or how large ``cost`` has to be.
    """
    rows, weights = weighted
    hashes, bounds = texts
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
        n, m = len(a) - tail - head, len(b) - tail - head
        if n > 0 and m > 0:
            if (n + 1) * (m + 1) > len(cost):
                return (n + 1) * (m + 1)
            middle = (a[head : head + n], b[head : head + m])
            _match_middle(middle, weights[r], out[head:], cost)
    return 0


@kernel(error_model="numpy", _nrt=False)
def _match_middle(texts: tuple[U64, U64], weight: float, out: F64, cost: I32) -> None:
    """Add ``weight`` to ``out`` for the words of the first text that the edit distance matches in
    the second.
    """
    a, b = texts
    n, m = len(a), len(b)
    width = m + 1
    # cost[i * width + j]: edit distance of a[i:] and b[j:]; so the best path can be walked
    # forwards.
    for i in range(n, -1, -1):
        for j in range(m, -1, -1):
            here = i * width + j
            if i == n or j == m:
                cost[here] = n - i + m - j
            else:
                step = cost[here + width + 1] + (0 if a[i] == b[j] else 1)
                cost[here] = min(step, cost[here + width] + 1, cost[here + 1] + 1)
    i, j = 0, 0
    while i < n and j < m:
        here = i * width + j
        if cost[here] == cost[here + width + 1] + (0 if a[i] == b[j] else 1):
            if a[i] == b[j]:
                out[i] += weight
            i += 1
            j += 1
        elif cost[here] == cost[here + width] + 1:
            i += 1
        else:
            j += 1

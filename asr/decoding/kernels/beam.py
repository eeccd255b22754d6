"""CTC prefix beam search, frame by frame (Hannun et al. 2014, algorithm 1).

CTC emits one token or the blank in every frame; an alignment becomes text by merging repeated
tokens and then dropping blanks. So many alignments spell the same token sequence. The search keeps
the B most probable token sequences, called prefixes, not alignments, and sums over the alignments
of each. Two masses per prefix are enough for that:

- BLANK: of the alignments that end in a blank;
- OTHER: of the alignments that end in the prefix's last token.

They must be apart because the same token means different things after them: after a blank it is a
new token, after itself it is a repetition that CTC merges. With p the probabilities of a frame, and
"a" the last token of a prefix, one frame does this:

- blank: the prefix stays, BLANK' = (BLANK + OTHER) * p[blank];
- "a" again: the prefix stays, OTHER' = OTHER * p["a"];
- another token, or "a" behind a blank: a longer prefix, with the mass (BLANK + OTHER) * p[token],
  or BLANK * p["a"], times the weights of the language model.

A longer prefix may be in the beam already; then that mass is added to its OTHER'.

A frame is searched in four steps: the masses of the prefixes that stay (``_stay``), the longer
prefixes (extension.py), the choice of the B best (selection.py), and the rows of the next beam
(``_commit``). layout.py describes the arrays.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels.extension import extend
from asr.decoding.kernels.layout import (
    APPENDED,
    ARENA,
    ARENA_FULL,
    BEST,
    BLANK,
    CLOSES,
    COUNT,
    CURRENT,
    DEAD,
    DONE,
    END_LM,
    END_STATE,
    EXTRA,
    F32,
    F64,
    FRAME,
    GAIN,
    HASH,
    HOT,
    I32,
    LEX,
    LM,
    LOG_SCALE,
    MISSES,
    MISSING,
    N_FLOATS,
    N_INTS,
    NO_ROOM,
    NODE,
    OTHER,
    PARENT,
    ROW,
    STATE,
    TARGET,
    TOKEN,
    WORDS,
    Hotwords,
    Language,
    Options,
    Search,
    add,
    ask,
    closing_extra,
    hot_step,
    mix,
)
from asr.decoding.kernels.selection import select
from asr.kernels import kernel


@kernel(error_model="numpy", _nrt=False)
def start(search: Search, bos_state: int, hot_state: int) -> None:
    """Reset a search to one empty prefix of mass 1, as if a blank had just been seen."""
    search.counters[:] = 0
    search.counters[COUNT] = 1
    search.counters[ARENA] = 1
    search.scale[LOG_SCALE] = 0.0
    search.floats[0, 0] = 0.0
    search.floats[0, 0, BLANK] = 1.0
    search.floats[0, 0, GAIN] = 1.0
    search.ints[0, 0] = 0
    search.ints[0, 0, HASH] = 1
    search.ints[0, 0, STATE] = bos_state
    search.ints[0, 0, HOT] = hot_state
    search.ints[0, 0, END_STATE] = -1
    search.arena[0, 0], search.arena[0, 1], search.arena[0, 2] = -1, 0, -1


@kernel(error_model="numpy", _nrt=False)
def _active_tokens(
    frame: F32, starts: npt.NDArray[np.bool_], minimum: float, s: Search
) -> tuple[int, int]:
    """Fill in the tokens worth appending, most probable first; return how many.

    Two lists: those that continue a word and those that start one. If no token reaches the minimum,
    the best one alone is tried.
    """
    V = len(frame)
    n_inner, n_starting = 0, 0
    best, highest = 0, np.float32(-np.inf)
    for v in range(1, V):
        x = frame[v]
        if x > highest:
            best, highest = v, x
        if x >= minimum and x > -np.inf:
            if starts[v]:
                s.starting[n_starting] = v
                n_starting += 1
            else:
                s.inner[n_inner] = v
                n_inner += 1
    if n_inner + n_starting == 0 and best > 0:
        if starts[best]:
            s.starting[0], n_starting = best, 1
        else:
            s.inner[0], n_inner = best, 1
    _sort_by(frame, s.inner, s.inner_p, n_inner)
    _sort_by(frame, s.starting, s.starting_p, n_starting)
    return n_inner, n_starting


@kernel(error_model="numpy", _nrt=False)
def _sort_by(frame: F32, tokens: I32, p: F64, n: int) -> None:
    """Sort tokens by falling log-probability, then number (Shell 1959); fill in probabilities."""
    gap = 1
    while gap * 9 < n:
        gap = gap * 3 + 1
    while gap > 0:
        for i in range(gap, n):
            token, j = tokens[i], i
            x = frame[token]
            while j >= gap:
                other = tokens[j - gap]
                if frame[other] > x or (frame[other] == x and other < token):
                    break
                tokens[j] = other
                j -= gap
            tokens[j] = token
        gap //= 3
    for i in range(n):
        p[i] = math.exp(np.float64(frame[tokens[i]]))


@kernel(error_model="numpy", _nrt=False)
def _compact(s: Search) -> None:
    """Drop the nodes of the arena that no prefix of the beam descends from.

    The arena is a tree of tokens with links to the parents: from the node of a prefix they spell it
    backwards. Prefixes that left the beam leave dead branches.
    """
    used, current = s.counters[ARENA], s.counters[CURRENT]
    # Mark: from each prefix up to the first node that another prefix has marked.
    s.arena_map[:used] = 0
    for i in range(s.counters[COUNT]):
        node = s.ints[current, i, NODE]
        while node >= 0 and s.arena_map[node] == 0:
            s.arena_map[node] = 1
            node = s.arena[node, 0]
    # Move the marked nodes together. A parent has a smaller number than its children, so its new
    # number is known, and ``arena_map`` turns from marks into new numbers on the way.
    kept = 0
    for node in range(used):
        if s.arena_map[node]:
            parent = s.arena[node, 0]
            s.arena[kept, 0] = s.arena_map[parent] if parent >= 0 else -1
            s.arena[kept, 1], s.arena[kept, 2] = s.arena[node, 1], s.arena[node, 2]
            s.arena_map[node] = kept
            kept += 1
    for i in range(s.counters[COUNT]):
        s.ints[current, i, NODE] = s.arena_map[s.ints[current, i, NODE]]
    s.counters[ARENA] = kept


@kernel(error_model="numpy", _nrt=False)
def _index_prefixes(s: Search) -> None:
    """Build the hash table of the beam's prefixes and empty their lists of children.

    The children of a prefix are the prefixes of the beam with one token more.
    """
    n, current, mask = s.counters[COUNT], s.counters[CURRENT], len(s.table) - 1
    s.table[:] = -1
    for i in range(n):
        s.child_first[i] = -1
        s.child_mask[i] = 0
        slot = s.ints[current, i, HASH] & mask
        while s.table[slot] >= 0:
            slot = (slot + 1) & mask
        s.table[slot] = i


@kernel(error_model="numpy", _nrt=False, inline="always")
def _find_prefix(s: Search, identity: int, current: int) -> int:
    """Return the row of the prefix with this hash, or -1."""
    mask = len(s.table) - 1
    slot = identity & mask
    while s.table[slot] >= 0:
        if s.ints[current, s.table[slot], HASH] == identity:
            return np.int64(s.table[slot])
        slot = (slot + 1) & mask
    return -1


@kernel(error_model="numpy", _nrt=False)
def _stay(s: Search, frame: F32, use_max: bool) -> None:
    """Compute the masses of the prefixes that stay in this frame; link parents to children.

    A prefix stays by a blank, by its last token again, or because its parent reaches it with that
    token.
    """
    current = s.counters[CURRENT]
    floats, ints = s.floats[current], s.ints[current]
    p_blank = math.exp(np.float64(frame[0]))
    for i in range(s.counters[COUNT]):
        blank, other, token = floats[i, BLANK], floats[i, OTHER], ints[i, TOKEN]
        s.stay[i, 0] = add(blank, other, use_max) * p_blank
        s.stay[i, 1] = 0.0
        if token == 0:  # the empty prefix has no last token
            continue
        p = math.exp(np.float64(frame[token]))
        s.stay[i, 1] = other * p
        parent = _find_prefix(s, ints[i, PARENT], current)
        if parent < 0:
            continue
        # The parent reaches this prefix from all its alignments, but if both end in the same token
        # only from those that end in a blank: CTC merges the others into the parent itself.
        source = floats[parent, BLANK]
        if ints[parent, TOKEN] != token:
            source = add(source, floats[parent, OTHER], use_max)
        s.stay[i, 1] = add(s.stay[i, 1], source * p * floats[i, GAIN], use_max)
        s.child_next[i] = s.child_first[parent]
        s.child_first[parent] = i
        s.child_mask[parent] |= np.uint64(1) << np.uint64(token & 63)


@kernel(error_model="numpy", _nrt=False)
def _commit(o: Options, g: Language, h: Hotwords, s: Search, m: int) -> None:
    """Write the rows of the next beam from the ``m`` chosen candidates.

    A prefix that stays keeps its row apart from the masses. A new prefix starts as a copy of its
    parent's row and changes what its last token changes. Masses are divided by the best one of the
    frame, whose logarithm goes into ``scale[LOG_SCALE]``, so that they never underflow.
    """
    current, count = s.counters[CURRENT], s.counters[COUNT]
    floats, ints = s.floats[current], s.ints[current]
    new_floats, new_ints = s.floats[1 - current], s.ints[1 - current]
    inverse = 1.0 / s.scale[BEST]
    node = s.counters[ARENA]
    for i in range(m):
        candidate = np.int64(s.chosen[i])
        row = candidate if candidate < count else np.int64(s.cand_ints[candidate, ROW])
        for j in range(N_FLOATS):
            new_floats[i, j] = floats[row, j]
        for j in range(N_INTS):
            new_ints[i, j] = ints[row, j]
        if candidate < count:
            new_floats[i, BLANK] = s.stay[row, 0] * inverse
            new_floats[i, OTHER] = s.stay[row, 1] * inverse
            continue
        token = np.int64(s.cand_ints[candidate, APPENDED])
        closes = s.cand_ints[candidate, CLOSES] == 1
        # Every alignment of a new prefix ends in its last token.
        new_floats[i, BLANK] = 0.0
        new_floats[i, OTHER] = s.cand_mass[candidate] * inverse
        new_floats[i, GAIN] = s.cand_gain[candidate]
        new_ints[i, PARENT] = ints[row, HASH]
        new_ints[i, HASH] = mix(ints[row, HASH], token)
        new_ints[i, TOKEN] = token
        new_ints[i, LEX] = s.cand_ints[candidate, TARGET]
        new_ints[i, END_STATE] = -1
        if s.cand_ints[candidate, TARGET] < 0:
            new_floats[i, EXTRA] += o.unk_token_score
        # The masses hold these scores already; apart from them they are kept for the result.
        if closes:
            new_floats[i, LM] += floats[row, END_LM]
            new_floats[i, EXTRA] += closing_extra(g, ints[row, LEX])
            new_ints[i, STATE] = ints[row, END_STATE]
            new_ints[i, WORDS] += 1
        if o.token_lm:
            lm, after = ask(g, s, ints[row, STATE], g.token_ids[token])
            new_floats[i, LM] += lm
            new_ints[i, STATE] = after
        if o.hot:
            state, earned = hot_step(h, ints[row, HOT], token, closes)
            new_floats[i, EXTRA] += earned
            new_ints[i, HOT] = state
        s.arena[node, 0], s.arena[node, 1] = ints[row, NODE], token
        s.arena[node, 2] = s.counters[FRAME]
        new_ints[i, NODE] = node
        node += 1
    s.counters[ARENA] = node
    s.counters[COUNT] = m
    s.counters[CURRENT] = 1 - current
    s.scale[LOG_SCALE] += math.log(s.scale[BEST])


@kernel(error_model="numpy", _nrt=False)
def _skip_blank(s: Search, logp: float, use_max: bool) -> None:
    """Apply a frame that is almost certainly blank: every alignment now ends in a blank."""
    floats = s.floats[s.counters[CURRENT]]
    for i in range(s.counters[COUNT]):
        floats[i, BLANK] = add(floats[i, BLANK], floats[i, OTHER], use_max)
        floats[i, OTHER] = 0.0
    s.scale[LOG_SCALE] += logp


@kernel(error_model="numpy", _nrt=False)
def advance(o: Options, g: Language, h: Hotwords, s: Search, log_probs: F32) -> tuple[int, int]:
    """Search the frames of ``log_probs`` (T, V); return (status, frames done).

    Every status but DONE stops before the frame is committed, so the caller can mend the cause
    (give a larger arena or more room, look up n-grams) and continue with the same frame.
    """
    room = s.arena.shape[0] - o.beam_size
    for t in range(len(log_probs)):
        frame = log_probs[t]
        if frame[0] > o.blank_skip_logp:
            _skip_blank(s, np.float64(frame[0]), o.use_max)
            s.counters[FRAME] += 1
            continue
        if s.counters[ARENA] > room:
            _compact(s)
            if s.counters[ARENA] * 2 > room:
                return ARENA_FULL, t
        n_inner, n_starting = _active_tokens(frame, g.starts, o.token_min_logp, s)
        _index_prefixes(s)
        _stay(s, frame, o.use_max)
        if not extend(o, g, h, s, (n_inner, n_starting)):
            return NO_ROOM, t
        if s.counters[MISSES] > 0:  # n-grams that a lazily filled model has yet to look up
            return MISSING, t
        m = select(o, g, h, s)
        if m == 0:
            return DEAD, t
        _commit(o, g, h, s, m)
        s.counters[FRAME] += 1
    return DONE, len(log_probs)

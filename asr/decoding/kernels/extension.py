"""The new candidates of a frame: every prefix of the beam with one more token.

Tokens that continue a word walk down the lexicon from the prefix's node; tokens that start a word
close the open one first (its n-gram score, the bonus of a word) and leave from the root. What a
token brings beside its probability is its ``gain``: the change of the look-ahead, of the language
model and of the hotwords. Tokens come most probable first, and ``limit`` bounds the gain, so the
loop over tokens ends at the first one that cannot reach the threshold.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from asr.decoding.kernels.layout import (
    BLANK,
    COUNT,
    CURRENT,
    END_LM,
    F64,
    HOT,
    I32,
    I64,
    LEX,
    OTHER,
    STATE,
    THRESHOLD,
    TOKEN,
    Hotwords,
    Language,
    Options,
    Search,
    add,
    ask,
    close_word,
    closing_extra,
    hot_step,
    look_ahead_factor,
)
from asr.decoding.kernels.lexicon import find_edge
from asr.decoding.kernels.selection import count_stayers, store
from asr.kernels import kernel


class Origin(NamedTuple):
    """Where the next token leaves from: a prefix, its open word closed if the token starts one."""

    row: int
    node: int  # of the lexicon; 0: the root; -1: in an unknown word
    total: float  # mass of the prefix
    blank: float  # mass of its alignments that end in a blank: all that repeats its last token
    closing: float  # gain of closing the open word, 1 where none is closed
    limit: float  # upper bound of every further gain
    unknown: float  # gain of leaving the lexicon
    closes: bool


@kernel(error_model="numpy", _nrt=False, inline="always")
def _has_child(s: Search, ints: I64, row: int, token: int) -> bool:
    """Whether the beam holds the longer prefix already; then it got this mass by staying."""
    if not s.child_mask[row] & (np.uint64(1) << np.uint64(token & 63)):
        return False
    child = s.child_first[row]
    while child >= 0:
        if ints[child, TOKEN] == token:
            return True
        child = s.child_next[child]
    return False


@kernel(error_model="numpy", _nrt=False, inline="always")
def _walk(o: Options, g: Language, origin: Origin, token: int) -> tuple[int, float]:
    """Return the lexicon's node after a token and the gain of its look-ahead; gain 0: forbidden."""
    if g.lone[token]:  # a word mark alone: still at the beginning of a word
        return 0, 1.0
    if origin.node >= 0:
        edge = find_edge(g.edges, origin.node, token, o.exact_masks)
        if edge >= 0:
            return np.int64(g.edges.rows[edge, 1]), np.float64(g.gains[edge, 2])
    if o.closed:
        return 0, 0.0
    return -1, origin.unknown


@kernel(error_model="numpy", _nrt=False, inline="always")
def _model_gain(
    o: Options, g: Language, h: Hotwords, s: Search, step: tuple[int, int, bool]
) -> float:
    """Gain of a step (row, token, whether a word is closed) by a token model and by hotwords."""
    row, token, closes = step
    ints = s.ints[s.counters[CURRENT], row]
    gain = 1.0
    if o.token_lm:
        lm, _ = ask(g, s, ints[STATE], g.token_ids[token])
        gain = math.exp(o.lm_alpha * lm)
    if o.hot:
        state, earned = hot_step(h, ints[HOT], token, closes)
        gain *= math.exp(earned + h.pending[state] - h.pending[ints[HOT]])
    return gain


# Inlined: handing the arrays of a search to a function costs more than many a row takes.
@kernel(error_model="numpy", _nrt=False, inline="always")
def _append(
    o: Options,
    g: Language,
    h: Hotwords,
    s: Search,
    step: tuple[Origin, I32, F64, int, int],
) -> bool:
    """Append tokens[first:stop], with probabilities p, to one origin; False: no room."""
    origin, tokens, p, first, stop = step
    row = origin.row
    ints = s.ints[s.counters[CURRENT]]
    last = ints[row, TOKEN]
    base = origin.total * origin.closing
    for i in range(first, stop):
        if base * p[i] * origin.limit < s.scale[THRESHOLD]:
            break  # nor can any later, less probable token
        token = np.int64(tokens[i])
        target, gain = _walk(o, g, origin, token)
        if gain == 0.0:
            continue
        gain *= origin.closing
        if o.token_lm and origin.total * p[i] * gain * o.hot_limit < s.scale[THRESHOLD]:
            continue  # spares the query
        if o.token_lm or o.hot:
            gain *= _model_gain(o, g, h, s, (row, token, origin.closes))
        # A token right after itself needs a blank between: CTC would merge the two.
        mass = (origin.blank if token == last else origin.total) * p[i] * gain
        if mass < s.scale[THRESHOLD] or mass <= 0.0 or _has_child(s, ints, row, token):
            continue
        if not store(o, s, (row, token, target, origin.closes), mass, gain):
            return False
    return True


@kernel(error_model="numpy", _nrt=False, inline="always")
def _inside_word(o: Options, g: Language, s: Search, row: int) -> Origin:
    """Origin of tokens that continue the open word of a row."""
    floats, lex = s.floats[s.counters[CURRENT], row], s.ints[s.counters[CURRENT], row, LEX]
    factor = look_ahead_factor(o, g, lex)
    # Look-ahead only falls within a word, except into the first node of a word and into an unknown
    # word.
    limit = o.hot_limit
    if lex == 0:
        limit *= o.root_limit
    elif lex > 0 and not o.closed:
        limit *= max(1.0, o.unknown_factor / factor)
    return Origin(
        row=row,
        node=lex,
        total=add(floats[BLANK], floats[OTHER], o.use_max),
        blank=floats[BLANK],
        closing=1.0,
        limit=limit,
        unknown=o.unk_token_factor * o.unknown_factor / factor,
        closes=False,
    )


@kernel(error_model="numpy", _nrt=False, inline="always")
def _closing_gain(o: Options, g: Language, s: Search, row: int, reach: float) -> float:
    """Gain of closing the open word of a row; 0: forbidden, or of no use.

    ``reach``: largest mass that the new prefix can have if closing costs nothing.
    """
    current = s.counters[CURRENT]
    lex = s.ints[current, row, LEX]
    extra = closing_extra(o, g, lex)
    factor = look_ahead_factor(o, g, lex)
    if reach * math.exp(o.lm_beta + extra) / factor < s.scale[THRESHOLD]:
        return 0.0  # not even with p(word) = 1: spares the query
    if not close_word(o, g, s, current, row):
        return 0.0
    score = o.lm_alpha * s.floats[current, row, END_LM] + o.lm_beta + extra
    return math.exp(score) / factor


@kernel(error_model="numpy", _nrt=False, inline="always")
def _after_word(o: Options, g: Language, s: Search, row: int, p: float) -> Origin:
    """Origin of tokens that start a word after a row; ``p``: of the most probable one to try.

    ``closing`` is 0 where no such token can reach the threshold.
    """
    floats, lex = s.floats[s.counters[CURRENT], row], s.ints[s.counters[CURRENT], row, LEX]
    total = add(floats[BLANK], floats[OTHER], o.use_max)
    limit = o.hot_limit * o.root_limit
    closing = 1.0
    if lex != 0:
        closing = _closing_gain(o, g, s, row, total * limit * p)
    return Origin(
        row=row,
        node=0,
        total=total,
        blank=floats[BLANK],
        closing=closing,
        limit=limit,
        unknown=o.unk_token_factor * o.unknown_factor,
        closes=lex != 0,
    )


@kernel(error_model="numpy", _nrt=False)
def extend(o: Options, g: Language, h: Hotwords, s: Search, numbers: tuple[int, int]) -> bool:
    """Fill the candidates: the prefixes that stay, then all new ones; False: no room.

    ``numbers``: of the tokens that continue a word and of those that start one.
    """
    n_inner, n_starting = numbers
    count_stayers(o, s)
    # First the best token of every prefix, then the others: so the threshold rises early.
    for round_ in range(2):
        for row in range(s.counters[COUNT]):
            if n_inner > round_:
                stop = n_inner if round_ else 1
                origin = _inside_word(o, g, s, row)
                if not _append(o, g, h, s, (origin, s.inner, s.inner_p, round_, stop)):
                    return False
            if n_starting > round_:
                stop = n_starting if round_ else 1
                origin = _after_word(o, g, s, row, s.starting_p[round_])
                if origin.closing > 0.0 and not _append(
                    o, g, h, s, (origin, s.starting, s.starting_p, round_, stop)
                ):
                    return False
    return True

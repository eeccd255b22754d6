"""Longer prefixes: every prefix of the beam with one more token.

A token that continues a word moves down the lexicon's trie from the prefix's node. A token that
starts a word first closes the open word (which adds its n-gram score and the word bonus) and then
leaves from the root.

The mass of a longer prefix is that of the prefix, times the token's probability, times its
``gain``: the factor by which the weighted scores change. The gain has up to three parts: look-ahead
(factor of the new node / factor of the old node), language model and hotwords. The look-ahead of a
node is the best unigram score below it, so within a word the gain is at most 1, and in general it
has a known upper ``limit``. Because tokens come most probable first, the loop over them can stop at
the first one whose mass would stay below the threshold even with this limit. That is what makes the
search fast: most tokens of most prefixes are never looked at.
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
    """A prefix that gets one more token, with its open word closed if the token starts a word."""

    row: int
    node: int  # of the lexicon; 0: the root; -1: inside an unknown word
    total: float  # mass of the prefix
    blank: float  # mass of its alignments that end in a blank; only they can repeat its last token
    closing: float  # gain of closing the open word; 1 if none is closed
    limit: float  # upper bound of the gain of any token
    unknown: float  # gain of leaving the lexicon
    closes: bool


@kernel(error_model="numpy", _nrt=False, inline="always")
def _has_child(s: Search, ints: I64, row: int, token: int) -> bool:
    """Return whether the beam holds the longer prefix already; then ``_stay`` added this mass."""
    # The mask has false alarms (tokens modulo 64), so the list decides.
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
    """Return the lexicon's node after a token and the look-ahead gain; gain 0: not allowed."""
    if g.lone[token]:  # a word mark alone: still at the beginning of a word
        return 0, 1.0
    if origin.node >= 0:
        edge = find_edge(g.edges, origin.node, token, o.exact_masks)
        if edge >= 0:  # the edge holds factor(target) / factor(node)
            return np.int64(g.edges.rows[edge, 1]), np.float64(g.gains[edge, 2])
    if o.closed:
        return 0, 0.0
    return -1, origin.unknown


@kernel(error_model="numpy", _nrt=False, inline="always")
def _model_gain(
    o: Options, g: Language, h: Hotwords, s: Search, step: tuple[int, int, bool]
) -> float:
    """Return the gain of a step (row, token, closes a word) by token model and hotwords."""
    row, token, closes = step
    ints = s.ints[s.counters[CURRENT], row]
    gain = 1.0
    if o.token_lm:
        lm, _ = ask(g, s, ints[STATE], g.token_ids[token])
        gain = math.exp(o.lm_alpha * lm)
    if o.hot:
        state, earned = hot_step(h, ints[HOT], token, closes)
        # A half-said phrase has a share of its weight in advance; it is given back if the phrase
        # breaks off, and replaced by the whole weight if it is completed.
        gain *= math.exp(earned + h.pending[state] - h.pending[ints[HOT]])
    return gain


# Inlined: passing the arrays of a search to a function costs more than the work on most rows.
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
            break  # the later tokens are less probable still
        token = np.int64(tokens[i])
        target, gain = _walk(o, g, origin, token)
        if gain == 0.0:
            continue
        gain *= origin.closing
        if o.token_lm and origin.total * p[i] * gain * o.hot_limit < s.scale[THRESHOLD]:
            continue  # spares the query
        if o.token_lm or o.hot:
            gain *= _model_gain(o, g, h, s, (row, token, origin.closes))
        # CTC merges a token with itself, so the last token again needs a blank in between.
        mass = (origin.blank if token == last else origin.total) * p[i] * gain
        if mass < s.scale[THRESHOLD] or mass <= 0.0 or _has_child(s, ints, row, token):
            continue
        if not store(o, s, (row, token, target, origin.closes), mass, gain):
            return False
    return True


@kernel(error_model="numpy", _nrt=False, inline="always")
def _inside_word(o: Options, g: Language, s: Search, row: int) -> Origin:
    """Return the origin of tokens that continue the open word of a row."""
    floats, lex = s.floats[s.counters[CURRENT], row], s.ints[s.counters[CURRENT], row, LEX]
    factor = look_ahead_factor(o, g, lex)
    # Deeper in a word fewer words are in reach, so its look-ahead factor never rises. Two steps can
    # raise it: from the root into a word (the root has factor 1), and into an unknown word.
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
        # From one unknown token to the next the look-ahead factor stays, so only the score of an
        # unknown token is left.
        unknown=o.unk_token_factor * o.unknown_factor / factor,
        closes=False,
    )


@kernel(error_model="numpy", _nrt=False, inline="always")
def _closing_gain(o: Options, g: Language, s: Search, row: int, reach: float) -> float:
    """Return the gain of closing the open word of a row; 0: not allowed, or below the threshold.

    ``reach``: an upper bound of the new prefix's mass before closing.
    """
    current = s.counters[CURRENT]
    lex = s.ints[current, row, LEX]
    extra = closing_extra(g, lex)
    factor = look_ahead_factor(o, g, lex)
    if reach * math.exp(o.lm_beta + extra) / factor < s.scale[THRESHOLD]:
        return 0.0  # too small even with p(word) = 1, so the query is spared
    if not close_word(o, g, s, current, row):
        return 0.0
    # The n-gram score and the word bonus take the place of the look-ahead factor.
    score = o.lm_alpha * s.floats[current, row, END_LM] + o.lm_beta + extra
    return math.exp(score) / factor


@kernel(error_model="numpy", _nrt=False, inline="always")
def _after_word(o: Options, g: Language, s: Search, row: int, p: float) -> Origin:
    """Return the origin of tokens that start a word after a row.

    ``p``: probability of the most probable one to try. ``closing`` is 0 if even that one cannot
    reach the threshold.
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
    """Fill in the candidates: the prefixes that stay, then the longer ones; False: no room.

    ``numbers``: how many tokens continue a word, and how many start one.
    """
    n_inner, n_starting = numbers
    count_stayers(o, s)
    # Round 0 tries the best token of every prefix, round 1 the others: after round 0 the threshold
    # is high already, and round 1 stops early.
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

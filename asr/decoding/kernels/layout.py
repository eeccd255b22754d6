"""What the kernels of the beam search share: the layout of their arrays, and the n-gram queries.

T frames, V vocabulary, B beam size, N lexicon nodes, A nodes of the prefix arena, K candidates.

A beam is two tables with one row a prefix: floats (masses and scores) and integers (identity,
states). There are two such beams, of this frame and of the next; ``counters[CURRENT]`` says which
is which.

Masses are linear, not logarithmic: the mass of a prefix is its probability times ``exp`` of all its
weights (language model, words, hotwords, look-ahead), scaled so that the best of the last frame is
one; ``scale[LOG_SCALE]`` keeps the logarithm. So adding alignments is an addition, extending a
prefix is a multiplication, and the inner loop takes no logarithm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels.automaton import Ngrams, query
from asr.decoding.kernels.lexicon import Edges
from asr.kernels import kernel

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

# Columns of the float rows of a beam.
BLANK, OTHER, LM, EXTRA, GAIN, END_LM, N_FLOATS = 0, 1, 2, 3, 4, 5, 6
# BLANK, OTHER: mass of the alignments that end in a blank, or in the last token. LM: model score.
# EXTRA: hotwords and unknown words. GAIN: factor of the weights that the last token brought.
# END_LM: model score of closing the open word.

# Columns of the integer rows of a beam.
HASH, PARENT, NODE, TOKEN, LEX, STATE, WORDS, HOT, END_STATE, N_INTS = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
# HASH, PARENT: identity of the token sequence and of the one without its last token. NODE: in the
# arena. LEX: node of the open word, 0 between words, -1 in an unknown word. STATE: of the model.
# HOT: state of the hotword automaton. END_STATE: STATE after closing the word, -1: unknown yet.

# Slots of the counters.
COUNT, CURRENT, FRAME, ARENA, MISSES, CANDIDATES, ABOVE, LOWEST, N_COUNTERS = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
)
# COUNT: rows of the beam. ARENA, CANDIDATES: used entries. MISSES: queries to be resolved.
# ABOVE, LOWEST: see selection.py.

# Slots of the scale: its logarithm, and the best mass and the threshold of the frame.
LOG_SCALE, BEST, THRESHOLD, N_SCALES = 0, 1, 2, 3

# Columns of a candidate: row of the beam, token, lexicon node, whether a word was closed.
ROW, APPENDED, TARGET, CLOSES, N_CANDIDATE = 0, 1, 2, 3, 4

DONE, ARENA_FULL, NO_ROOM, MISSING, DEAD = 0, 1, 2, 3, 4

UNKNOWN_WORD = 0
NO_WORD = -1
HOMOPHONES = -2  # and below: words of one sound

BUCKETS = 512  # of the histogram of masses


class Options(NamedTuple):
    """Numbers of a search."""

    beam_size: int
    lm_alpha: float
    lm_beta: float
    unk_score: float
    unk_token_score: float  # 0 without a word model
    unk_token_factor: float  # its exponential
    beam_factor: float  # exp(-beam_threshold)
    token_min_logp: float
    blank_skip_logp: float
    use_max: bool
    word_lm: bool
    token_lm: bool
    closed: bool
    lookahead: bool
    hot: bool
    exact_masks: bool
    unknown_factor: float  # look-ahead factor of an unknown word
    hot_limit: float  # the largest factor that hotwords can give one token
    root_limit: float  # the largest factor that the first token of a word can bring


class Language(NamedTuple):
    """Arrays of tokens, lexicon and n-gram model."""

    starts: npt.NDArray[np.bool_]  # (V,) does the token start a word
    lone: npt.NDArray[np.bool_]  # (V,) is it a word mark alone
    token_ids: I32  # (V,) the model's word of each token, for a token model
    edges: Edges
    gains: F32  # rows of the edges, seen as float32
    factors: F64  # (N,) exp of the look-ahead
    # (N,) the model's word that ends at a node; NO_WORD: none; HOMOPHONES - i: those of group i
    node_words: I32
    # groups of words that sound alike; group i is homophones[i + 1 : i + 1 + homophones[i]]
    homophones: I32
    ngrams: Ngrams


class Hotwords(NamedTuple):
    """Aho-Corasick automaton of the phrases over characters; code 1 is the word boundary."""

    follow: I32  # (states, characters)
    earned: F64  # (states,) weights of the phrases that are complete here
    pending: F64  # (states,) share of a phrase under way
    codes: I32  # characters of all tokens
    first: I64  # (V + 1,)


class Search(NamedTuple):
    """State and workspace of one search."""

    floats: F64  # (2, B, N_FLOATS)
    ints: I64  # (2, B, N_INTS)
    counters: I64  # (N_COUNTERS,)
    scale: F64  # (N_SCALES,)
    arena: I32  # (A, 3): parent, token, frame
    arena_map: I32  # (A,)
    misses: I32  # (M, 2): state, word
    cand_mass: F64  # (K,)
    cand_bits: I64  # cand_mass seen as integers
    cand_ints: I32  # (K, N_CANDIDATE)
    cand_gain: F64  # (K,): becomes GAIN of the new row
    stay: F64  # (B, 2): BLANK and OTHER of the rows that stay, in this frame
    # (B,) rows of the beam that are one token longer than a row: a linked list, and the set of
    # their tokens modulo 64
    child_first: I32
    child_next: I32
    child_mask: U64
    table: I32  # hash table from HASH to row
    histogram: I32  # (BUCKETS,) candidates by mass
    chosen: I32  # (K,) candidates that make the next beam
    tied: I32
    masses: F64
    # (V,) tokens worth appending, most probable first, and their probabilities: those that continue
    # a word, and those that start one
    inner: I32
    inner_p: F64
    starting: I32
    starting_p: F64


@kernel(error_model="numpy", _nrt=False, inline="always")
def add(a: float, b: float, use_max: bool) -> float:
    # Viterbi keeps the best alignment; else alignments of one prefix add up.
    return max(a, b) if use_max else a + b


@kernel(error_model="numpy", _nrt=False, inline="always")
def ask(g: Language, s: Search, state: int, word: int) -> tuple[float, int]:
    """Return log p(word | state) and the next state; what a lazily filled model lacks is noted."""
    lm, after = query(state, word, g.ngrams)
    if after < 0:
        m = s.counters[MISSES]
        if m < len(s.misses):
            s.misses[m, 0], s.misses[m, 1] = state, word
            s.counters[MISSES] = m + 1
        after = 0
    return lm, after


@kernel(error_model="numpy", _nrt=False)
def ask_alike(g: Language, s: Search, state: int, word: int) -> tuple[float, int]:
    """Like :func:`ask`; of words that sound alike, the most probable after ``state`` counts."""
    if word > HOMOPHONES:
        return ask(g, s, state, max(word, UNKNOWN_WORD))
    best, best_after = -np.inf, 0
    first = HOMOPHONES - word
    for i in range(first + 1, first + 1 + g.homophones[first]):
        lm, after = ask(g, s, state, g.homophones[i])
        if lm > best:
            best, best_after = lm, after
    return best, best_after


@kernel(error_model="numpy", _nrt=False)
def close_word(o: Options, g: Language, s: Search, buffer: int, row: int) -> bool:
    """Make sure that a row knows its score after closing its open word; False if the lexicon
    forbids to close it.
    """
    lex = s.ints[buffer, row, LEX]
    word = g.node_words[lex] if lex > 0 else np.int32(NO_WORD)
    if word == NO_WORD and o.closed:
        return False
    if s.ints[buffer, row, END_STATE] >= 0:
        return True
    if not o.word_lm:
        s.floats[buffer, row, END_LM] = 0.0
        s.ints[buffer, row, END_STATE] = s.ints[buffer, row, STATE]
        return True
    misses = s.counters[MISSES]
    lm, after = ask_alike(g, s, s.ints[buffer, row, STATE], word)
    if s.counters[MISSES] == misses:
        s.floats[buffer, row, END_LM] = lm
        s.ints[buffer, row, END_STATE] = after
    return True


@kernel(error_model="numpy", _nrt=False, inline="always")
def closing_extra(o: Options, g: Language, lex: int) -> float:
    """Score of closing a word that the model does not know."""
    known = lex > 0 and (g.node_words[lex] > UNKNOWN_WORD or g.node_words[lex] <= HOMOPHONES)
    return o.unk_score if o.word_lm and not known else 0.0


@kernel(error_model="numpy", _nrt=False, inline="always")
def look_ahead_factor(o: Options, g: Language, lex: int) -> float:
    return g.factors[lex] if lex >= 0 else o.unknown_factor


@kernel(error_model="numpy", _nrt=False)
def hot_step(hot: Hotwords, state: int, token: int, boundary: bool) -> tuple[int, float]:
    """State after a token (a word boundary before it if asked) and the weight of the phrases
    completed on the way.
    """
    earned = 0.0
    if boundary:
        state = np.int64(hot.follow[state, 1])
        earned += hot.earned[state]
    for i in range(hot.first[token], hot.first[token + 1]):
        state = np.int64(hot.follow[state, hot.codes[i]])
        earned += hot.earned[state]
    return state, earned

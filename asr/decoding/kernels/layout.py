"""Arrays that the kernels of the beam search share, and their n-gram queries.

T frames, V vocabulary, B beam size, N lexicon nodes, A nodes of the prefix arena, K candidates.

A prefix is a token sequence with all of its alignments to the frames so far. A beam is two tables
with one row per prefix: floats (masses and scores) and integers (identity, states). There are two
beams, of this frame and of the next; ``counters[CURRENT]`` is the index of this frame's.

Masses are linear, not logarithmic. The mass of a prefix is its CTC probability times ``exp`` of its
weighted scores (language model, word bonus, hotwords, look-ahead). The search only ever adds masses
(two alignments of one prefix) and multiplies them (one more token), so it needs no logarithm and,
but for the language model, no exponential in its inner loop; in the log domain each addition would
take both. Linear masses would underflow after some hundred frames, so they are divided by the best
one of every frame, and ``scale[LOG_SCALE]`` sums up the logarithms of what they were divided by.

Look-ahead: the n-gram model scores a word only once it is complete, so until then a prefix with an
unlikely open word would look as good as one with a likely word. Therefore an open word counts the
best unigram score among the words that it can still become (``Language.factors``, one factor per
node of the lexicon's trie). Each token replaces the factor of one node by that of the next, and
closing the word replaces it by the n-gram score, so no trace of it is left in the result.
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
COUNT, CURRENT, FRAME, ARENA, MISSES = 0, 1, 2, 3, 4
CANDIDATES, ABOVE, LOWEST, N_COUNTERS = 5, 6, 7, 8
# COUNT: rows of the beam. FRAME: frames searched. ARENA, CANDIDATES: entries in use.
# MISSES: queries that a lazily filled model could not answer.
# ABOVE, LOWEST: see selection.py.

# Slots of the scale: its logarithm, and the best mass and the threshold of the frame.
LOG_SCALE, BEST, THRESHOLD, N_SCALES = 0, 1, 2, 3

# Columns of a candidate: row of the beam, token, lexicon node, whether a word was closed.
ROW, APPENDED, TARGET, CLOSES, N_CANDIDATE = 0, 1, 2, 3, 4

# How a call of the search ended: all frames done; the arena or the candidates need more memory;
# n-grams have to be looked up; no prefix has any mass.
DONE, ARENA_FULL, NO_ROOM, MISSING, DEAD = 0, 1, 2, 3, 4

# Words of the model by id, and what stands in place of an id.
UNKNOWN_WORD = 0
NO_WORD = -1
HOMOPHONES = -2  # and below: a group of words that sound alike

BUCKETS = 512  # classes of the histogram of masses


class Options(NamedTuple):
    """Settings of a search; see :class:`asr.decoding.settings.Settings`."""

    beam_size: int
    lm_alpha: float
    lm_beta: float
    unk_token_score: float  # 0 without a word model
    unk_token_factor: float  # its exponential
    beam_factor: float  # exp(-beam_threshold)
    alike_factor: float  # exp(-alike_threshold)
    token_min_logp: float
    blank_skip_logp: float
    use_max: bool
    word_lm: bool
    token_lm: bool
    closed: bool
    boundary: bool  # the model scores the end of the sentence
    lookahead: bool
    hot: bool
    exact_masks: bool
    unknown_factor: float  # look-ahead factor of an unknown word
    hot_limit: float  # the largest factor that hotwords can give one token
    root_limit: float  # the largest look-ahead factor of the first token of a word


class Language(NamedTuple):
    """Arrays of tokens, lexicon and n-gram model."""

    starts: npt.NDArray[np.bool_]  # (V,) whether the token starts a word
    lone: npt.NDArray[np.bool_]  # (V,) whether it is a word mark alone, without characters
    token_ids: I32  # (V,) the model's word of each token, for a token model
    edges: Edges
    gains: F32  # rows of the edges viewed as float32
    factors: F64  # (N,) exp of the look-ahead
    # (N,) the model's word that ends at a node; NO_WORD: none; HOMOPHONES - i: those of group i
    node_words: I32
    node_extra: F64  # (N,) score of closing a word here; of the root: an unknown word
    # groups of words that sound alike; group i is homophones[i + 1 : i + 1 + homophones[i]]
    homophones: I32
    ngrams: Ngrams


class Hotwords(NamedTuple):
    """Automaton of the phrases' characters (Aho and Corasick 1975); code 1: word boundary."""

    follow: I32  # (states, characters)
    earned: F64  # (states,) weights of the phrases that are complete here
    pending: F64  # (states,) share of the weight of a phrase that is half said
    codes: I32  # characters of all tokens
    first: I64  # (V + 1,) token v has the characters codes[first[v] : first[v + 1]]


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
    cand_bits: I64  # cand_mass viewed as integers
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
    tied: I32  # (K,) candidates of the smallest mass that is kept
    masses: F64  # (K,) workspace of the selection
    futures: I64  # (B,) hash of what is to come of each chosen candidate
    best_alike: I32  # hash table from a future to the best of the chosen candidates that have it
    # (V,) tokens worth appending, most probable first, and their probabilities: those that continue
    # a word, and those that start one
    inner: I32
    inner_p: F64
    starting: I32
    starting_p: F64


@kernel(error_model="numpy", _nrt=False, inline="always")
def add(a: float, b: float, use_max: bool) -> float:
    """Return the joint mass of two sets of alignments: the sum, or the maximum (Viterbi)."""
    return max(a, b) if use_max else a + b


@kernel(error_model="numpy", _nrt=False, inline="always")
def mix(key: int, number: int) -> int:
    """Return the hash of a sequence of numbers from that of all but the last, and the last one.

    Prefixes, and their futures, are compared by these 64 bits alone. Among the few thousand of a
    frame two of equal hash have a chance below 1e-12.
    """
    h = (np.uint64(key) ^ (np.uint64(number + 1) * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(
        0xD6E8FEB86659FD93
    )
    h ^= h >> np.uint64(32)
    h *= np.uint64(0xD6E8FEB86659FD93)
    return np.int64(h ^ (h >> np.uint64(29)))


@kernel(error_model="numpy", _nrt=False, inline="always")
def ask(g: Language, s: Search, state: int, word: int) -> tuple[float, int]:
    """Return log p(word | state) and the next state; note queries that cannot be answered yet."""
    lm, after = query(state, word, g.ngrams)
    if after < 0:  # a lazily filled model has yet to look this n-gram up
        m = s.counters[MISSES]
        if m < len(s.misses):
            s.misses[m, 0], s.misses[m, 1] = state, word
            s.counters[MISSES] = m + 1
        after = 0
    return lm, after


@kernel(error_model="numpy", _nrt=False)
def ask_alike(g: Language, s: Search, state: int, word: int) -> tuple[float, int]:
    """Query as :func:`ask` does; among words that sound alike take the most probable one."""
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
    """Compute END_LM and END_STATE of a row, once; False if its open word is no word.

    The n-gram score of the open word does not depend on the frame, so it is kept in the row as long
    as the prefix stays in the beam.
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
    if s.counters[MISSES] == misses:  # an answer, not a placeholder
        s.floats[buffer, row, END_LM] = lm
        s.ints[buffer, row, END_STATE] = after
    return True


@kernel(error_model="numpy", _nrt=False, inline="always")
def closing_extra(g: Language, lex: int) -> float:
    """Return the score of closing the word of a node, apart from the model's and ``lm_beta``."""
    return g.node_extra[max(lex, 0)]


@kernel(error_model="numpy", _nrt=False, inline="always")
def look_ahead_factor(o: Options, g: Language, lex: int) -> float:
    """Return the look-ahead factor of a lexicon node; -1 is an unknown word."""
    return g.factors[lex] if lex >= 0 else o.unknown_factor


@kernel(error_model="numpy", _nrt=False)
def hot_step(hot: Hotwords, state: int, token: int, boundary: bool) -> tuple[int, float]:
    """Return the state after a token and the weights of the phrases completed by it.

    ``boundary``: the token starts a new word, so a word boundary is read first.
    """
    earned = 0.0
    if boundary:
        state = np.int64(hot.follow[state, 1])
        earned += hot.earned[state]
    for i in range(hot.first[token], hot.first[token + 1]):
        state = np.int64(hot.follow[state, hot.codes[i]])
        earned += hot.earned[state]
    return state, earned

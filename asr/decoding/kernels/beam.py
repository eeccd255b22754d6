"""The prefix beam search, one frame after the other.

T frames, V vocabulary, B beam size, N lexicon nodes, C slots of the n-gram table, A nodes of the
prefix arena.

Masses are linear, not logarithmic: the mass of a prefix is its probability times ``exp`` of all its
weights (language model, words, hotwords, look-ahead), scaled so that the best of the last frame is
one; ``scale`` keeps the logarithm. So adding alignments is an addition, extending a prefix is a
multiplication, and no logarithm is taken while searching.

A frame is searched in four steps: the prefixes that stay (with what their parents in the beam pass
on to them), the new prefixes, the selection of the B best, and the rows of the next beam. A
histogram of the masses (eight classes an octave) yields a running threshold below which the B best
cannot lie; candidates below it are never stored, and because tokens are tried in falling order most
are never even looked at. Nothing else limits the number of candidates.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.decoding.kernels.automaton import query
from asr.decoding.kernels.lexicon import find_edge
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
# END_STATE: after closing, -1: unknown yet.

# Slots of the counters.
COUNT, CURRENT, FRAME, ARENA, MISSES, N_COUNTERS = 0, 1, 2, 3, 4, 5

DONE, ARENA_FULL, NO_ROOM, MISSING, DEAD = 0, 1, 2, 3, 4

UNKNOWN_WORD = 0
NO_WORD = -1
HOMOPHONES = -2  # and below: words of one sound

BUCKETS = 512
_SHIFT = 49  # eight classes an octave
_LOWEST = (1023 - 48) << 3  # masses below 2**-48 of the last frame's best share the lowest class


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
    edge_first: I32
    edges: I32
    gains: F32  # edges seen as float32
    masks: U64
    factors: F64  # (N,)
    # (N,) the model's word that ends at a node; NO_WORD: none; HOMOPHONES - i: those of group i
    node_words: I32
    # groups of words that sound alike; group i is homophones[i + 1 : i + 1 + homophones[i]]
    homophones: I32
    slots: npt.NDArray[np.uint32]
    probs: F32
    unigrams: F32
    after: I32
    backoffs: F32
    shorter: I32


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
    counters: I64
    scale: F64  # (3,): log of the scale; best mass and threshold of the frame
    arena: I32  # (A, 3): parent, token, frame
    arena_map: I32  # (A,)
    misses: I32  # (M, 2): state, word
    cand_mass: F64
    cand_bits: I64  # cand_mass seen as integers
    cand_ints: I32  # (K, 4): row, token, lexicon node, whether a word was closed
    cand_gain: F64
    stay: F64  # (B, 2)
    child_first: I32
    child_next: I32
    child_mask: U64
    table: I32
    histogram: I32
    chosen: I32
    tied: I32
    masses: F64
    inner: I32
    inner_p: F64
    starting: I32
    starting_p: F64


@kernel(error_model="numpy", _nrt=False, inline="always")
def _mix(parent: int, token: int) -> int:
    h = (np.uint64(parent) ^ (np.uint64(token + 1) * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(
        0xD6E8FEB86659FD93
    )
    h ^= h >> np.uint64(32)
    h *= np.uint64(0xD6E8FEB86659FD93)
    return np.int64(h ^ (h >> np.uint64(29)))


@kernel(error_model="numpy", _nrt=False, inline="always")
def _add(a: float, b: float, use_max: bool) -> float:
    return max(a, b) if use_max else a + b


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


@kernel(error_model="numpy", _nrt=False)
def start(search: Search, bos_state: int, hot_state: int) -> None:
    """Begin: one empty prefix."""
    search.counters[:] = 0
    search.counters[COUNT] = 1
    search.counters[ARENA] = 1
    search.scale[0] = 0.0
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
    """Tokens worth appending, most probable first, split into those that continue a word and those
    that start one.
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
    """Sort tokens by falling log-probability (Shell 1959), equal ones by number, and fill in their
    probabilities.
    """
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
def _kth_largest(values: F64, n: int, k: int) -> float:
    """The k-th largest of the first n values (Hoare 1961); their order changes."""
    low, high, target = 0, n - 1, k - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        i, j = low, high
        while i <= j:
            while values[i] > pivot:
                i += 1
            while values[j] < pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if target <= j:
            high = j
        elif target >= i:
            low = i
        else:
            break
    return values[target]


@kernel(error_model="numpy", _nrt=False, inline="always")
def _bucket(bits: int) -> int:
    return min(max((bits >> _SHIFT) - _LOWEST, 0), BUCKETS - 1)


@kernel(error_model="numpy", _nrt=False)
def _bucket_floor(bucket: int) -> float:
    """Smallest mass of a class."""
    exponent = (bucket >> 3) - 48
    return (1.0 + (bucket & 7) / 8.0) * 2.0**exponent if bucket > 0 else 0.0


@kernel(error_model="numpy", _nrt=False)
def _compact(s: Search) -> None:
    """Drop the arena's nodes that no prefix of the beam descends from."""
    used, current = s.counters[ARENA], s.counters[CURRENT]
    s.arena_map[:used] = 0
    for i in range(s.counters[COUNT]):
        node = s.ints[current, i, NODE]
        while node >= 0 and s.arena_map[node] == 0:
            s.arena_map[node] = 1
            node = s.arena[node, 0]
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
    """Hash table of the beam's prefixes, and for each the beam's prefixes that are one token
    longer.
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
    mask = len(s.table) - 1
    slot = identity & mask
    while s.table[slot] >= 0:
        if s.ints[current, s.table[slot], HASH] == identity:
            return np.int64(s.table[slot])
        slot = (slot + 1) & mask
    return -1


@kernel(error_model="numpy", _nrt=False)
def _stay(s: Search, frame: F32, use_max: bool) -> None:
    """Masses of the prefixes that stay: by a blank, by a repeated token, or reached again from the
    parent.
    """
    current = s.counters[CURRENT]
    floats, ints = s.floats[current], s.ints[current]
    p_blank = math.exp(np.float64(frame[0]))
    for i in range(s.counters[COUNT]):
        blank, other, token = floats[i, BLANK], floats[i, OTHER], ints[i, TOKEN]
        s.stay[i, 0] = _add(blank, other, use_max) * p_blank
        s.stay[i, 1] = 0.0
        if token == 0:
            continue
        p = math.exp(np.float64(frame[token]))
        s.stay[i, 1] = other * p
        parent = _find_prefix(s, ints[i, PARENT], current)
        if parent < 0:
            continue
        source = floats[parent, BLANK]
        if ints[parent, TOKEN] != token:
            source = _add(source, floats[parent, OTHER], use_max)
        s.stay[i, 1] = _add(s.stay[i, 1], source * p * floats[i, GAIN], use_max)
        s.child_next[i] = s.child_first[parent]
        s.child_first[parent] = i
        s.child_mask[parent] |= np.uint64(1) << np.uint64(token & 63)


@kernel(error_model="numpy", _nrt=False, inline="always")
def _has_child(s: Search, ints: I64, row: int, token: int) -> bool:
    if not s.child_mask[row] & (np.uint64(1) << np.uint64(token & 63)):
        return False
    child = s.child_first[row]
    while child >= 0:
        if ints[child, TOKEN] == token:
            return True
        child = s.child_next[child]
    return False


@kernel(error_model="numpy", _nrt=False, inline="always")
def _ask(g: Language, s: Search, state: int, word: int) -> tuple[float, int]:
    """Query the model; what a lazily filled one lacks is noted."""
    lm, after = query(state, word, g.slots, g.probs, g.unigrams, g.after, g.backoffs, g.shorter)
    if after < 0:
        m = s.counters[MISSES]
        if m < len(s.misses):
            s.misses[m, 0], s.misses[m, 1] = state, word
            s.counters[MISSES] = m + 1
        after = 0
    return lm, after


@kernel(error_model="numpy", _nrt=False)
def _ask_alike(g: Language, s: Search, state: int, word: int) -> tuple[float, int]:
    """As :func:`_ask`; of words that sound alike the one that the model likes best after ``state``."""
    if word > HOMOPHONES:
        return _ask(g, s, state, max(word, UNKNOWN_WORD))
    best, best_after = -np.inf, 0
    first = HOMOPHONES - word
    for i in range(first + 1, first + 1 + g.homophones[first]):
        lm, after = _ask(g, s, state, g.homophones[i])
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
    lm, after = _ask_alike(g, s, s.ints[buffer, row, STATE], word)
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
def _factor(o: Options, g: Language, lex: int) -> float:
    return g.factors[lex] if lex >= 0 else o.unknown_factor


@kernel(error_model="numpy", _nrt=False)
def _make_room(o: Options, s: Search, n: int, threshold: float) -> int:
    """Drop candidates that have fallen below the threshold since they were stored."""
    kept = s.counters[COUNT]
    for i in range(s.counters[COUNT], n):
        if s.cand_mass[i] >= threshold:
            s.cand_mass[kept], s.cand_gain[kept] = s.cand_mass[i], s.cand_gain[i]
            for j in range(4):
                s.cand_ints[kept, j] = s.cand_ints[i, j]
            kept += 1
    return kept


@kernel(error_model="numpy", _nrt=False)
def _extend(o: Options, g: Language, h: Hotwords, s: Search, n_inner: int, n_starting: int) -> int:
    """Fill the candidates: the prefixes that stay, then the new ones.

    Returns their number, or -1 without room.
    """
    current, count = s.counters[CURRENT], s.counters[COUNT]
    floats, ints = s.floats[current], s.ints[current]
    s.histogram[:] = 0
    best, lowest, above, threshold = 0.0, 0, 0, 0.0
    for i in range(count):
        mass = _add(s.stay[i, 0], s.stay[i, 1], o.use_max)
        s.cand_mass[i] = mass
        if mass > 0.0:
            best = max(best, mass)
            s.histogram[_bucket(s.cand_bits[i])] += 1
            above += 1
    while above - s.histogram[lowest] >= o.beam_size:
        above -= s.histogram[lowest]
        lowest += 1
    threshold = max(_bucket_floor(lowest), best * o.beam_factor)
    n = count
    capacity = len(s.cand_mass)
    for round_ in range(2):  # first the best token of every prefix: the threshold rises early
        for row in range(count):
            total = _add(floats[row, BLANK], floats[row, OTHER], o.use_max)
            lex, last = ints[row, LEX], ints[row, TOKEN]
            factor = _factor(o, g, lex)
            # The largest factor that an inner token can bring: look-ahead only falls within a word,
            # except into the first node of a word and into an unknown word.
            limit = o.hot_limit
            if lex == 0:
                limit *= o.root_limit
            elif lex > 0 and not o.closed:
                limit *= max(1.0, o.unknown_factor / factor)
            for part in range(2):
                tokens, p, n_tokens = (
                    (s.inner, s.inner_p, n_inner)
                    if part == 0
                    else (s.starting, s.starting_p, n_starting)
                )
                if n_tokens <= round_:
                    continue
                closes = part == 1 and lex != 0
                base, end_gain = total, 1.0
                if part == 1:
                    limit = o.hot_limit * o.root_limit
                    if closes:
                        extra = closing_extra(o, g, lex)
                        bound = math.exp(o.lm_beta + extra) / factor
                        if total * bound * limit * p[round_] < threshold or not close_word(
                            o, g, s, current, row
                        ):
                            continue
                        end_gain = (
                            math.exp(o.lm_alpha * floats[row, END_LM] + o.lm_beta + extra) / factor
                        )
                        base = total * end_gain
                for i in range(round_, n_tokens if round_ else 1):
                    if base * p[i] * limit < threshold:
                        break
                    token = np.int64(tokens[i])
                    gain, target = 1.0, 0
                    if not g.lone[token]:
                        origin = 0 if part == 1 else lex
                        edge = -1
                        if origin >= 0:
                            edge = find_edge(
                                g.edge_first, g.edges, g.masks, origin, token, o.exact_masks
                            )
                        if edge >= 0:
                            target, gain = np.int64(g.edges[edge, 1]), np.float64(g.gains[edge, 2])
                        elif o.closed:
                            continue
                        else:
                            target, gain = (
                                -1,
                                o.unk_token_factor
                                * o.unknown_factor
                                / (factor if part == 0 else 1.0),
                            )
                    gain *= end_gain
                    if o.token_lm:
                        if total * p[i] * gain * o.hot_limit < threshold:
                            continue
                        lm, _ = _ask(g, s, ints[row, STATE], g.token_ids[token])
                        gain *= math.exp(o.lm_alpha * lm)
                    if o.hot:
                        state, earned = hot_step(h, ints[row, HOT], token, closes)
                        gain *= math.exp(earned + h.pending[state] - h.pending[ints[row, HOT]])
                    mass = (floats[row, BLANK] if token == last else total) * p[i] * gain
                    if mass < threshold or mass <= 0.0 or _has_child(s, ints, row, token):
                        continue
                    if n == capacity:
                        n = _make_room(o, s, n, threshold)
                        if n * 4 > capacity * 3:
                            return -1
                    s.cand_mass[n], s.cand_gain[n] = mass, gain
                    s.cand_ints[n, 0], s.cand_ints[n, 1], s.cand_ints[n, 2], s.cand_ints[n, 3] = (
                        row,
                        token,
                        target,
                        closes,
                    )
                    bucket = _bucket(s.cand_bits[n])
                    n += 1
                    if bucket >= lowest:
                        s.histogram[bucket] += 1
                        above += 1
                        best = max(best, mass)
                        while above - s.histogram[lowest] >= o.beam_size:
                            above -= s.histogram[lowest]
                            lowest += 1
                        threshold = max(_bucket_floor(lowest), best * o.beam_factor)
    s.scale[1], s.scale[2] = best, threshold
    return n


@kernel(error_model="numpy", _nrt=False, inline="always")
def _rank_of_tie(s: Search, candidate: int, count: int, ints: I64) -> int:
    """Order among equal masses: the blank, then tokens by number; a token after a blank before a
    repeated one.
    """
    if candidate >= count:
        return np.int64(s.cand_ints[candidate, 1]) * 2
    return 0 if s.stay[candidate, 0] >= s.stay[candidate, 1] else ints[candidate, TOKEN] * 2 + 1


@kernel(error_model="numpy", _nrt=False)
def _select(o: Options, s: Search, n: int) -> int:
    """The beam_size best candidates within the beam threshold, by number, into ``chosen``; returns
    how many.
    """
    best, threshold = s.scale[1], s.scale[2]
    if not best > 0.0:
        return 0
    count = s.counters[COUNT]
    m = 0
    for i in range(n):
        if s.cand_mass[i] >= threshold and s.cand_mass[i] > 0.0:
            s.chosen[m] = i
            m += 1
    if m <= o.beam_size:
        return m
    for i in range(m):
        s.masses[i] = s.cand_mass[s.chosen[i]]
    kth = _kth_largest(s.masses, m, o.beam_size)
    greater = 0
    for i in range(m):
        greater += s.cand_mass[s.chosen[i]] > kth
    wanted = o.beam_size - greater
    ints = s.ints[s.counters[CURRENT]]
    kept, ties = 0, 0
    for i in range(m):
        candidate = s.chosen[i]
        if s.cand_mass[candidate] > kth:
            s.chosen[kept] = candidate
            kept += 1
        elif s.cand_mass[candidate] == kth:
            s.tied[ties] = candidate
            ties += 1
    for i in range(wanted):
        first = i
        for j in range(i + 1, ties):
            if _rank_of_tie(s, s.tied[j], count, ints) < _rank_of_tie(
                s, s.tied[first], count, ints
            ):
                first = j
        s.tied[i], s.tied[first] = s.tied[first], s.tied[i]
        s.chosen[kept] = s.tied[i]
        kept += 1
    return kept


@kernel(error_model="numpy", _nrt=False)
def _commit(o: Options, g: Language, h: Hotwords, s: Search, m: int) -> None:
    """Write the rows of the next beam."""
    current, count = s.counters[CURRENT], s.counters[COUNT]
    floats, ints = s.floats[current], s.ints[current]
    new_floats, new_ints = s.floats[1 - current], s.ints[1 - current]
    inverse = 1.0 / s.scale[1]
    node = s.counters[ARENA]
    for i in range(m):
        candidate = np.int64(s.chosen[i])
        row = candidate if candidate < count else np.int64(s.cand_ints[candidate, 0])
        for j in range(N_FLOATS):
            new_floats[i, j] = floats[row, j]
        for j in range(N_INTS):
            new_ints[i, j] = ints[row, j]
        if candidate < count:
            new_floats[i, BLANK] = s.stay[row, 0] * inverse
            new_floats[i, OTHER] = s.stay[row, 1] * inverse
            continue
        token, closes = np.int64(s.cand_ints[candidate, 1]), s.cand_ints[candidate, 3] == 1
        new_floats[i, BLANK] = 0.0
        new_floats[i, OTHER] = s.cand_mass[candidate] * inverse
        new_floats[i, GAIN] = s.cand_gain[candidate]
        new_ints[i, PARENT] = ints[row, HASH]
        new_ints[i, HASH] = _mix(ints[row, HASH], token)
        new_ints[i, TOKEN] = token
        new_ints[i, LEX] = s.cand_ints[candidate, 2]
        new_ints[i, END_STATE] = -1
        if s.cand_ints[candidate, 2] < 0:
            new_floats[i, EXTRA] += o.unk_token_score
        if closes:
            new_floats[i, LM] += floats[row, END_LM]
            new_floats[i, EXTRA] += closing_extra(o, g, ints[row, LEX])
            new_ints[i, STATE] = ints[row, END_STATE]
            new_ints[i, WORDS] += 1
        if o.token_lm:
            lm, after = _ask(g, s, ints[row, STATE], g.token_ids[token])
            new_floats[i, LM] += lm
            new_ints[i, STATE] = after
        if o.hot:
            state, earned = hot_step(h, ints[row, HOT], token, closes)
            new_floats[i, EXTRA] += earned
            new_ints[i, HOT] = state
        s.arena[node, 0], s.arena[node, 1], s.arena[node, 2] = (
            ints[row, NODE],
            token,
            s.counters[FRAME],
        )
        new_ints[i, NODE] = node
        node += 1
    s.counters[ARENA] = node
    s.counters[COUNT] = m
    s.counters[CURRENT] = 1 - current
    s.scale[0] += math.log(s.scale[1])


@kernel(error_model="numpy", _nrt=False)
def _skip_blank(s: Search, logp: float, use_max: bool) -> None:
    """A frame that is nearly surely blank: every run of a repeated token ends, nothing else
    happens.
    """
    floats = s.floats[s.counters[CURRENT]]
    for i in range(s.counters[COUNT]):
        floats[i, BLANK] = _add(floats[i, BLANK], floats[i, OTHER], use_max)
        floats[i, OTHER] = 0.0
    s.scale[0] += logp


@kernel(error_model="numpy", _nrt=False)
def advance(o: Options, g: Language, h: Hotwords, s: Search, log_probs: F32) -> tuple[int, int]:
    """Search the frames of ``log_probs`` (T, V); returns (status, frames done)."""
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
        n = _extend(o, g, h, s, n_inner, n_starting)
        if n < 0:
            return NO_ROOM, t
        if s.counters[MISSES] > 0:
            return MISSING, t
        m = _select(o, s, n)
        if m == 0:
            return DEAD, t
        _commit(o, g, h, s, m)
        s.counters[FRAME] += 1
    return DONE, len(log_probs)

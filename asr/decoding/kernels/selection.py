"""Choose the candidates of the next beam: a rising threshold, then exactly the B best.

A histogram counts the candidates by mass, in eight classes per factor of two. As soon as B
candidates lie above a class, nothing in that class or below can be among the B best, so the
threshold rises to the next class. It rises while candidates are still being made: those below it
are never stored, and, since tokens come most probable first, most are never computed. The threshold
is conservative: the selection at the end is exact, the same as sorting all candidates.
"""

from __future__ import annotations

import numpy as np

from asr.decoding.kernels.layout import (
    ABOVE,
    APPENDED,
    BEST,
    BUCKETS,
    CANDIDATES,
    CLOSES,
    COUNT,
    CURRENT,
    END_STATE,
    F64,
    HOT,
    I64,
    LEX,
    LOWEST,
    N_CANDIDATE,
    ROW,
    STATE,
    TARGET,
    THRESHOLD,
    TOKEN,
    Hotwords,
    Language,
    Options,
    Search,
    add,
    ask,
    hot_step,
    mix,
)
from asr.kernels import kernel

# A float64 shifted right by 49 bits keeps its exponent and the three highest bits of its mantissa:
# eight classes per factor of two, without a logarithm.
_SHIFT = 49
_LOWEST = (1023 - 48) << 3  # masses below 2**-48 of the last frame's best share the lowest class


@kernel(error_model="numpy", _nrt=False, inline="always")
def _bucket(bits: int) -> int:
    """Return the class of a mass, which is given as the bits of its float64."""
    return min(max((bits >> _SHIFT) - _LOWEST, 0), BUCKETS - 1)


@kernel(error_model="numpy", _nrt=False)
def _bucket_floor(bucket: int) -> float:
    """Return the smallest mass of a class."""
    exponent = (bucket >> 3) - 48
    return (1.0 + (bucket & 7) / 8.0) * 2.0**exponent if bucket > 0 else 0.0


@kernel(error_model="numpy", _nrt=False, inline="always")
def _raise_threshold(o: Options, s: Search) -> None:
    """Raise the threshold as far as the histogram and the beam threshold allow."""
    above, lowest = s.counters[ABOVE], s.counters[LOWEST]
    while above - s.histogram[lowest] >= o.beam_size:  # B candidates lie in higher classes
        above -= s.histogram[lowest]
        lowest += 1
    s.counters[ABOVE], s.counters[LOWEST] = above, lowest
    s.scale[THRESHOLD] = max(_bucket_floor(lowest), s.scale[BEST] * o.beam_factor)


@kernel(error_model="numpy", _nrt=False)
def count_stayers(o: Options, s: Search) -> None:
    """Start the candidates of a frame with the prefixes that stay: candidate i is row i."""
    count = s.counters[COUNT]
    s.histogram[:] = 0
    s.counters[ABOVE], s.counters[LOWEST] = 0, 0
    s.scale[BEST] = 0.0
    for i in range(count):
        mass = add(s.stay[i, 0], s.stay[i, 1], o.use_max)
        s.cand_mass[i] = mass
        if mass > 0.0:
            s.scale[BEST] = max(s.scale[BEST], mass)
            s.histogram[_bucket(s.cand_bits[i])] += 1
            s.counters[ABOVE] += 1
    s.counters[CANDIDATES] = count
    _raise_threshold(o, s)


@kernel(error_model="numpy", _nrt=False)
def _make_room(s: Search) -> bool:
    """Drop longer prefixes that are now below the threshold; False if they are too few."""
    kept, threshold = s.counters[COUNT], s.scale[THRESHOLD]
    for i in range(s.counters[COUNT], s.counters[CANDIDATES]):
        if s.cand_mass[i] >= threshold:
            s.cand_mass[kept], s.cand_gain[kept] = s.cand_mass[i], s.cand_gain[i]
            for j in range(N_CANDIDATE):
                s.cand_ints[kept, j] = s.cand_ints[i, j]
            kept += 1
    s.counters[CANDIDATES] = kept
    return kept * 4 <= len(s.cand_mass) * 3


@kernel(error_model="numpy", _nrt=False, inline="always")
def store(
    o: Options,
    s: Search,
    candidate: tuple[int, int, int, bool],
    mass: float,
    gain: float,
) -> bool:
    """Store a candidate (row, token, lexicon node, closes a word); False: no room."""
    n = s.counters[CANDIDATES]
    if n == len(s.cand_mass):
        if not _make_room(s):
            return False
        n = s.counters[CANDIDATES]
    s.cand_mass[n], s.cand_gain[n] = mass, gain
    s.cand_ints[n, ROW], s.cand_ints[n, APPENDED] = candidate[0], candidate[1]
    s.cand_ints[n, TARGET], s.cand_ints[n, CLOSES] = candidate[2], candidate[3]
    s.counters[CANDIDATES] = n + 1
    bucket = _bucket(s.cand_bits[n])
    if bucket >= s.counters[LOWEST]:
        s.histogram[bucket] += 1
        s.counters[ABOVE] += 1
        s.scale[BEST] = max(s.scale[BEST], mass)
        _raise_threshold(o, s)
    return True


@kernel(error_model="numpy", _nrt=False)
def _kth_largest(values: F64, n: int, k: int) -> float:
    """Return the k-th largest of the first n values (Hoare 1961); their order changes."""
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
def _rank_of_tie(s: Search, candidate: int, count: int, ints: I64) -> int:
    """Return the order among equal masses: blank, then tokens by number, new before repeated."""
    if candidate >= count:
        return np.int64(s.cand_ints[candidate, APPENDED]) * 2
    return 0 if s.stay[candidate, 0] >= s.stay[candidate, 1] else ints[candidate, TOKEN] * 2 + 1


@kernel(error_model="numpy", _nrt=False)
def _within_threshold(s: Search) -> int:
    """Write the candidates at or above the threshold into ``chosen``; return how many."""
    m = 0
    for i in range(s.counters[CANDIDATES]):
        if s.cand_mass[i] >= s.scale[THRESHOLD] and s.cand_mass[i] > 0.0:
            s.chosen[m] = i
            m += 1
    return m


@kernel(error_model="numpy", _nrt=False)
def _break_ties(s: Search, kept: int, ties: int, wanted: int) -> None:
    """Append the first ``wanted`` of the tied candidates to the ``kept`` chosen ones.

    A partial selection sort: ties are few. With a fixed order the result depends neither on the
    order of the candidates nor on the machine.
    """
    count, ints = s.counters[COUNT], s.ints[s.counters[CURRENT]]
    for i in range(wanted):
        first = i
        for j in range(i + 1, ties):
            rank = _rank_of_tie(s, s.tied[j], count, ints)
            if rank < _rank_of_tie(s, s.tied[first], count, ints):
                first = j
        s.tied[i], s.tied[first] = s.tied[first], s.tied[i]
        s.chosen[kept + i] = s.tied[i]


@kernel(error_model="numpy", _nrt=False, inline="always")
def _future(o: Options, g: Language, h: Hotwords, s: Search, candidate: int) -> int:
    """Return the hash of what the scores of a candidate's continuations depend on: the states of
    the models, the node of the lexicon, the last token.
    """
    ints = s.ints[s.counters[CURRENT]]
    if candidate < s.counters[COUNT]:
        lex, token = ints[candidate, LEX], ints[candidate, TOKEN]
        state, hot = ints[candidate, STATE], ints[candidate, HOT]
    else:
        row = np.int64(s.cand_ints[candidate, ROW])
        lex = np.int64(s.cand_ints[candidate, TARGET])
        token = np.int64(s.cand_ints[candidate, APPENDED])
        closes = s.cand_ints[candidate, CLOSES] == 1
        state, hot = ints[row, END_STATE if closes else STATE], ints[row, HOT]
        if o.token_lm:
            state = np.int64(ask(g, s, state, g.token_ids[token])[1])
        if o.hot:
            hot = np.int64(hot_step(h, hot, token, closes)[0])
    return mix(mix(mix(lex, state), hot), token)


@kernel(error_model="numpy", _nrt=False)
def _recombine(o: Options, g: Language, h: Hotwords, s: Search, m: int) -> int:
    """Drop, of the ``m`` chosen candidates, those that are too far behind one with the same future;
    return how many are left.
    """
    mask = len(s.best_alike) - 1
    s.best_alike[:] = -1
    for i in range(m):
        s.futures[i] = _future(o, g, h, s, np.int64(s.chosen[i]))
        slot = s.futures[i] & mask
        while s.best_alike[slot] >= 0 and s.futures[s.best_alike[slot]] != s.futures[i]:
            slot = (slot + 1) & mask
        best = np.int64(s.best_alike[slot])
        if best < 0 or s.cand_mass[s.chosen[i]] > s.cand_mass[s.chosen[best]]:
            s.best_alike[slot] = i
        s.tied[i] = slot
    for i in range(m):
        s.masses[i] = s.cand_mass[s.chosen[s.best_alike[s.tied[i]]]]
    kept = 0
    for i in range(m):
        if s.cand_mass[s.chosen[i]] >= s.masses[i] * o.alike_factor:
            s.chosen[kept] = s.chosen[i]
            kept += 1
    return kept


@kernel(error_model="numpy", _nrt=False)
def select(o: Options, g: Language, h: Hotwords, s: Search) -> int:
    """Write the numbers of the candidates that make the next beam into ``chosen``; return how many
    there are: the B best, less those that another one with the same future replaces.
    """
    m = _best(o, s)
    return _recombine(o, g, h, s, m) if o.alike_factor > 0.0 else m


@kernel(error_model="numpy", _nrt=False)
def _best(o: Options, s: Search) -> int:
    """Write the numbers of the B best candidates into ``chosen``; return how many there are."""
    if not s.scale[BEST] > 0.0:
        return 0
    m = _within_threshold(s)
    if m <= o.beam_size:
        return m
    for i in range(m):
        s.masses[i] = s.cand_mass[s.chosen[i]]
    kth = _kth_largest(s.masses, m, o.beam_size)
    kept, ties = 0, 0
    for i in range(m):
        candidate = s.chosen[i]
        if s.cand_mass[candidate] > kth:
            s.chosen[kept] = candidate  # kept <= i: what is overwritten has been read
            kept += 1
        elif s.cand_mass[candidate] == kth:
            s.tied[ties] = candidate
            ties += 1
    _break_ties(s, kept, ties, o.beam_size - kept)
    return o.beam_size

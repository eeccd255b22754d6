"""Words that begin or end alike. Oracles: all words compared one by one, and a made-up language."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np

from asr.g2p.evaluation import hold_out, score_g2p
from asr.g2p.model import G2P, estimate_g2p, estimate_ranking, ranking_path
from asr.g2p.neighbours import (
    NEAR,
    SHARED,
    Known,
    agreement,
    first_ways,
    known_words,
    neighbours,
    phone_codes,
    trusted_entries,
)
from asr.lm import write_compact
from asr.text.pronunciations import Phones, Pronunciations


def made_words(count: int, seed: int) -> list[str]:
    rng = Random(seed)
    return ["".join(rng.choices("abc", k=rng.randint(1, 9))) for _ in range(count)]


def near(word: str, known: Known) -> list[tuple[int, int, int]]:
    found = np.empty((2 * NEAR, 3), np.int64)
    count = neighbours(np.array([*map(ord, word)], np.int32), known, found)
    return [(side, entry, shared) for side, entry, shared in found[:count].tolist()]


def shared(word: str, other: str, side: int) -> int:
    step = -1 if side else 1
    letters = zip(word[::step], other[::step], strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], letters)))


def test_neighbours_share_the_most_letters() -> None:
    words = sorted(set(made_words(300, 1)))
    known = known_words({word: [tuple(word.upper())] for word in words})
    for word in [*made_words(100, 2), *words[:50]]:
        found = near(word, known)
        assert all(shared(word, words[entry], side) == count for side, entry, count in found)
        assert word not in {words[entry] for _, entry, _ in found}
        for side in (0, 1):
            counts = sorted(shared(word, other, side) for other in words if other != word)
            most = [count for count in counts[::-1] if count >= SHARED][:NEAR]
            assert [count for s, _, count in found if s == side] == most


def test_agreement_is_counted_from_the_side() -> None:
    known = known_words({"tea": [("T", "IY")], "heat": [("HH", "IY", "T")]})
    said = np.array(phone_codes(["HH", "EH", "T"]))
    heat, tea = 0, 1
    assert agreement(said, known, np.array([0, heat, 0])) == 1
    assert agreement(said, known, np.array([1, heat, 0])) == 1
    assert agreement(said, known, np.array([0, tea, 0])) == 0
    assert agreement(said[1:], known, np.array([1, tea, 0])) == 0
    assert agreement(said[:1], known, np.array([0, heat, 0])) == 1


def test_the_first_pronunciation_counts(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.txt.gz"
    lexicon = Pronunciations({"read": [("R", "IY", "D"), ("R", "EH", "D")], "a": [("AH",)]})
    lexicon.save(path)
    expected = [("a", "AH"), ("read", "R IY D")]
    for dictionary in (lexicon, Pronunciations.load(path, stress=True), dict(lexicon)):
        assert sorted(first_ways(dictionary)) == expected


def test_a_filter_knows_its_entries() -> None:
    entries = [(word, " ".join(word)) for word in sorted(set(made_words(9000, 3)))]
    inside, outside = entries[::2], entries[1::2]
    trusted = trusted_entries(inside)
    assert len(trusted) == 7 * len(inside) // 8
    kept = known_words({word: [tuple(way.split())] for word, way in entries}, trusted)
    assert len(inside) <= len(kept.backward) < len(inside) + 0.06 * len(outside)
    assert len(known_words({"a": [("A",)]}, trusted_entries([])).backward) == 0


def language() -> dict[str, list[Phones]]:
    """Words of a stem and an ending; whether the stem's vowel is long, only the stem knows."""
    rng, said = Random(0), {}
    for first, vowel, last in itertools.product("bdfgklmnpr", "aeiou", "bdfgklmnprstv"):
        spoken = first.upper(), vowel.upper() + rng.choice(["", ":"]), last.upper()
        for ending in ("", "ot", "un", "il"):
            said[first + vowel + last + ending] = [(*spoken, *ending.upper())]
    return said


def test_stems_are_said_as_the_dictionary_says_them(tmp_path: Path) -> None:
    known, test = hold_out(language(), 0.1)
    model, ranking = estimate_g2p(known, 2), estimate_ranking(known, 2)
    assert score_g2p(G2P(model), test).word_error_rate > 0.3
    assert score_g2p(G2P(model, ranking, known), test).word_error_rate < 0.05
    path = tmp_path / "g2p.lmz"
    ranking.save(ranking_path(path))
    write_compact(model, path)
    Pronunciations(known).save(tmp_path / "lexicon.txt.gz")
    expected = [sayings[0].phones for sayings in G2P(model, ranking, known)(list(test))]
    for _ in range(2):  # the second time what is near is read from the cache
        lexicon = Pronunciations.load(tmp_path / "lexicon.txt.gz", stress=True)
        loaded = G2P.load(path, dictionary=lexicon)
        assert [sayings[0].phones for sayings in loaded(list(test))] == expected
    none = replace(ranking, trusted=trusted_entries([]))  # follow nothing
    assert score_g2p(G2P(model, none, known), test).word_error_rate > 0.3

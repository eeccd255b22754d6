"""Hotwords: weighted phrases as an automaton over characters (Aho and Corasick 1975).

While a phrase is being spelled, a prefix gets a growing share of its weight in advance, so that it
survives in the beam. The share is taken back if the text continues differently. Only a complete
phrase, from word boundary to word boundary, keeps its weight. If phrases overlap, each complete one
counts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from asr.decoding.kernels.layout import Hotwords
from asr.decoding.vocabulary import Vocabulary
from asr.errors import DecodingError

__all__ = ["build_hotwords", "check_hotwords"]

MAX_WEIGHT = 300.0  # natural-log units; exp(2 * 300) still fits a double
BOUNDARY = 1  # code of the word boundary; 0 is every character that no phrase has


def check_hotwords(
    hotwords: Mapping[str, float] | Iterable[str] | None, weight: float
) -> dict[str, float]:
    """Return phrase -> weight (natural-log units); phrases of a plain list get ``weight``.

    Raises:
        DecodingError: an empty phrase, or a weight that is not a positive number of at most 300.
    """
    if isinstance(hotwords, str):
        raise DecodingError(
            "hotwords is a string.", "Pass a list of phrases, or a mapping of phrase to weight."
        )
    given = hotwords if isinstance(hotwords, Mapping) else dict.fromkeys(hotwords or (), weight)
    checked: dict[str, float] = {}
    for phrase, value in given.items():
        name = " ".join(phrase.split()) if isinstance(phrase, str) else ""
        if not name:
            raise DecodingError(f"Hotword {phrase!r} has no characters.", "Leave it out.")
        if not (isinstance(value, (int, float)) and 0 < value <= MAX_WEIGHT):
            remedy = f"Give a positive number of at most {MAX_WEIGHT:.0f}; 5 to 15 is usual."
            raise DecodingError(f"Hotword {phrase!r} has the weight {value!r}.", remedy)
        checked[name] = max(float(value), checked.get(name, 0.0))
    return checked


def build_hotwords(hotwords: Mapping[str, float], vocabulary: Vocabulary) -> Hotwords:
    """Return the automaton of phrases that :func:`check_hotwords` returned.

    Raises:
        DecodingError: a phrase has a character that no token has.
    """
    known = set("".join(vocabulary.pieces))
    for phrase in hotwords:
        missing = [c for c in phrase if not known.issuperset(vocabulary.spell(c)) and c != " "]
        if missing:
            remedy = "Write hotwords in the letter case and characters of the transcripts."
            raise DecodingError(
                f"Hotword {phrase!r} has {missing[0]!r}, which no token can write.", remedy
            )
    hotwords = {vocabulary.spell(phrase): weight for phrase, weight in hotwords.items()}
    characters = sorted(set("".join(hotwords)) - {" "})
    code = {" ": BOUNDARY, **{c: i for i, c in enumerate(characters, 2)}}
    children, earned, pending = _phrase_trie(hotwords, code)
    follow, earned_array = _complete(children, earned, len(code) + 1)
    pieces = [[code.get(c, 0) for c in piece] for piece in vocabulary.pieces]
    first = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64)
    codes = np.array([c for piece in pieces for c in piece] + [0], dtype=np.int32)
    return Hotwords(follow, earned_array, np.array(pending), codes, first)


def _phrase_trie(
    hotwords: Mapping[str, float], code: Mapping[str, int]
) -> tuple[list[dict[int, int]], list[float], list[float]]:
    """Return the trie of the phrases: children, weights of complete phrases, shares in advance."""
    children: list[dict[int, int]] = [{}]
    earned, pending = [0.0], [0.0]
    for phrase, weight in hotwords.items():
        node = 0
        for depth, character in enumerate(f" {phrase} "):
            following = children[node].get(code[character])
            if following is None:
                following = len(children)
                children[node][code[character]] = following
                children.append({})
                earned.append(0.0)
                pending.append(0.0)
            node = following
            if depth <= len(phrase):
                pending[node] = max(pending[node], weight * depth / len(phrase))
        earned[node] += weight
    return children, earned, pending


def _complete(children: list[dict[int, int]], earned: list[float], n_codes: int) -> tuple[Any, Any]:
    """Return the next state for every state and character, and the weights earned in every state.

    Breadth first, so that the suffix of a node (its failure link) is complete before the node: a
    node inherits the transitions of its suffix, except where it has children of its own, and also
    earns what its suffix earns.
    """
    follow = np.zeros((len(children), n_codes), np.int32)
    total = np.array(earned)
    for c, child in children[0].items():
        follow[0, c] = child
    queue = deque((child, 0) for child in children[0].values())
    while queue:
        node, suffix = queue.popleft()
        total[node] += total[suffix]
        follow[node] = follow[suffix]
        for c, child in children[node].items():
            queue.append((child, int(follow[suffix, c])))
            follow[node, c] = child
    return follow, total

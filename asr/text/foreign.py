"""Texts in another language than most of a collection, by their letters alone.

A trigram model of the letters of all other texts says how probable each text is (as Cavnar &
Trenkle 1994 tell languages apart by letters). It needs neither a dictionary nor a model of the
language: whatever most of the texts are written in is what is usual.
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence

import numpy as np

__all__ = ["foreign_texts", "letter_scripts"]

LEAST_TEXTS, LEAST_LETTERS = 50, 20  # below, there is nothing to compare, or too little to judge
SMOOTHING = 5.0  # how many letters the unigrams count for in each context
DEVIATIONS = 3.5  # of an unusual text, in standard deviations of the usual ones
LEAST_NATS = 0.35  # a letter less probable than is usual, at least
USUAL_SHARE = 0.02  # of all letters, from which on a script belongs to the collection
OTHER_SHARE = 0.5  # of the letters of a text in other scripts, from which on it is foreign


def foreign_texts(texts: Sequence[str]) -> list[str]:
    """Return for each text why it seems to be in another language than most; empty: it does not.

    Args:
        texts: of one collection, mostly in one language.
    """
    reasons = [""] * len(texts)
    if len(texts) < LEAST_TEXTS:
        return reasons
    plain = [" ".join(text.lower().split()) for text in texts]
    for number, script in enumerate(_other_scripts(plain)):
        if script:
            reasons[number] = f"another language: written in {script.capitalize()} letters"
    for number in _unusual(plain):
        reasons[number] = reasons[number] or "another language, by its letters"
    return reasons


def letter_scripts(text: str) -> Counter[str]:
    """Return how many letters of each script a text has, such as ``LATIN``.

    Example:
        >>> letter_scripts("Ja да 12")
        Counter({'LATIN': 2, 'CYRILLIC': 2})
    """
    names = (unicodedata.name(char, "?") for char in text if char.isalpha())
    return Counter(name.split()[0].split("-")[0] for name in names)


def _other_scripts(texts: Sequence[str]) -> list[str]:
    """Return the script of each text that is not written as most are; empty: it is."""
    scripts = [letter_scripts(text) for text in texts]
    total = sum(scripts, Counter[str]())
    usual = {name for name, count in total.items() if count >= USUAL_SHARE * total.total()}
    others = []
    for own in scripts:
        foreign = Counter({name: count for name, count in own.items() if name not in usual})
        share = foreign.total() / max(1, own.total())
        others.append(foreign.most_common(1)[0][0] if share >= OTHER_SHARE else "")
    return others


def _unusual(texts: Sequence[str]) -> list[int]:
    """Return the numbers of the texts whose letters follow each other as in no other text."""
    judged = [number for number, text in enumerate(texts) if len(text) >= LEAST_LETTERS]
    if len(judged) < LEAST_TEXTS:
        return []
    nats = np.array(_log_probs([texts[number] for number in judged]))
    below = np.median(nats) - nats
    # short texts vary more
    lengths = np.sqrt([len(texts[number]) for number in judged])
    deviation = 1.4826 * float(np.median(np.abs(below * lengths))) or 1e-9
    unusual = (below > LEAST_NATS) & (below * lengths > DEVIATIONS * deviation)
    return [judged[place] for place in np.flatnonzero(unusual)]


def _log_probs(texts: Sequence[str]) -> list[float]:
    """Return the mean log-probability (natural) of the letters of each text by all the others."""
    grams = [_trigrams(text) for text in texts]
    letters, pairs, triples = Counter[str](), Counter[str](), Counter[str]()
    for own in grams:
        for gram, count in own.items():
            letters[gram[2]] += count
            pairs[gram[:2]] += count
            triples[gram] += count
    total, size = letters.total(), len(letters)
    means = []
    for own in grams:
        own_letters, own_pairs = Counter[str](), Counter[str]()
        for gram, count in own.items():
            own_letters[gram[2]] += count
            own_pairs[gram[:2]] += count
        own_total, nats = own.total(), 0.0
        for gram, count in own.items():
            letter = (letters[gram[2]] - own_letters[gram[2]] + 1) / (total - own_total + size)
            seen = triples[gram] - count + SMOOTHING * letter
            nats += count * math.log(seen / (pairs[gram[:2]] - own_pairs[gram[:2]] + SMOOTHING))
        means.append(nats / own_total)
    return means


def _trigrams(text: str) -> Counter[str]:
    """Return how often each letter, with the two before it, is in a text and at its ends."""
    framed = f"  {text} "
    return Counter(framed[place : place + 3] for place in range(len(framed) - 2))

"""Sentences of dictation for language models: numbers, dates, letters, spelled words."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from string import ascii_lowercase

from asr.text.dates import MONTHS
from asr.text.numerals import spell_numbers

__all__ = ["dictated"]

_LENGTHS = (1, 2, 3, 3, 4, 5, 5, 7, 7, 10)  # digits of a number that is said digit by digit


def dictated(words: Sequence[str], count: int, seed: int = 1) -> Iterator[str]:
    """Yield ``count`` English sentences, in lower case and without punctuation.

    Each holds numbers, a date, letters or a spelled word, which novels rarely have. Added to them,
    these sentences teach a language model that "four", not "for", follows a digit, and that "b"
    follows a letter.

    Args:
        words: words to spell letter by letter, drawn uniformly.
        count: number of sentences.
        seed: equal seeds give equal sentences.

    Example:
        >>> list(dictated(["cat"], 3, seed=5))
        ['q n v u g b thirty one', 'o o a f six', 'c a t']
    """
    chance = random.Random(seed)
    kinds, shares = zip(
        (_digits, 0.25),
        (_small_numbers, 0.15),
        (_number, 0.1),
        (_date, 0.1),
        (_letters, 0.15),
        (_spelled, 0.25),
        strict=True,
    )
    for kind in chance.choices(kinds, shares, k=count):
        yield kind(chance, words)


def _digit(chance: random.Random) -> str:
    digit = chance.randrange(10)
    return "oh" if digit == 0 and chance.random() < 0.6 else _spoken(str(digit))


def _spoken(number: str) -> str:
    return " ".join(spell_numbers(number).split())


def _digits(chance: random.Random, words: Sequence[str]) -> str:
    return " ".join(_digit(chance) for _ in range(chance.choice(_LENGTHS)))


def _small_numbers(chance: random.Random, words: Sequence[str]) -> str:
    return " ".join(
        _spoken(str(chance.randrange(10, 100))) if chance.random() < 0.6 else _digit(chance)
        for _ in range(chance.randint(1, 5))
    )


def _number(chance: random.Random, words: Sequence[str]) -> str:
    return _spoken(str(int(10 ** chance.uniform(0, 6))))


def _date(chance: random.Random, words: Sequence[str]) -> str:
    year = f"{chance.randint(17, 20)} {chance.randint(10, 99)}" if chance.random() < 0.7 else ""
    return _spoken(f"{chance.choice(MONTHS)} {chance.randint(1, 31)}th {year}")


def _letters(chance: random.Random, words: Sequence[str]) -> str:
    letters = chance.choices(ascii_lowercase, k=chance.randint(1, 6))
    if chance.random() < 0.6:
        letters.append(
            _spoken(str(chance.randrange(100))) if chance.random() < 0.6 else _digit(chance)
        )
    return " ".join(letters)


def _spelled(chance: random.Random, words: Sequence[str]) -> str:
    return " ".join(chance.choice(words))

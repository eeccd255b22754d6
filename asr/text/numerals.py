"""English numerals: digits -> words, and the number that begins at a word of a text.

Readers of numbers differ in small things ("one hundred and two hundred" is two numbers, "nineteen
sixty seven" is one). So there is one reader, used by the scorer's normaliser and by the writer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

__all__ = [
    "COUNTED",
    "DIGITS",
    "ORDINALS",
    "SCALES",
    "SMALL",
    "Number",
    "NumberReader",
    "Reading",
    "spell_cardinal",
    "spell_numbers",
    "spell_ordinal",
    "with_suffix",
]

_UNITS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = [
    "zero",
    "ten",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]
DIGITS = {word: str(value) for value, word in enumerate(_UNITS[:10])}
SMALL = {word: value for value, word in enumerate(_UNITS)} | {
    word: 10 * n for n, word in enumerate(_TENS) if n > 1
}
SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}


def _ordinal_word(word: str) -> str:
    return _IRREGULAR.get(word) or (word[:-1] + "ieth" if word.endswith("y") else word + "th")


ORDINALS = {_ordinal_word(word): word for word in [*SMALL, "hundred", *SCALES]}
_OH = ("oh", "o")
# What "a thirty second clip" has before it, and "the thirty second president" has not.
_BEFORE_SECONDS = {"a", "an", "each", "every", "per", "another", "about", "under"}
# After these, "fifteen twenty" is not a year but two numbers.
COUNTED = {
    "hundred",
    "hundredth",
    "percent",
    "per",
    "degrees",
    "dollars",
    "euros",
    "pounds",
    "cents",
    "seconds",
    "minutes",
    "hours",
    "days",
    "weeks",
    "months",
    "years",
    "miles",
    "feet",
    "inches",
    "meters",
    "metres",
    "kilometers",
    "kilometres",
    "times",
    "people",
    "men",
    "women",
    "children",
    *SCALES,
}


# --------------------------------------------------------------------------------------------------
# digits to words


def spell_numbers(text: str) -> str:
    """Return lower-case ``text`` with numbers as English words, without "and" and hyphens.

    Example:
        >>> spell_numbers("the 21st of 1,050.5")
        'the twenty first of one thousand fifty point five'
    """
    if not re.search(r"\d", text):
        return text
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"(\d+)(?:st|nd|rd|th)\b", lambda match: f" {spell_ordinal(match[1])} ", text)
    text = re.sub(
        r"(?<=\d)\.(\d+)",
        lambda match: " point " + " ".join(_UNITS[int(d)] for d in match[1]),
        text,
    )
    return re.sub(r"\d+", lambda match: f" {spell_cardinal(match[0])} ", text)


def spell_cardinal(digits: str) -> str:
    """Return the words of a whole number; of a telephone or serial number, digit by digit."""
    if len(digits) > 15 or (digits[0] == "0" and len(digits) > 1):
        return " ".join(_UNITS[int(digit)] for digit in digits)
    return " ".join(_cardinal_words(int(digits))) or "zero"


def _cardinal_words(value: int) -> list[str]:
    for name, scale in [*reversed(SCALES.items()), ("hundred", 100)]:
        if value >= scale:
            return [*_cardinal_words(value // scale), name, *_cardinal_words(value % scale)]
    if value < 20:
        return [_UNITS[value]] if value else []
    return [_TENS[value // 10], *_cardinal_words(value % 10)]


def spell_ordinal(digits: str) -> str:
    """Return the words of an ordinal: of 21, "twenty first"."""
    *head, last = spell_cardinal(digits).split()
    return " ".join([*head, _ordinal_word(last)])


def with_suffix(value: int) -> str:
    """Return the figures of an ordinal: 21st."""
    suffix = (
        "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    )
    return f"{value}{suffix}"


# --------------------------------------------------------------------------------------------------
# words to digits


@dataclass(frozen=True)
class Number:
    """A number that was said.

    Attributes:
        text: in figures, without commas: 1050, 2.50, 21st.
        value: what it amounts to.
        kind: cardinal, ordinal, decimal, version (2.0.1) or year.
        stop: place of the word after it.
    """

    text: str
    value: Decimal
    kind: str
    stop: int


@dataclass(frozen=True)
class Reading:
    """A number, or what goes with one, in words that follow each other.

    Attributes:
        start: place of the first word.
        stop: place of the word after the last.
        plain: for scoring: "5 dollars 20 cents".
        written: for people: "$5.20".
        value: of a whole number or ordinal that stands alone, which a style may leave in words.
    """

    start: int
    stop: int
    plain: str
    written: str
    value: Decimal | None = None


class NumberReader:
    """Reads the number that begins at a word.

    Args:
        words: in lower case.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.words = words
        self._known: dict[int, Number | None] = {}

    def word(self, place: int) -> str:
        """Return the word at a place, an empty one outside the text."""
        return self.words[place] if 0 <= place < len(self.words) else ""

    def read(self, start: int) -> Number | None:
        """Return the number that begins at ``start``, None if none does.

        "second" alone is none: "wait a second" is more common than "2nd".
        """
        if start not in self._known:
            self._known[start] = self._read(start)
        return self._known[start]

    def _read(self, start: int) -> Number | None:
        if self.word(start) == "second":
            return None
        year = self.year(start, 17)
        if year is not None:
            return year
        value, place = self._digits_or_words(start)
        if place == start:
            return None
        value, place, ordinal = self._groups(value, place)
        if ordinal or self.word(place - 1) in ORDINALS:
            return Number(with_suffix(int(value)), value, "ordinal", place)
        return self._fraction(value, place)

    def below_hundred(self, place: int) -> tuple[int, int]:
        """Return the value of "twenty", "twenty one", "twenty first", "five", and the next place.

        The place stays the same if there is no number.
        """
        word = self.word(place)
        if word in ORDINALS and ORDINALS[word] in SMALL:
            return SMALL[ORDINALS[word]], place + 1
        if word not in SMALL:
            return 0, place
        value, following = SMALL[word], self.word(place + 1)
        if following == "second" and self.word(place - 1) in _BEFORE_SECONDS:
            return value, place + 1
        unit = SMALL.get(ORDINALS.get(following, following), 0)
        if value >= 20 and 0 < unit < 10:
            return value + unit, place + 2
        return value, place + 1

    def _below_thousand(self, place: int) -> tuple[int, int]:
        if self.word(place) == "a" and self.word(place + 1) == "hundred":
            rest, end = self._after_and(place + 2)
            return (100 + rest, end) if rest else (0, place)
        value, after = self.below_hundred(place)
        if after == place or self.word(after - 1) in ORDINALS:
            return value, after
        if not 0 < value < 100 or self.word(after) not in ("hundred", "hundredth"):
            return value, after
        value, after = value * 100, after + 1
        if self.word(after - 1) == "hundredth":
            return value, after
        rest, end = self._after_and(after)
        return (value + rest, end) if end > after else (value, after)

    def _after_and(self, place: int) -> tuple[int, int]:
        """Return what is added to hundreds; "two hundred" after "one hundred and" is not."""
        start = place + (self.word(place) == "and")
        rest, end = self.below_hundred(start)
        if not rest or self.word(end) in ("hundred", "hundredth"):
            return 0, place
        if self._is_second(start, place) or self._is_digit_run(start):
            return 0, place
        return rest, end

    def _is_second(self, start: int, place: int) -> bool:
        """Whether "second" does not go on with a number: "a hundred second clip"."""
        clip = "a" in (self.word(place - 2), self.word(place - 1))
        clip = clip or self.word(place - 3) in _BEFORE_SECONDS
        return start == place and clip and self.word(start) == "second"

    def _is_digit_run(self, place: int) -> bool:
        """Whether digits said one by one begin here, as in a telephone number."""
        return all(self.word(place + i) in (*DIGITS, *_OH) for i in range(3))

    def _digits_or_words(self, place: int) -> tuple[Decimal, int]:
        if re.fullmatch(r"\d+(\.\d+)?", self.word(place)) and self.word(place + 1) in SCALES:
            return Decimal(self.word(place)), place + 1
        if self.word(place) == "a" and self.word(place + 1) in SCALES:
            after = place + 2 + (self.word(place + 2) == "and")
            value, end = self._below_thousand(after)
            begins = value and self.word(end) not in SCALES and self.word(end) != "half"
            return (Decimal(1), place + 1) if begins else (Decimal(0), place)
        value, after = self._below_thousand(place)
        return Decimal(value), after

    def _groups(self, first: Decimal, place: int) -> tuple[Decimal, int, bool]:
        """Multiply by the scales that follow, and add the smaller groups behind each.

        As in "two million five thousand six".
        """
        total, group, limit = Decimal(0), first, 10**15
        while True:
            scale_word = self.word(place)
            if self.word(place - 1) in ORDINALS:
                return total + group, place, True
            scale = SCALES.get(ORDINALS.get(scale_word, scale_word), 0)
            if not 0 < scale < limit or not group:
                return total + group, place, False
            total, group, place, limit = total + group * scale, Decimal(0), place + 1, scale
            if scale_word in ORDINALS:
                return total, place, True
            value, after = self._next_group(place, scale)
            if after > place:
                group, place = Decimal(value), after

    def _next_group(self, place: int, scale: int) -> tuple[int, int]:
        """Return what is added to a scale, and the next place; "two thousand" after "one thousand
        and" is not, nor are digits said one by one.
        """
        start = place + (self.word(place) == "and")
        value, after = self._below_thousand(start)
        following = SCALES.get(self.word(after), 0)
        if after == start or following >= scale or self.word(start) == "a":
            return 0, place
        if not value or self._is_second(start, place) or self._is_digit_run(start):
            return 0, place
        return value, after

    def _fraction(self, value: Decimal, place: int) -> Number:
        digits, after = self._after_point(place)
        if not digits:
            return Number(f"{value.normalize():f}", value, "cardinal", place)
        exact = Decimal(f"{value:f}.{digits}")
        scale = SCALES.get(self.word(after), 0)
        if scale:
            exact *= scale
            return Number(f"{exact.normalize():f}", exact, "cardinal", after + 1)
        text, kind = f"{value:f}.{digits}", "decimal"
        while (more := self._after_point(after))[0]:
            text, after, kind = f"{text}.{more[0]}", more[1], "version"
        return Number(text, exact, kind, after)

    def _after_point(self, place: int) -> tuple[str, int]:
        """Return the digits after "point" and the next place: "one four", "fourteen", "oh"."""
        if self.word(place) != "point":
            return "", place
        after = place + 1
        digits = ""
        while (word := self.word(after)) in DIGITS or (word in _OH and not self._ends(after)):
            digits, after = digits + DIGITS.get(word, "0"), after + 1
        if not digits:
            value, after = self.below_hundred(after)
            digits = str(value) if value and self.word(after - 1) not in ORDINALS else ""
        return digits, after

    def _ends(self, place: int) -> bool:
        """Whether "oh" is an exclamation here: it begins the rest of the sentence."""
        return self.word(place + 1) not in DIGITS and self.word(place + 1) not in ("", "o")

    def year(self, start: int, earliest: int) -> Number | None:
        """Return a year: a century up to 20 and two digits, as in "nineteen eighty four".

        Args:
            start: place of its first word.
            earliest: century.
        """
        century = SMALL.get(self.word(start), 0)
        if not earliest <= century <= 20:
            return None
        value, after = self._year_in_century(start + 1)
        if not value or self.word(after) in COUNTED or self._counts(start, century, value, after):
            return None
        text = f"{century}{value:02}"
        return Number(text, Decimal(text), "year", after)

    def _year_in_century(self, place: int) -> tuple[int, int]:
        if self.word(place) in _OH and self.word(place + 1) in DIGITS:
            return int(DIGITS[self.word(place + 1)]), place + 2
        value, after = self.below_hundred(place)
        return (value, after) if value >= 10 and self.word(after - 1) not in ORDINALS else (0, 0)

    def _counts(self, start: int, century: int, value: int, after: int) -> bool:
        """Whether somebody counts: "seventeen eighteen nineteen" has no year."""
        if value != century + 1 or after != start + 2:
            return False
        beside = SMALL.get(self.word(start - 1)), SMALL.get(self.word(after))
        return beside[0] == century - 1 or beside[1] == value + 1

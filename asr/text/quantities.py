"""What numbers say in English speech: dates, times, money, percents, telephone numbers, letters.

A :class:`Reading` has the form in which people write it and the one in which the scorer compares
it. Both come from one table of rules, so that what is written and what was said score alike.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from asr.text.dates import MONTHS, date, decade, time_of_day, year
from asr.text.numerals import (
    DIGITS,
    ORDINALS,
    SCALES,
    SMALL,
    Number,
    NumberReader,
    Reading,
)

__all__ = ["readings"]

# The first words of spoken numbers, dates, times and amounts of money. Such an expression may
# begin with digits or a single letter, too.
_FIRST = {*SMALL, *ORDINALS, *MONTHS, "oh", "double", "triple", "point"}
_LABELS = {"chapter", "page", "section", "volume", "verse", "version", "route", "highway"}
_MONEY = {
    "dollars": ("$", "cents"),
    "dollar": ("$", "cents"),
    "euros": ("€", "cents"),
    "euro": ("€", "cents"),
    "pounds": ("£", "pence"),
    "pound": ("£", "pence"),
    "yen": ("¥", ""),
}
_CLOCK_PHRASES = [["half", "past"], ["quarter", "past"], ["quarter", "to"]]
_UNITS = {"percent", "per", "cents", "pence", "hundred", *_MONEY, *SCALES}
_IDIOMS = {
    ("twenty", "four", "seven"): "24/7",
    ("fifty", "fifty"): "50-50",
    ("twenty", "twenty", "vision"): "20/20 vision",
}
# Letters that make words, or that the scorer reads as titles and fillers.
_NOT_SPELLED = {"mr", "dr", "mrs", "jr", "vs", "eg", "um", "uh", "hm", "mm", "er", "st", "lt", "sr"}
# A last letter with its ending: "b b c's", "c ds", but not "is".
_ENDING = re.compile(r"([a-z])('s)|([b-df-hj-np-uw-z])(s)")
_DETERMINERS = {"the", "an", "this", "that", "my", "your", "our", "his", "her", "their", "no"}


def readings(words: Sequence[str]) -> Iterator[Reading]:
    """Yield the spoken numbers, dates, times and amounts of money in a text, in order.

    Args:
        words: in lower case, without marks.
    """
    reader, place = NumberReader(words), 0
    while place < len(words):
        found = _at(reader, place)
        if found is not None:
            yield found
        place = place + 1 if found is None else found.stop


def _at(reader: NumberReader, place: int) -> Reading | None:
    word = reader.words[place]
    if len(word) > 1 and word not in _FIRST and not word[0].isdecimal():
        return None  # most words begin no number
    return next((found for rule in _RULES if (found := rule(reader, place)) is not None), None)


def _words_alone(reader: NumberReader, start: int) -> Reading | None:
    """Match numbers that stay in words: "ten past five", "half past ten", "five and twenty"."""
    value, stop = reader.below_hundred(start)
    if [reader.word(start - 2), reader.word(start - 1)] in _CLOCK_PHRASES and 1 <= value <= 12:
        return Reading(start, stop, f"{value}", " ".join(reader.words[start:stop]))
    second, end = reader.below_hundred(stop + 1)
    past = reader.word(stop) == "past" and 1 <= value <= 29 and 1 <= second <= 12
    tens = end == stop + 2 and second in range(20, 100, 10)
    old = reader.word(stop) == "and" and 1 <= value <= 9 and tens
    if not past and (not old or reader.word(start - 1) == "between"):
        return None
    if reader.word(end) in _UNITS or reader.word(end - 1) not in SMALL:
        return None
    said = " ".join(reader.words[start:end])
    return Reading(start, end, f"{value} {reader.word(stop)} {second}", said)


# --------------------------------------------------------------------------------------------------
# amounts


def _money(reader: NumberReader, start: int) -> Reading | None:
    number = reader.read(start)
    if number is None or number.kind not in ("cardinal", "decimal"):
        return None
    unit = reader.word(number.stop)
    if unit in ("cents", "pence"):
        return _reading(number, start, number.stop + 1, unit)
    if unit not in _MONEY or (unit.endswith(("r", "o", "d")) and number.value != 1):
        return None  # "a five dollar bill"
    symbol, coins = _MONEY[unit]
    value, stop = _coins(reader, number.stop + 1, coins)
    if value and number.kind == "cardinal":
        figures = f"{_grouped(number.text)}.{value:02}"
        return Reading(start, stop, _plain_money(number.text, unit, value, coins), symbol + figures)
    if number.kind == "decimal" or symbol == "£":  # pounds without pence may be a weight
        return None
    amount = symbol + _whole(number, reader.word(number.stop - 1))
    return Reading(start, number.stop + 1, f"{number.text} {unit}", amount)


def _plain_money(amount: str, unit: str, value: int, coins: str) -> str:
    coin = {"cents": "cent", "pence": "penny"}[coins] if value == 1 else coins
    return f"{amount} {unit} {value} {coin}"


def _coins(reader: NumberReader, start: int, coins: str) -> tuple[int, int]:
    """Return cents after dollars, and the next place; 0 where there are none."""
    begin = start + (reader.word(start) == "and")
    value, stop = reader.below_hundred(begin)
    one = {"cents": "cent", "pence": "penny"}.get(coins, "")
    named = coins and reader.word(stop) == (one if value == 1 else coins)
    return (value, stop + 1) if named and value and reader.word(stop - 1) in SMALL else (0, start)


def _percent(reader: NumberReader, start: int) -> Reading | None:
    number = _leading_point(reader, start) or reader.read(start)
    if number is None or number.kind not in ("cardinal", "decimal"):
        return None
    following = [reader.word(number.stop), reader.word(number.stop + 1)]
    if following[0] != "percent" and following != ["per", "cent"]:
        return None
    stop = number.stop + (1 if following[0] == "percent" else 2)
    if number.text.startswith("."):  # ".5" is said without the zero, and the scorer hears it so
        plain, written = f"point {' '.join(number.text[1:])}", number.text
    else:
        plain, written = number.text, _grouped(number.text)
    return Reading(start, stop, f"{plain} percent", f"{written}%")


def _leading_point(reader: NumberReader, start: int) -> Number | None:
    """Return the number that "point five" is; "at this point five" has none."""
    if reader.word(start) != "point" or reader.word(start - 1) in (*_DETERMINERS, "a"):
        return None
    number = NumberReader(["zero", *reader.words[start : start + 12]]).read(0)
    if number is None or number.kind != "decimal":
        return None
    return Number(number.text[1:], number.value, number.kind, start + number.stop - 1)


def _labelled(reader: NumberReader, start: int) -> Reading | None:
    """A small number after its label: "chapter five"."""
    if reader.word(start - 1) not in _LABELS:
        return None
    number = reader.read(start)
    if number is None or number.kind != "cardinal" or number.value >= 100:
        return None
    return Reading(start, number.stop, number.text, number.text)


def _idiom(reader: NumberReader, start: int) -> Reading | None:
    for words, written in _IDIOMS.items():
        if tuple(reader.words[start : start + len(words)]) == words:
            plain = re.sub(r"[/-]", " ", written)
            return Reading(start, start + len(words), plain, written)
    return None


# --------------------------------------------------------------------------------------------------
# one by one: digits and letters


def _digit_string(reader: NumberReader, start: int) -> Reading | None:
    """Digits said one by one, three at least: "nine one one", "double oh seven"."""
    text, stop = "", start
    if reader.word(start - 1) == "point":
        return None  # the digits of ".256"
    while (step := _digits_at(reader, stop)) is not None:
        text, stop = text + step[0], step[1]
    if len(text) < 3 or reader.word(stop) in ("hundred", *SCALES):
        return None
    if reader.word(start) in ("oh", "o") and len(text) < 5:
        return None
    if _is_counting(text) or _then_quantity(reader, stop):
        return None
    return Reading(start, stop, text, _telephone(text))


def _digits_at(reader: NumberReader, place: int) -> tuple[str, int] | None:
    word, following = reader.word(place), reader.word(place + 1)
    digit = "0" if word in ("oh", "o") else DIGITS.get(word)
    if digit is not None and following == "hundred":
        after = [reader.word(place + 2 + i) in DIGITS for i in range(4)]
        return (f"{digit}00", place + 2) if all(after) else None
    if digit is not None:
        return digit, place + 1
    times = {"double": 2, "triple": 3}.get(word)
    repeated = "0" if following in ("oh", "o") else DIGITS.get(following)
    return (repeated * times, place + 2) if times and repeated is not None else None


def _is_counting(text: str) -> bool:
    """Whether digits count up or down: "one two three"."""
    steps = {int(b) - int(a) for a, b in itertools.pairwise(text)}
    return steps in ({1}, {-1})


def _then_quantity(reader: NumberReader, stop: int) -> bool:
    """Whether the last digit belongs to what follows: "... five percent"."""
    return reader.word(stop) in ("percent", "point", "dollars", "cents", "per")


def _telephone(digits: str) -> str:
    """Group a telephone number of North America as people write it; leave others whole."""
    match = re.fullmatch(r"(1?)((?:[2-9]\d\d)?)([2-9]\d\d)(\d{4})", digits)
    if match is None or (match[1] and not match[2]):
        return digits
    return "-".join(filter(None, match.groups()))


def _letters(reader: NumberReader, start: int) -> Reading | None:
    """Letters said one by one: "b b c", "u s a"; "a" before them may be an article."""
    stop = start
    while re.fullmatch(r"[a-z]", reader.word(stop)):
        stop += 1
    ending = _ENDING.fullmatch(reader.word(stop)) if stop > start else None
    letters = "".join(reader.words[start:stop]) + ((ending[1] or ending[3]) if ending else "")
    if len(letters) < 2 or letters in _NOT_SPELLED or len(set(letters)) == 1:
        return None
    if letters[0] == "a" and letters[1:] != "bc" and reader.word(start - 1) not in _DETERMINERS:
        return None
    consonants = sum(letter not in "aio" for letter in letters)
    if consonants < (2 if len(letters) == 2 else 1):
        return None
    suffix, stop = (ending[2] or ending[4], stop + 1) if ending else ("", stop)
    return Reading(start, stop, letters + suffix, letters.upper() + suffix)


# --------------------------------------------------------------------------------------------------
# numbers by themselves


def _number(reader: NumberReader, start: int) -> Reading | None:
    number = reader.read(start)
    if number is None:
        return None
    said = " ".join(reader.words[start : number.stop])
    if number.kind == "ordinal" and said.startswith("one hundred") and _is_part(reader, number):
        return Reading(start, number.stop, number.text, said)
    following = reader.read(number.stop)
    if said == "one" and following is not None and following.kind == "ordinal":
        both = f"{number.text} {following.text}"  # "one tenth"
        return Reading(start, following.stop, both, f"one {_said(reader, following, number.stop)}")
    return _reading(number, start, number.stop, said=said)


def _is_part(reader: NumberReader, number: Number) -> bool:
    """Whether "one hundredth" is a part of something."""
    return number.text == "100th" and reader.word(number.stop) == "of"


def _said(reader: NumberReader, number: Number, start: int) -> str:
    return " ".join(reader.words[start : number.stop])


def _reading(number: Number, start: int, stop: int, unit: str = "", said: str = "") -> Reading:
    written = number.text
    if number.kind in ("cardinal", "decimal"):
        written = _whole(number, said.rpartition(" ")[2])
    alone = not unit and number.kind in ("cardinal", "ordinal")
    return Reading(
        start,
        stop,
        f"{number.text} {unit}".strip(),
        f"{written} {unit}".strip(),
        number.value if alone else None,
    )


def _whole(number: Number, last_word: str) -> str:
    """Write a whole number: 1,200, but 5 million and 2.5 billion where it was said so."""
    for name, scale in reversed(SCALES.items()):
        if scale >= 10**6 and number.value >= scale and last_word in SCALES:
            times = f"{(number.value / scale).normalize():f}"
            return f"{times} {name}" if len(times.partition(".")[2]) <= 2 else _grouped(number.text)
    return _grouped(number.text)


def _grouped(figures: str) -> str:
    whole, point, fraction = figures.partition(".")
    return f"{int(whole):,}{point}{fraction}"


_Rule = Callable[[NumberReader, int], Reading | None]
# The first that holds at a word is taken.
_RULES: tuple[_Rule, ...] = (
    _idiom,
    date,
    _percent,
    _money,
    time_of_day,
    _words_alone,
    decade,
    year,
    _digit_string,
    _labelled,
    _letters,
    _number,
)

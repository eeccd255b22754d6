"""Dates, years and times of day in English words."""

from __future__ import annotations

from asr.text.numerals import (
    COUNTED,
    DIGITS,
    SCALES,
    SMALL,
    Number,
    NumberReader,
    Reading,
    with_suffix,
)

__all__ = ["MONTHS", "date", "decade", "time_of_day", "year"]

MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
# A month that is a verb too; and what is said before it when it is not.
_VERBS = {"may", "march"}
_BEFORE_MONTH = {"on", "of", "in", "since", "until", "till", "by", "before", "after", "from", "to"}
_BEFORE_MONTH |= {"last", "this", "next", "through", "every", "and", "late", "early"}
_BEFORE_YEAR = {"in", "since", "until", "during", "early", "late", "mid", "year", "of", "circa"}
_BEFORE_TIME = {"at", "by", "until", "till", "before", "after", "around", "about", "from", "past"}
_AFTER_TIME = {"tonight", "tomorrow", "yesterday", "sharp", "today"}
_HALVES = {"am": "a.m.", "pm": "p.m."}
_DECADES = {
    "hundreds": "00s",
    "twenties": "20s",
    "thirties": "30s",
    "forties": "40s",
    "fifties": "50s",
    "sixties": "60s",
    "seventies": "70s",
    "eighties": "80s",
    "nineties": "90s",
}


def date(reader: NumberReader, start: int) -> Reading | None:
    """Return the date that begins at a word: "may fifth nineteen ten", "the fifth of may"."""
    if reader.word(start) in MONTHS:
        return _month_first(reader, start)
    day, stop = _day(reader, start)
    month = reader.word(stop + 1)
    if not day or not day.endswith(("st", "nd", "rd", "th")):
        return None
    if reader.word(stop) != "of" or month not in MONTHS:
        return None
    year, end = _year_of_date(reader, stop + 2)
    return Reading(
        start,
        end,
        " ".join(filter(None, [day, "of", month, year])),
        " ".join(filter(None, [day, "of", month.capitalize(), year])),
    )


def _month_first(reader: NumberReader, start: int) -> Reading | None:
    month, before = reader.word(start), reader.word(start - 1)
    year, end = _year_of_date(reader, start + 1)
    if year:
        return Reading(start, end, f"{month} {year}", f"{month.capitalize()} {year}")
    the = reader.word(start + 1) == "the"
    day, stop = _day(reader, start + 1 + the)
    if not day:
        return None
    year, end = _year_of_date(reader, stop)
    named = month not in _VERBS or before in _BEFORE_MONTH or year
    if the and not day.endswith(("st", "nd", "rd", "th")):
        return None
    if not named and (day in ("1st", "2nd") or day.isdecimal()):
        return None  # "you may first want to", "he may two times"
    if day.isdecimal() and not year and _counted(reader.word(stop)):
        return None
    article = "the " if the else ""
    comma = "," if year else ""
    return Reading(
        start,
        end,
        f"{month} {article}{day} {year}".strip(),
        f"{month.capitalize()} {article}{day}{comma} {year}".strip(),
    )


def _day(reader: NumberReader, start: int) -> tuple[str, int]:
    """Return a day of a month as 5 or 5th, and the next place; nothing where none is said."""
    if reader.word(start) == "second":
        return "2nd", start + 1
    value, stop = reader.below_hundred(start)
    if not 1 <= value <= 31 or reader.word(stop) in ("hundred", "hundredth", "point", *SCALES):
        return "", start
    number = reader.read(start)
    if number is None or (number.stop > stop and number.kind != "year"):
        return "", start
    ordinal = reader.word(stop - 1) not in SMALL
    return (with_suffix(value) if ordinal else str(value)), stop


def _year_of_date(reader: NumberReader, start: int, earliest: int = 15) -> tuple[str, int]:
    """Return a year and the next place, an empty one where none is said or things are counted."""
    year = reader.year(start, earliest)
    if year is None:
        year = reader.read(start)
        if (
            year is None
            or year.kind not in ("year", "cardinal")
            or not _may_be_year(reader, start, year)
        ):
            return "", start
    return ("", start) if _counted(reader.word(year.stop)) else (year.text, year.stop)


def _may_be_year(reader: NumberReader, start: int, number: Number) -> bool:
    """Whether a number is said as years are: "two thousand nine", "nineteen hundred"."""
    hundreds = reader.word(start + 1) == "hundred" and 1100 <= number.value <= 1999
    thousand = reader.words[start : start + 2] == ["one", "thousand"] and number.value % 1000 >= 100
    return 2000 <= number.value <= 2099 or hundreds or (thousand and number.value <= 1999)


def _counted(word: str) -> bool:
    """Whether a number before this word counts things, so that it is no year, day or time."""
    return word in COUNTED or (
        len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "'s")) and word != "this"
    )


def year(reader: NumberReader, start: int) -> Reading | None:
    """Return a year that its context shows: "in ten sixty six", "two thousand nine" where nothing
    is counted.
    """
    before = reader.word(start - 1)
    said, stop = _year_of_date(reader, start, earliest=10 if before in _BEFORE_YEAR else 17)
    if not said or (said == "2000" and before not in ("in", "since", "year")):
        return None
    shown = before in _BEFORE_YEAR or said.startswith("20")
    return Reading(start, stop, said, said) if shown else None


def decade(reader: NumberReader, start: int) -> Reading | None:
    """Return the decade that begins at a word: "nineteen sixties"."""
    century = SMALL.get(reader.word(start), 0)
    ending = _DECADES.get(reader.word(start + 1))
    if not 11 <= century <= 20 or ending is None:
        return None
    return Reading(start, start + 2, f"{century}{ending}", f"{century}{ending}")


def time_of_day(reader: NumberReader, start: int) -> Reading | None:
    """Return the time that begins at a word: "seven a m", "seven thirty" where it cannot count."""
    hour = SMALL.get(reader.word(start), 0)
    if not 1 <= hour <= 16:
        return None
    minute, stop = _minute(reader, start + 1)
    half, end = _half_of_day(reader, stop)
    if hour > 12 and half:
        return None
    clock = f"{hour}:{minute}" if minute else f"{hour}"
    if half:
        plain = " ".join(filter(None, [f"{hour}", minute, half]))
        return Reading(start, end, plain, f"{clock} {_HALVES[half]}")
    if not minute or not _is_time(reader, start, stop):
        return None
    return Reading(start, stop, f"{hour} {minute}", clock)


def _minute(reader: NumberReader, start: int) -> tuple[str, int]:
    if reader.word(start) in ("oh", "o") and reader.word(start + 1) in DIGITS:
        return f"0{DIGITS[reader.word(start + 1)]}", start + 2
    value, stop = reader.below_hundred(start)
    if not 10 <= value <= 59 or reader.word(stop - 1) not in SMALL:
        return "", start
    return (str(value), stop) if reader.word(stop) not in ("hundred", "point") else ("", start)


def _half_of_day(reader: NumberReader, start: int) -> tuple[str, int]:
    """Match "a m", "p m", "am" or "pm"; return it without a space and the position after it.

    No match gives an empty text. "am" before "i" is the verb: "at seven am i late".
    """
    word, following = reader.word(start), reader.word(start + 1)
    if word in ("a", "p") and following == "m":
        return f"{word}m", start + 2
    if word in _HALVES and following != "i":
        return word, start + 1
    return "", start


def _is_time(reader: NumberReader, start: int, stop: int) -> bool:
    following = [reader.word(stop + i) for i in range(3)]
    part = following[2] in ("morning", "afternoon", "evening") and following[0] == "in"
    if part or following[0] in _AFTER_TIME or (following[0] == "o'clock"):
        return True
    from_time = reader.word(start - 1) == "to" and all(
        reader.word(start - i) in SMALL for i in (2, 3)
    )
    return (reader.word(start - 1) in _BEFORE_TIME or from_time) and not _counted(following[0])

"""Words as they are said -> text as people write it, and back.

A text is a list of :class:`Token`. Each step of the writing takes tokens and returns tokens: marks
and capitals first, as they say where a sentence ends, then :func:`write_numbers`, which puts words
together. Every token knows the words that it stands for, and so its time in the recording.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from asr.text.chinese_numbers import find_numbers
from asr.text.numerals import Reading, spell_cardinal, spell_numbers
from asr.text.quantities import readings
from asr.text.symbols import CURRENCIES, SYMBOLS, speak_forms

__all__ = ["SMALL", "Token", "as_tokens", "spoken", "write_numbers"]

SMALL = 10  # whole numbers below it stay words, as in newspapers


@dataclass(frozen=True)
class Token:
    """A piece of written text.

    Attributes:
        text: of the token, without the mark after it; numbers may have spaces: "5 million".
        start: place of the first word that it stands for.
        stop: place of the word after the last.
        mark: after it, such as a comma.
    """

    text: str
    start: int
    stop: int
    mark: str = ""

    def __str__(self) -> str:
        doubled = self.mark.startswith(".") and self.text.endswith(".")  # "at 7:30 p.m."
        return self.text + (self.mark[1:] if doubled else self.mark)


def as_tokens(words: Sequence[str]) -> list[Token]:
    """Return a token for each word, written as it is said."""
    return [Token(word, place, place + 1) for place, word in enumerate(words)]


def write_numbers(
    tokens: Sequence[Token], *, small: int = SMALL, pauses: Collection[int] = ()
) -> list[Token]:
    """Return tokens with English numbers, dates, times, money and spelled letters as figures.

    Chinese numbers become digits too. A number never goes across a mark or a pause. Whole numbers
    and ordinals below ``small`` stay words, as in newspapers, unless they are part of a date, time,
    amount of money or percentage.

    Args:
        tokens: a text, its marks and capitals already set where there are some.
        small: 0 writes all in figures, but "one", which is mostly a pronoun.
        pauses: places of tokens that a pause comes after.
    """
    written: list[Token] = []
    for phrase in _phrases(tokens, pauses):
        written += _phrase(_chinese_phrase(phrase, small), small)
    return written


def _chinese_phrase(tokens: list[Token], small: int) -> list[Token]:
    """Return a phrase with the Chinese numbers in it as digits; a token may be several characters.

    A number that begins or ends within a token stays as it is.
    """
    text = "".join(token.text for token in tokens)
    if text.isascii():
        return tokens
    ends = list(accumulate(len(token.text) for token in tokens))
    first_at = dict(zip([0, *ends], range(len(tokens)), strict=False))
    stop_at = {end: place + 1 for place, end in enumerate(ends)}
    written, place = list[Token](), 0
    for start, end, digits in find_numbers(text, small):
        if start in first_at and end in stop_at:
            own = tokens[first_at[start] : stop_at[end]]
            written += [*tokens[place : first_at[start]], _merged(own, digits)]
            place = stop_at[end]
    return written + tokens[place:]


def _phrases(tokens: Sequence[Token], pauses: Collection[int]) -> Iterator[list[Token]]:
    phrase: list[Token] = []
    for place, token in enumerate(tokens):
        phrase.append(token)
        if token.mark or place in pauses:
            yield phrase
            phrase = []
    yield phrase


def _phrase(tokens: list[Token], small: int) -> list[Token]:
    written, place = [], 0
    for row in _rows(list(readings([token.text.lower() for token in tokens]))):
        figures = any(reading.value is not None and reading.value >= small for reading in row)
        for reading in row:
            own = tokens[reading.start : reading.stop]
            in_row = figures and len(row) > 1 and reading.plain.isdecimal()
            stays = _stays(reading, own, 0 if in_row else small)
            written += tokens[place : reading.start]
            written += own if stays else [_merged(own, reading.written)]
            place = reading.stop
    return written + tokens[place:]


def _rows(numbers: list[Reading]) -> Iterator[list[Reading]]:
    """Yield numbers that stand side by side together: "four 20" would look odd."""
    row: list[Reading] = []
    for number in numbers:
        if row and number.start > row[-1].stop:
            yield row
            row = []
        row.append(number)
    yield row


def _stays(reading: Reading, tokens: Sequence[Token], small: int) -> bool:
    """Whether a reading stays in words."""
    if reading.written == " ".join(token.text.lower() for token in tokens):
        return True
    pronoun = len(tokens) == 1 and tokens[0].text.lower() == "one"
    return reading.value is not None and (reading.value < small or pronoun)


def _merged(tokens: Sequence[Token], text: str) -> Token:
    return replace(tokens[0], text=text, stop=tokens[-1].stop, mark=tokens[-1].mark)


# --------------------------------------------------------------------------------------------------
# back to words

_COINS = {"dollar": ("cent", "cents"), "euro": ("cent", "cents"), "pound": ("penny", "pence")}
_SCALE = r"(?: (?:thousand|million|billion|trillion))?"


def spoken(text: str) -> str:
    """Return written English as it is said: figures, dates, times, money and spelled letters as
    words. Everything else stays as it is, but several spaces become one.

    Example:
        >>> spoken("It cost $5.20 on May 5th, 1967, at 7:30.")
        'It cost five dollars and twenty cents on May fifth, nineteen sixty seven, at seven thirty.'
    """
    text = speak_forms(text)
    for pattern, words in _SPOKEN:
        text = re.sub(pattern, words, text)
    text = re.sub(r" {2,}", " ", text).strip()
    return text if text.isupper() else re.sub(r"\b([A-Z]{2,3})(s|'s)?\b", _letter_words, text)


def _money_words(match: re.Match[str]) -> str:
    one, several = CURRENCIES[match[1]]
    whole, fraction, scale = match[2], match[3] or "", match[4]
    name = one if whole == "1" and not scale else several
    if scale or len(fraction) != 3 or one not in _COINS:
        return f"{whole}{fraction}{scale} {name}"
    cents = int(fraction[1:])
    coins = f"{cents} {_COINS[one][cents != 1]}"
    if not cents:
        return f"{whole} {name}"
    return f"{whole} {name} and {coins}" if int(whole.replace(",", "")) else coins


def _clock_words(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), match[2]
    half = f" {match[3].lower()} m" if match[3] else ""
    if minute == "00":
        return f"{hour}{half}" if half else f"{hour} o'clock"
    said = f"oh {int(minute)}" if minute[0] == "0" else minute
    return f"{hour} {said}{half}"


def _year_words(digits: str) -> str:
    century, rest = divmod(int(digits), 100)
    if century == 20 and rest < 10:
        return spell_cardinal(digits)
    if not rest:
        return f"{spell_cardinal(str(century))} hundred"
    tail = f"oh {spell_cardinal(str(rest))}" if rest < 10 else spell_cardinal(str(rest))
    return f"{spell_cardinal(str(century))} {tail}"


def _decade_words(match: re.Match[str]) -> str:
    tens = spell_cardinal(match[2])
    plural = "hundreds" if match[2] == "00" else tens.removesuffix("y") + "ies"
    return f"{spell_cardinal(match[1])} {plural}" if match[1] else plural


def _one_by_one(match: re.Match[str]) -> str:
    return " ".join(spell_cardinal(digit) for digit in re.sub(r"\D", "", match[0]))


def _letter_words(match: re.Match[str]) -> str:
    return " ".join(match[1].lower()) + (match[2] or "")


def _version_words(match: re.Match[str]) -> str:
    return " point ".join(match[0].split("."))


def _number_words(match: re.Match[str]) -> str:
    return _apart(" ".join(spell_numbers(match[0]).split()), match)


def _apart(words: str, match: re.Match[str]) -> str:
    """Return words with a space between them and letters or figures beside: "GPT4", "5km"."""
    text, start, end = match.string, match.start(), match.end()
    before = " " if text[max(start - 1, 0) : start].isalnum() else ""
    return before + words + (" " if text[end : end + 1].isalnum() else "")


def _symbol_words(words: str) -> Callable[[re.Match[str]], str]:
    return lambda match: _apart(words.strip(), match)


_SPOKEN: list[tuple[str, str | Callable[[re.Match[str]], str]]] = [
    (r"\b24/7\b", "twenty four seven"),
    (r"\b50-50\b", "fifty fifty"),
    (r"\b20/20\b", "twenty twenty"),
    (rf"([{''.join(CURRENCIES)}])(\d[\d,]*\b)(\.\d+)?({_SCALE})", _money_words),
    (r"\b(\d{1,2}):(\d\d)(?: ?([ap])\.?m\b\.?)?", _clock_words),
    (r"\b(\d{1,2}) ?([ap])\.m\.", r"\1 \2 m"),
    (r"(?:\b(1[1-9]|20)|['’])(\d0)s\b", _decade_words),
    (r"(?<!\w)['’](?=\d\d\b)", ""),
    (r"(?<![\d.])\d+(?:\.\d+){2,}(?![\d.]*\d)", _version_words),
    (r"\b(?:1-)?(?:\d{3}-)?\d{3}-\d{4}\b", _one_by_one),
    (r"(?<=\d)[-–](?=\d)", " to "),
    *((f"(?i){pattern}", _symbol_words(words)) for pattern, words in SYMBOLS),
    (r"(?<![\w.])\.(\d+)", lambda match: "point " + " ".join(match[1])),
    (r"(?<![\d.,])(?:1[1-9]|20)\d\d(?![\d,.]*\d|st|nd|rd|th)", lambda match: _year_words(match[0])),
    (r"(?<![\d.,])(?:0\d+|\d{4,}(?<!00))(?![\d,.]*\d|st|nd|rd|th)", _one_by_one),
    (r"\d[\d,]*(?:\.\d+)?(?:(?:st|nd|rd|th)\b)?(?<!,)", _number_words),
]

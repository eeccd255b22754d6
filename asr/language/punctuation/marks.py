"""Written text -> words as a recogniser gives them, each with the mark after it and its shape.

Rules: ``.`` and ``!`` are full stops; ``;``, ``:`` and dashes are commas; quotation marks, brackets
and what stands in square brackets are left out. Hyphens part words, digits are spoken, apostrophes
inside words stay. A sentence with something that cannot be spoken is left out and counted.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from asr.text.normalizers import normalize
from asr.text.numerals import spell_numbers
from asr.text.symbols import CURRENCIES

__all__ = ["MARKS", "SHAPES", "LabelledWord", "TextReader", "capitalized", "shape_of"]

MARKS = ("", ",", ".", "?")
SHAPES = ("lower", "capital", "upper", "own")
NONE, COMMA, STOP, QUESTION = range(len(MARKS))

_PLAIN = str.maketrans("“”„«»‘’ʼ′´`", "\"\"\"\"\"''''''")
_NOTES = re.compile(r"\[[^\]]*\]|<[^>]*>")
_DASHES = re.compile(r"\s*(?:—|–(?!\d)|--+|\s-)(?=\s|[^\W\d]|[\"'(])\s*")
_PIECES = re.compile(r"(?<=[^\W\d])[/…](?=[^\W\d])|(?<=\w)\.\.\.+(?=\w)")
_TOKEN = re.compile(r"(?P<lead>[^\w$€£]*)(?P<core>.*?)(?P<trail>[^\w%]*)", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_LETTERS = re.compile(r"[^\W\d_](?:\.[^\W\d_])+")
_NUMBER = re.compile(r"(?P<sign>[$€£]?)(?P<digits>\d[\d,]*(?:\.\d+)?)(?P<end>st|nd|rd|th|%|)")
_YEAR = re.compile(r"(?:1[1-9]|20[1-9])\d+")
_SIGNS = {sign: several for sign, (_, several) in CURRENCIES.items()} | {"%": "percent", "": ""}
_ELIDED = frozenset({"'em", "'tis", "'twas", "'cause", "'til", "'twere", "'twill"})
# Said as another word, written with a full stop that ends no sentence.
_TITLES = {
    "capt": "captain",
    "col": "colonel",
    "dr": "doctor",
    "gen": "general",
    "jr": "junior",
    "lt": "lieutenant",
    "messrs": "messieurs",
    "mr": "mister",
    "mrs": "missus",
    "ms": "miz",
    "prof": "professor",
    "rev": "reverend",
    "sgt": "sergeant",
    "sr": "senior",
    "st": "saint",
}
_SHOUTED = 4  # words in capitals from which a sentence is a heading or shouting


@dataclass(frozen=True)
class LabelledWord:
    """A word as it is said.

    Attributes:
        spoken: lower case.
        written: without the mark; ``spoken`` in its case, or an own form such as ``Mr.``.
        mark: index in :data:`MARKS`.
    """

    spoken: str
    written: str
    mark: int


def capitalized(word: str) -> str:
    """Return a word with its first letter in upper case: ``'tis`` becomes ``'Tis``."""
    start = word.startswith("'")
    return word[:start] + word[start : start + 1].upper() + word[start + 1 :]


def shape_of(spoken: str, written: str) -> int:
    """Return the index in :data:`SHAPES` that makes ``written`` of ``spoken``; else that of own."""
    if written == spoken:
        return 0
    if written == capitalized(spoken):
        return 1
    return 2 if written == spoken.upper() else 3


class TextReader:
    """Reads paragraphs of written text.

    Attributes:
        skipped: sentences left out so far.
        sentences: sentences seen so far.
    """

    def __init__(self) -> None:
        self.skipped = self.sentences = 0

    def read(self, paragraph: str) -> Iterator[list[LabelledWord]]:
        """Yield the sentences of a paragraph that can be spoken."""
        tokens = [_parsed(token) for token in _tokens(paragraph)]
        sentence: list[LabelledWord] = []
        usable = True
        for place, token in enumerate(tokens):
            following = tokens[place + 1].initial if place + 1 < len(tokens) else ""
            mark = _mark(token, following)
            usable = usable and token.words is not None
            sentence += _labelled(token, mark) if token.words else ()
            if not token.words and usable and sentence and mark > sentence[-1].mark:
                sentence[-1] = LabelledWord(sentence[-1].spoken, sentence[-1].written, mark)
            if mark >= STOP or place + 1 == len(tokens):
                self.sentences += bool(sentence) or not usable
                if sentence and usable and not _is_shouted(sentence):
                    yield sentence
                else:
                    self.skipped += bool(sentence) or not usable
                sentence, usable = [], True


@dataclass(frozen=True)
class _Token:
    """A token between blanks: (spoken, written) pairs, None if unspeakable; what ends it."""

    words: tuple[tuple[str, str], ...] | None
    trail: str
    initial: str  # its first letter
    is_title: bool = False


def _tokens(paragraph: str) -> list[str]:
    text = _NOTES.sub(" ", paragraph.translate(_PLAIN).replace("…", "...").replace(" & ", " and "))
    return _PIECES.sub(_broken, _DASHES.sub(", ", text)).split()


def _broken(match: re.Match[str]) -> str:
    return " " if match[0] == "/" else "... "


@functools.lru_cache(maxsize=1 << 20)
def _parsed(token: str) -> _Token:
    match = _TOKEN.fullmatch(token)
    assert match is not None
    core, trail = match["core"], match["trail"]
    if match["lead"].endswith("'") and f"'{core}".lower() in _ELIDED:
        core = f"'{core}"
    initial = core[:1] or match["lead"][:1]
    title = _TITLES.get(core.lower()) if trail.startswith(".") else None
    if title is not None:
        return _Token(((title, f"{core}."),), trail[1:], initial, is_title=True)
    return _Token(_spoken(core), trail, initial)


def _spoken(core: str) -> tuple[tuple[str, str], ...] | None:
    """Pairs of spoken and written words; none for a token of marks, None if it cannot be said."""
    words: list[tuple[str, str]] = []
    if _LETTERS.fullmatch(core):
        return tuple((_said(letter), letter) for letter in core.split("."))
    for part in filter(None, re.split(r"[-–]", core)):
        said = _spoken_part(part)
        if said is None:
            return None
        words += said
    return tuple(words)


def _spoken_part(part: str) -> list[tuple[str, str]] | None:
    if _WORD.fullmatch(part) or part.lower() in _ELIDED:
        said = _said(part)
        return [(said, part if len(said) == len(part) else _as_cased(said, part))] if said else None
    if number := _NUMBER.fullmatch(part):
        spoken = f"{_number_said(number)} {_SIGNS[number['sign']]}".split()
        return [(word, word) for word in spoken]
    if "." in part.strip("."):  # a file, a site: said with "dot"
        pieces = [_spoken_part(piece) for piece in part.split(".")]
        if all(pieces) and not any(char.isdigit() for char in part):
            dotted = [pair for piece in pieces for pair in (("dot", "dot"), *(piece or ()))]
            return dotted[1:]
    return None


@functools.lru_cache(maxsize=1 << 18)
def _said(word: str) -> str:
    """The word in a recogniser's letters, empty where it has none of them."""
    said = normalize(word, "librispeech")
    return "" if " " in said else said


def _as_cased(said: str, written: str) -> str:
    """``said``, whose letters differ in number from ``written``, in its case."""
    if written.isupper():
        return said.upper()
    return said[:1].upper() + said[1:] if written[:1].isupper() else said


def _number_said(number: re.Match[str]) -> str:
    digits, end = number["digits"], number["end"]
    if _YEAR.fullmatch(digits) and not end and not number["sign"] and len(digits) == 4:
        return spell_numbers(f"{digits[:2]} {_years_said(digits[2:])}")
    said = spell_numbers(digits + (end if end != "%" else ""))
    return f"{said} {_SIGNS['%']}" if end == "%" else said


def _years_said(digits: str) -> str:
    """The last two digits of a year."""
    if digits == "00":
        return "hundred"
    return f"oh {digits[1]}" if digits[0] == "0" else digits


def _mark(token: _Token, following: str) -> int:
    """The mark after a token, before one that begins with ``following``; empty at the end."""
    trail, goes_on = token.trail, following.islower()
    if not trail:
        return NONE
    if "?" in trail:
        return QUESTION
    if "..." in trail or "!" in trail:
        return COMMA if goes_on else STOP
    # before a small letter, or after an initial, a full stop abbreviates
    abbreviates = token.is_title or goes_on or (following and _is_initial(token))
    if "." in trail and not abbreviates:
        return STOP
    return COMMA if any(char in trail for char in ",;:") else NONE


def _is_initial(token: _Token) -> bool:
    if not token.words:
        return False
    last = token.words[-1][0]
    return len(last) == 1 and last != "i"


def _labelled(token: _Token, mark: int) -> Iterator[LabelledWord]:
    assert token.words is not None
    last = len(token.words) - 1
    for place, (spoken, written) in enumerate(token.words):
        yield LabelledWord(spoken, written, mark if place == last else NONE)


def _is_shouted(sentence: list[LabelledWord]) -> bool:
    return len(sentence) >= _SHOUTED and all(word.written.isupper() for word in sentence)

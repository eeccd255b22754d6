"""Transcript normalisers: which differences between two texts do not count as errors.

A word error rate means little without the normaliser it was computed with. So normalisers are few
and have fixed names, which are printed with every result.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from asr.errors import ConfigError
from asr.lines import nfc
from asr.text.chinese import is_ideograph, spoken_chinese
from asr.text.english import english
from asr.text.numerals import spell_numbers
from asr.text.symbols import speak_forms, speak_symbols

__all__ = ["CHINESE", "NORMALIZERS", "get_normalizer", "normalize"]

# Typographic forms of the apostrophe: right and left quotation mark, modifier letter, prime, acute
# and grave accent.
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ′´`＇", "'"))
_SMALL = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
)


def normalize(text: str, name: str = "none") -> str:
    """Return ``text`` normalised: words separated by single spaces, no space at the ends.

    Args:
        text: one transcript.
        name: of the normaliser, a key of `NORMALIZERS`.

    Raises:
        ConfigError: ``name`` is not a key of `NORMALIZERS`.

    Example:
        >>> normalize("“Don’t panic,” he said.", "librispeech")
        "don't panic he said"
    """
    return get_normalizer(name)(text)


def get_normalizer(name: str) -> Callable[[str], str]:
    """Return the normaliser of that name.

    Raises:
        ConfigError: there is no such normaliser.
    """
    try:
        return NORMALIZERS[name]
    except KeyError:
        known = ", ".join(NORMALIZERS)
        raise ConfigError(
            f"There is no normaliser named {name!r}.", f"Choose one of: {known}."
        ) from None


def none(text: str) -> str:
    """Return the text in composed form (NFC), white space collapsed; case and punctuation count."""
    return " ".join(nfc(text).split())


def librispeech(text: str) -> str:
    """Return the text in LibriSpeech's alphabet in lower case: a-z, apostrophe and space.

    LibriSpeech's own transcripts only change their case. Accents are dropped, hyphens separate
    words, digits are spelled out as cardinals or ordinals ("1st", "42"), "&", "%" and signs at
    numbers ("-5", "$1") become words, and an apostrophe next to a letter is kept. Other scripts and
    symbols are dropped.
    """
    text = text.translate(_APOSTROPHES)
    # Most text is plain: what takes most of the time is left out where it changes nothing.
    text = (
        text.lower()
        if text.isascii()
        else _fold_accents(unicodedata.normalize("NFKC", speak_forms(text)).lower())
    )
    text = spell_numbers(speak_symbols(text))
    text = re.sub(r"[^a-z']", " ", text)
    return none(re.sub(r"(?<![a-z])'+(?![a-z])", " ", text))


def basic(text: str) -> str:
    """Return text of any language in NFKC and lower case, without punctuation and symbols.

    An apostrophe between two letters is part of the word ("don't", "l'homme"). Combining marks are
    kept: scripts of India and South-East Asia write vowels with them.
    """
    text = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).lower()
    text = unicodedata.normalize("NFKC", text)  # lower-casing can leave a sequence that composes
    return none("".join(_punctuation_as_space(text)))


def chinese(text: str) -> str:
    """Return Chinese with spaces between characters, half-width forms, without punctuation.

    Latin words and numbers stay whole, in lower case, so the word error rate is the mixed error
    rate that is usual for Mandarin. Simplified and traditional characters are not converted.
    """
    spaced = "".join(f" {char} " if is_ideograph(char) else char for char in basic(text))
    return " ".join(word for word in spaced.split() if word != "'")  # a quotation mark


def mandarin(text: str) -> str:
    """Return Chinese as it is read, in the form of `chinese`: numbers, acronyms, one script.

    Traditional characters become simplified ones, which needs OpenCC (``asr[mandarin]``).
    """
    return chinese(spoken_chinese(text))


def _fold_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.translate(_SMALL))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _punctuation_as_space(text: str) -> list[str]:
    kept = list(text)
    for place, char in enumerate(text):
        if unicodedata.category(char)[0] in "PSC" and not (
            char == "'" and _between_letters(text, place)
        ):
            kept[place] = " "
    return kept


def _between_letters(text: str, place: int) -> bool:
    return 0 < place < len(text) - 1 and text[place - 1].isalpha() and text[place + 1].isalpha()


NORMALIZERS: dict[str, Callable[[str], str]] = {
    "none": none,
    "librispeech": librispeech,
    "basic": basic,
    "english": english,
    "chinese": chinese,
    "mandarin": mandarin,
}
CHINESE = frozenset({"chinese", "mandarin"})  # whose words are mostly characters

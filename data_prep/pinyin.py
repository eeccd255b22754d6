"""Pronouncing dictionaries of Chinese characters and words: initials and tonal finals, by pypinyin.

How a character is read depends on its word. So readings are counted in text, which pypinyin's
table of phrases reads; a character gets those that it really has, the most frequent one first.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from asr.errors import DataError, require
from asr.lines import iter_lines
from asr.text.chinese import is_ideograph
from asr.text.pronunciations import Phones, Pronunciations

__all__ = [
    "LETTERS",
    "UNITS",
    "character_lexicon",
    "in_units",
    "standard_characters",
    "syllable_phones",
    "word_lexicon",
]

UNITS = ("initials", "syllables", "characters")  # initials and finals, that is
NO_INITIAL = "ʔ"  # what a, o and e begin with; so every syllable is an initial and a final
LEAST_SHARE = 0.02  # of a character's readings, below which one is left out
# How speakers of Mandarin name Latin letters.
LETTERS = {
    "a": "ei1",
    "b": "bi4",
    "c": "sei1",
    "d": "di4",
    "e": "yi4",
    "f": "ai2 fu5",
    "g": "ji4",
    "h": "ei1 chi2",
    "i": "ai4",
    "j": "zhei4",
    "k": "kei1",
    "l": "ai2 lou2",
    "m": "ai2 mu5",
    "n": "en1",
    "o": "ou1",
    "p": "pi4",
    "q": "qiu1",
    "r": "a4 er2",
    "s": "ai2 si5",
    "t": "ti4",
    "u": "you1",
    "v": "wei1",
    "w": "da2 bu4 liu2",
    "x": "ai2 ke4 si5",
    "y": "wai4",
    "z": "zei4",
}
# Frequent readings that the table of phrases does not have, of words of one character.
SPOKEN = {
    "地": ("de5",),
    "得": ("de5", "dei3"),
    "的": ("di4",),
    "着": ("zhao2",),
    "谁": ("shei2",),
    "这": ("zhei4",),
    "那": ("nei4",),
    "哪": ("nei3",),
    "血": ("xue4", "xie3"),
    "熟": ("shou2",),
    "露": ("lou4",),
    "薄": ("bao2",),
    "色": ("shai3",),
}
_SYLLABLE = re.compile(r"(zh|ch|sh|[bpmfdtnlgkhjqxrzcsyw])?([a-zê]+)([1-5])")
_FINALS = {"iu": "iou", "ui": "uei", "un": "uen", "ê": "ei", "m": "en", "n": "en", "ng": "en"}


def syllable_phones(syllable: str) -> Phones:
    """Return initial and final of a syllable of pinyin with its tone, 1 to 5; 5 is neutral.

    Finals are written in full (``iou``, ``uei``, ``uen``, ``v`` for ü), and so are those that
    begin with y and w; i is ``ir`` after zh, ch, sh, r and ``iz`` after z, c, s.

    Args:
        syllable: such as ``zhong1``.

    Raises:
        DataError: it is not a syllable.

    Example:
        >>> syllable_phones("yuan2"), syllable_phones("liu4"), syllable_phones("an1")
        (('y', 'van2'), ('l', 'iou4'), ('ʔ', 'an1'))
    """
    parts = _SYLLABLE.fullmatch(syllable)
    if parts is None and re.fullmatch(r"h?(m|n|ng)[1-5]", syllable):  # 嗯, 呣
        return (NO_INITIAL, f"en{syllable[-1]}")
    if parts is None:
        raise DataError(f"{syllable!r} is not a syllable of pinyin.", "Write it such as zhong1.")
    initial, final, tone = parts[1] or NO_INITIAL, parts[2], parts[3]
    return (initial, _full_final(initial, final) + tone)


def _full_final(initial: str, final: str) -> str:
    if initial in ("j", "q", "x", "y") and final.startswith("u"):
        return "v" + final[1:]
    if initial in ("y", "w"):
        glide = "i" if initial == "y" else "u"
        return final if final.startswith(glide) else glide + final
    if final == "i" and initial in ("zh", "ch", "sh", "r"):
        return "ir"
    if final == "i" and initial in ("z", "c", "s"):
        return "iz"
    return _FINALS.get(final, final)


def standard_characters() -> list[str]:
    """Return the 6,763 characters of GB 2312, the frequent ones first, in the order of pinyin."""
    cells = (bytes((row, cell)) for row in range(0xB0, 0xF8) for cell in range(0xA1, 0xFF))
    decoded = (cell.decode("gb2312", "ignore") for cell in cells)
    return [character for character in decoded if character]


def character_lexicon(
    texts: Iterable[str | Path], more: Iterable[str | Path] = ()
) -> Pronunciations:
    """Return how characters are read: those of texts, of GB 2312, and Latin letters.

    Characters without a known reading are counted and named on standard error.

    Args:
        texts: paths of texts in simplified characters, a sentence a line, in which readings are
            counted; spaces do not count.
        more: further texts, whose characters get their usual reading.

    Raises:
        MissingDependencyError: pypinyin is not installed.
        DataError: a file cannot be read.
    """
    counts, readings = _count_readings(texts)
    frequent = sorted(counts, key=lambda character: (-counts[character], character))
    entries: dict[str, list[Phones]] = {}
    unread: list[str] = []
    others = {char for path in more for line in iter_lines(path) for char in line}
    rare = sorted(filter(is_ideograph, others.difference(standard_characters())))
    for character in dict.fromkeys([*frequent, *standard_characters(), *rare]):
        usual = _usual(readings.get(character, Counter())) or _default_reading(character)
        if usual:
            ways = (*usual, *SPOKEN.get(character, ()))
            entries[character] = list(dict.fromkeys(map(syllable_phones, ways)))
        else:
            unread.append(character)
    if unread:
        shown = " ".join(unread[:20]) + (" ..." if len(unread) > 20 else "")
        print(f"{len(unread)} characters have no known reading: {shown}", file=sys.stderr)
    known = {phone for ways in entries.values() for way in ways for phone in way}
    for letter, name in LETTERS.items():
        phones = tuple(phone for syllable in name.split() for phone in syllable_phones(syllable))
        if known.issuperset(phones):
            entries[letter] = [phones]
    return Pronunciations(entries)


def word_lexicon(words: Iterable[str], characters: Pronunciations) -> Pronunciations:
    """Return the dictionary of characters with further words, as the table of phrases reads them.

    Words with characters or phones that ``characters`` lacks are left out.

    Args:
        words: simplified characters.
        characters: see :func:`character_lexicon`.

    Raises:
        MissingDependencyError: pypinyin is not installed.
    """
    pypinyin = require("pypinyin", "mandarin")
    style, known = pypinyin.Style.TONE3, set(characters.phones)
    entries: dict[str, Sequence[Phones]] = dict(characters)
    for word in words:
        if word in entries or not all(character in characters for character in word):
            continue
        said = pypinyin.lazy_pinyin(word, style, errors="ignore", neutral_tone_with_five=True)
        phones = tuple(phone for syllable in said for phone in syllable_phones(syllable))
        if len(said) == len(word) and known.issuperset(phones):
            entries[word] = (phones,)
    return Pronunciations(entries)


def in_units(
    sounds: Pronunciations, units: str, known: Collection[str] | None = None
) -> Pronunciations:
    """Return a dictionary of characters or words in other units than initials and finals.

    Args:
        sounds: from :func:`character_lexicon` or :func:`word_lexicon`: two phones a character.
        units: one of :data:`UNITS`.
        known: units that the network has; pronunciations with others are left out. None: any.
    """
    if units == "initials":
        return sounds
    entries: dict[str, Sequence[Phones]] = {}
    for word, ways in sounds.items():
        said = [tuple(word)]
        if units == "syllables":
            said = [
                tuple(initial + final for initial, final in zip(way[::2], way[1::2], strict=True))
                for way in ways
            ]
        kept = [way for way in said if known is None or all(unit in known for unit in way)]
        if kept:
            entries[word] = kept
    return Pronunciations(entries)


def _count_readings(
    texts: Iterable[str | Path],
) -> tuple[Counter[str], dict[str, Counter[str]]]:
    """Return how often each character occurs, and how often with each reading."""
    pypinyin = require("pypinyin", "mandarin")
    counts: Counter[str] = Counter()
    readings: dict[str, Counter[str]] = {}
    for path in texts:
        for line in iter_lines(path):
            for run in re.split(r"[^\u3400-\U000323af]+", line.replace(" ", "")):
                said = pypinyin.lazy_pinyin(
                    run,
                    style=pypinyin.Style.TONE3,
                    neutral_tone_with_five=True,
                    errors=lambda unknown: ["?"] * len(unknown),
                )
                for character, syllable in zip(run, said, strict=True):
                    counts[character] += 1
                    if not syllable.startswith("?"):
                        readings.setdefault(character, Counter())[syllable] += 1
    return counts, readings


def _usual(readings: Counter[str]) -> list[str]:
    least = LEAST_SHARE * readings.total()
    return [syllable for syllable, count in readings.most_common() if count >= least]


def _default_reading(character: str) -> list[str]:
    pypinyin = require("pypinyin", "mandarin")
    if not is_ideograph(character):
        return []
    style = pypinyin.Style.TONE3
    said = pypinyin.lazy_pinyin(character, style, errors="ignore", neutral_tone_with_five=True)
    return [syllable for syllable in said[:1] if _SYLLABLE.fullmatch(syllable)]

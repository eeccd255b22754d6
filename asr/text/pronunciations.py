"""Pronouncing dictionaries: word -> phones, in the text format of Kaldi and CMUdict."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from asr.errors import DataError, TokenError
from asr.files import atomic_path
from asr.lines import nfc, read_text

__all__ = ["Phones", "Pronounce", "Pronunciations"]

Phones = tuple[str, ...]
Pronounce = Callable[
    [Sequence[str], "Pronunciations"], "Pronunciations"
]  # new words, known ones -> the new ones, said
_MADE_HERE = ";;; word, a blank, its phones with one blank between them; made by asr\n"
_STRESS = re.compile(r"(?<=\w)[012](?!\w)")
_TONE = re.compile(r"(?<=\w)[3-9](?!\w)")
_FIRST_FIELD = re.compile(r"^[^ \n]+", re.MULTILINE)
_VARIANT = re.compile(r"\(\d+\)$")  # READ(2): CMUdict numbers further pronunciations


class Pronunciations(Mapping[str, tuple[Phones, ...]]):
    """Mapping of word -> pronunciations, the most usual first; words keep their order.

    Args:
        entries: word -> its pronunciations, at least one, each a sequence of phones.

    Attributes:
        fingerprint: hash of the file that was read; None if there was no file.
        parts: the two dictionaries that :meth:`updated` joined, if it did.

    Raises:
        TokenError: a word has white space or no pronunciation, or a phone is empty or has a space.

    Example:
        >>> spoken = Pronunciations({"their": [("DH", "EH", "R")], "there": [("DH", "EH", "R")]})
        >>> spoken.phones, spoken["there"][0]
        (('DH', 'EH', 'R'), ('DH', 'EH', 'R'))
    """

    FILE = "lexicon.txt.gz"
    fingerprint: str | None = None
    parts: tuple[Pronunciations, Pronunciations] | None = None
    _text: str

    def __init__(self, entries: Mapping[str, Sequence[Sequence[str]]]) -> None:
        said: dict[str, list[str]] = {}
        for word, ways in entries.items():
            if not ways or not all(ways) or word.split() != [word]:
                raise TokenError(
                    f"The word {word!r} has no pronunciation.", "Give it at least one phone."
                )
            spoken = [" ".join(way) for way in ways]
            if any(
                "▁" in text or text.split() != list(way)
                for text, way in zip(spoken, ways, strict=True)
            ):
                bad = next(p for way in ways for p in way if p.split() != [p] or "▁" in p)
                raise TokenError(
                    f"{bad!r} cannot be a phone.",
                    "Name phones by letters and digits, such as AH.",
                )
            said[word] = spoken
        self._said = said

    @cached_property
    def _said(self) -> dict[str, list[str]]:
        """Pronunciations of each word, as phones separated by spaces.

        A file that `save` wrote is parsed only when this is needed first, and dictionaries are
        joined only then.
        """
        if self.parts is not None:
            return self.parts[0]._said | self.parts[1]._said
        said: dict[str, list[str]] = {}
        for line in self._text.removeprefix(_MADE_HERE).splitlines():
            word, _, way = line.partition(" ")
            said.setdefault(word, []).append(way)
        return said

    @cached_property
    def phones(self) -> Phones:
        """Return all phones, sorted."""
        return tuple(sorted(set(" ".join(self.said()[0]).split())))

    def __getitem__(self, word: str) -> tuple[Phones, ...]:
        return tuple(tuple(way.split(" ")) for way in dict.fromkeys(self._ways(word)))

    def _ways(self, word: str) -> list[str]:
        if self.parts is not None and "_said" not in self.__dict__:
            return self.parts[word in self.parts[1]]._ways(word)
        return self._said[word]

    def __contains__(self, word: object) -> bool:
        if self.parts is not None and "_said" not in self.__dict__:
            return word in self.parts[1] or word in self.parts[0]
        return word in self._words

    @cached_property
    def _words(self) -> Collection[str]:
        """All words, to look one up: found without parsing what `save` wrote."""
        if "_said" in self.__dict__:
            return self._said
        return frozenset(_FIRST_FIELD.findall(self._text.removeprefix(_MADE_HERE)))

    @classmethod
    def of_ways(cls, said: Mapping[str, list[str]]) -> Pronunciations:
        """Return a dictionary of pronunciations that are known to be sound, each its phones with
        one space between them.
        """
        made = cls.__new__(cls)
        made._said = dict(said)
        return made

    def ways(self, word: str) -> list[str]:
        """Return the pronunciations of a word, each its phones with one space between them."""
        return list(dict.fromkeys(self._ways(word)))

    def updated(self, more: Pronunciations) -> Pronunciations:
        """Return a dictionary with the words of both; ``more`` takes precedence."""
        both = Pronunciations.__new__(Pronunciations)
        both.parts = (self, more)
        if self.fingerprint and more.fingerprint:
            both.fingerprint = f"{self.fingerprint} {more.fingerprint}"
        return both

    def said(self) -> tuple[list[str], list[str]]:
        """Return all pronunciations, as phones separated by spaces, and the word of each."""
        if self.parts is None and "_said" not in self.__dict__:  # as `save` wrote them
            lines = self._text.removeprefix(_MADE_HERE).splitlines()
            fields = [line.partition(" ") for line in lines]
            return [way for _, _, way in fields], [word for word, _, _ in fields]
        ways = [way for ways in self._said.values() for way in ways]
        return ways, [word for word, ways in self._said.items() for _ in ways]

    def __iter__(self) -> Iterator[str]:
        return iter(self._said)

    def __len__(self) -> int:
        return len(self._said)

    @classmethod
    def load(cls, path: str | Path, stress: bool = False) -> Pronunciations:
        """Read a dictionary with a word and its phones on each line, separated by white space.

        A word may have several lines; ``WORD(2)`` is another pronunciation of WORD. Text behind a
        ``#`` and lines that start with ``;;;`` are comments. Words are converted to lower case.

        Args:
            path: the file; .gz is decompressed.
            stress: keep the stress digits of ARPAbet vowels (``AH0``). Digits that are tones are
                kept in any case: where a phone ends in 3 or more, none of them is stress.

        Raises:
            TokenError: the file is missing or not text, or a line has no phones.
        """
        path = Path(path)
        text = _read(path)
        loaded = cls.__new__(cls)
        loaded.fingerprint = f"{hashlib.sha256(text.encode()).hexdigest()} {stress}"
        if stress and text.startswith(_MADE_HERE):  # no comments, variants or capitals in it
            loaded._text = text
            return loaded
        said: dict[str, list[str]] = {}
        for number, line in enumerate(text.split("\n"), 1):
            if line.startswith(";;;"):
                continue
            word, *phones = (line.partition("#")[0] if "#" in line else line).split() or ("",)
            if not word:
                continue
            if not phones:
                raise TokenError(
                    f"{path}, line {number}: {word!r} has no phones.", "Write: word PHONE PHONE ..."
                )
            way = " ".join(phones)
            word = _VARIANT.sub("", word).lower() if word.endswith(")") else word.lower()
            said.setdefault(word, []).append(way)
        if not said:
            raise TokenError(f"{path} has no words.", "Write on each line: word PHONE PHONE ...")
        loaded._said = said if stress or _has_tones(said) else _without_stress(said)
        return loaded

    def save(self, path: str | Path) -> None:
        """Write the dictionary, gzipped if the name ends in ``.gz``; equal words, equal bytes."""
        text = (
            _MADE_HERE + "".join(f"{word} {way}\n" for way, word in zip(*self.said(), strict=True))
        ).encode()
        with atomic_path(path) as temporary:
            temporary.write_bytes(
                gzip.compress(text, mtime=0) if Path(path).suffix == ".gz" else text
            )


def _has_tones(said: Mapping[str, list[str]]) -> bool:
    return any(_TONE.search(way) for ways in said.values() for way in ways)


def _without_stress(said: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {word: [_STRESS.sub("", way) for way in ways] for word, ways in said.items()}


def _read(path: Path) -> str:
    """Return the text of a dictionary in composed form (NFC)."""
    try:
        return nfc(read_text(path, "a dictionary"))
    except DataError as error:
        raise TokenError(error.message, error.remedy) from None

"""Words that a model does not know, given at run time: how they are said and used."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from asr.cache import cache_path, cached, file_digest
from asr.errors import ConfigError, DataError
from asr.files import atomic_write_text
from asr.lines import nfc, read_text
from asr.text.pronunciations import Pronunciations

if TYPE_CHECKING:  # imported when words are said by their letters first
    from asr.g2p.model import G2P, Saying

__all__ = ["NewWord", "NewWords", "Pronouncer", "new_words", "read_new_words"]

SAYINGS = 3  # pronunciations of a word by its letters
_LEAST_SHARE = 0.3  # of the probability of the best one
_CACHED_FROM = 1000  # words; fewer are said in a fraction of a second
_VERSION = "2"  # of what is cached
_SHOWN = 8  # words that an error names


@dataclass(frozen=True, slots=True)
class NewWord:
    """A word that a model is to recognise though it was not made with it.

    Attributes:
        word: as it is to be written.
        sounds_like: how it is said: words and syllables (``engine x``), or phones of the model
            (``EH N JH AH N EH K S``); empty: by its letters.
        like: a word of the language model that it is used like (``london``); empty: like words that
            are neither frequent nor very rare.
    """

    word: str
    sounds_like: str = ""
    like: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.word, str) or self.word.split() != [self.word]:
            raise ConfigError(
                f"{self.word!r} is not one word.", "Give phrases as hotwords, and words one by one."
            )

    def cased(self, case: Callable[[str], str]) -> NewWord:
        """Return the same in another letter case."""
        word, like = case(self.word), case(self.like) if self.like else ""
        same = word == self.word and like == self.like
        return self if same else NewWord(word, self.sounds_like, like)


NewWords = Collection[str | NewWord] | Mapping[str, str]
"""Words as they are given: words and phrases, or a mapping of word to what it sounds like."""


def new_words(given: NewWords) -> tuple[NewWord, ...]:
    """Return words as they are given to :func:`asr.load_model`.

    Args:
        given: words, phrases (each of their words is one), or a mapping of word to what it sounds
            like.

    Raises:
        ConfigError: something that is not a word.
    """
    if isinstance(given, str):
        raise ConfigError("The new words are a string.", "Pass a list of words.")
    if isinstance(given, Mapping):
        listed = [NewWord(word, sounds_like or "") for word, sounds_like in given.items()]
    else:
        listed = [
            part if isinstance(part, NewWord) else NewWord(part)
            for item in given
            for part in (item.split() if isinstance(item, str) else [item])
        ]
    return tuple(dict.fromkeys(listed))


def read_new_words(path: str | Path) -> tuple[NewWord, ...]:
    """Return the words of a file.

    Each line has a word and, behind tabs, optionally what it sounds like and a word that it is used
    like. A line of several words without a tab is several new words. Lines that start with ``#``
    are comments.

    Raises:
        ConfigError: the file is not there, is not text, or has no words.
    """
    path = Path(path)
    try:
        lines = nfc(read_text(path, "a text file of words")).split("\n")
    except DataError as error:
        raise ConfigError(f"The words cannot be read: {error.message}", error.remedy) from error
    listed = list[NewWord]()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in line.split("\t")]
        if len(fields) > 3 or not fields[0]:
            raise ConfigError(
                f"{path}:{number}: {line[:60]!r} is not a word and how it is said.",
                "Write: word<TAB>sounds like<TAB>word that it is used like.",
            )
        if len(fields) == 1:
            listed += map(NewWord, fields[0].split())
            continue
        try:
            listed.append(NewWord(*fields))
        except ConfigError as error:
            raise ConfigError(f"{path}:{number}: {error.message}", error.remedy) from None
    if not listed:
        raise ConfigError(f"{path} has no words.", "Write one on each line.")
    return tuple(dict.fromkeys(listed))


class Pronouncer:
    """Says new words in the phones of a model.

    Args:
        lexicon: the dictionary of the model.
        phones: its phones.
        folder: model folder, which may hold ``g2p.lmz``; without it letters and sounds are learned
            from the dictionary when they are needed first.
    """

    def __init__(
        self, lexicon: Pronunciations, phones: Sequence[str], folder: Path | None = None
    ) -> None:
        self.lexicon, self.phones, self._folder = lexicon, frozenset(phones), folder
        self._g2p: G2P | None = None
        self._is_open = False

    def __call__(self, words: Iterable[NewWord]) -> Pronunciations:
        """Return the pronunciations of words that the dictionary lacks, or that sound like
        something else; words of the dictionary keep theirs too.

        Raises:
            ConfigError: words that cannot be said; they are named.
        """
        said: dict[str, list[str]] = {}
        plain, silent = list[str](), list[str]()
        for new in words:
            if new.sounds_like:
                ways = self._like(new.sounds_like)
                known = self.lexicon.ways(new.word) if new.word in self.lexicon else []
                before = said.setdefault(new.word, known)
                before += [way for way in ways if way not in before]
                silent += [] if ways else [new.word]
            elif new.word not in self.lexicon:
                plain.append(new.word)
        plain = [word for word in dict.fromkeys(plain) if word not in said]
        for word, by_letters in zip(plain, self._by_letters(plain), strict=True):
            said[word] = by_letters
            silent += [] if by_letters else [word]
        self._check(silent)
        return Pronunciations.of_ways(said)

    def can_say(self, word: str) -> bool:
        """Return whether a word is in the dictionary or can be said by its letters."""
        return word in self.lexicon or bool(self._by_letters([word])[0])

    def _check(self, silent: Sequence[str]) -> None:
        if not silent:
            return
        shown = ", ".join(map(repr, silent[:_SHOWN])) + (", ..." if len(silent) > _SHOWN else "")
        raise ConfigError(
            f"The pronunciation of {shown} is not known.",
            "Say what it sounds like, in words or in the model's phones "
            f"({' '.join(sorted(self.phones)[:6])} ...), or leave it out.",
        )

    def _like(self, sounds_like: str) -> list[str]:
        """Return the pronunciations of words, syllables or phones; none if a part has none."""
        parts = sounds_like.split()
        if self.phones.issuperset(parts):
            return [" ".join(parts)]
        ways = [""]
        for part in map(str.lower, parts):
            is_known = part in self.lexicon
            known = self.lexicon.ways(part) if is_known else self._by_letters([part])[0]
            ways = [f"{before} {way}".strip() for before in ways for way in known][: 2 * SAYINGS]
        return ways

    def _by_letters(self, words: Sequence[str]) -> list[list[str]]:
        """Return the pronunciations of words; none of a word that cannot be said."""
        foreign = [word for word in words if not word.isascii()]
        said = {word: ways for word in foreign if (ways := self._by_characters(word))}
        spelled = [word for word in words if word not in said]
        said.update(zip(spelled, self._say_all(spelled), strict=True))
        return [said[word] for word in words]

    def _say_all(self, words: Sequence[str]) -> list[list[str]]:
        """Return the pronunciations by letters; those of long lists are cached."""
        from asr.g2p.model import ranking_path

        place = None
        lexicon = self.lexicon.fingerprint
        if len(words) >= _CACHED_FROM and self._path is not None and lexicon is not None:
            files = (self._path, ranking_path(self._path))
            marks = [file_digest(path) for path in files if path.is_file()]
            key = lexicon, "\n".join(words), " ".join(sorted(self.phones))
            place = cache_path("said", _VERSION, *marks, *key, suffix=".txt")

        def make() -> list[list[str]]:
            g2p = self._model() if words else None
            if g2p is None:
                return [[] for _ in words]
            return [self._sayable(sayings) for sayings in g2p(words, SAYINGS)]

        return cached(place, _load_said, make, _save_said, (ValueError,))

    def _sayable(self, sayings: Sequence[Saying]) -> list[str]:
        """Return those of N-best pronunciations that are probable and in the model's phones."""
        return [
            " ".join(s.phones)
            for s in sayings
            if s.probability >= _LEAST_SHARE * sayings[0].probability
            and self.phones.issuperset(s.phones)
        ]

    def _by_characters(self, word: str) -> list[str]:
        """Return how a word is said whose characters are words themselves, as in Chinese."""
        signs = all(unicodedata.category(c) == "Lo" for c in word)  # letters without case
        if not signs or not all(c in self.lexicon for c in word):
            return []
        return [" ".join(self.lexicon.ways(c)[0] for c in word)]

    @property
    def _path(self) -> Path | None:
        from asr.g2p.model import G2P_FILE

        path = None if self._folder is None else self._folder / G2P_FILE
        return path if path is not None and path.is_file() else None

    def _model(self) -> G2P | None:
        from asr.g2p.model import G2P, learned_g2p

        if not self._is_open:
            path = self._path
            self._g2p = (
                learned_g2p(self.lexicon)
                if path is None
                else G2P.load(path, dictionary=self.lexicon)
            )
            self._is_open = True
        return self._g2p


def _save_said(said: Sequence[Sequence[str]], path: Path) -> None:
    atomic_write_text(path, "\n".join(map("\t".join, said)))


def _load_said(path: Path) -> list[list[str]]:
    lines = path.read_text("utf-8").split("\n")
    return [line.split("\t") if line else [] for line in lines]

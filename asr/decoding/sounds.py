"""Words known by their sound: what tokens that are phones may say, and how it is written.

Inside the search every phone is one character and a "word" is a sound, a string of such characters;
several words may have one sound. While it searches, the search takes the word that the language
model likes best after what came before; :class:`Speller` then writes the sounds found as the words
that are likeliest all together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from asr.decoding.vocabulary import BLANK_ID, WORD_MARK, Vocabulary
from asr.errors import DecodingError
from asr.text.pronunciations import Pronunciations

__all__ = ["Sounds", "Speller", "written"]

_FIRST = 0xE000  # private use area of Unicode: 6,400 code points
_KEPT = 16  # states of the language model that a speller follows at a time


class Sounds:
    """Sounds of a pronouncing dictionary in the tokens of a model; :meth:`of` makes them.

    Attributes:
        vocabulary: the tokens with one character in place of each phone.
        lexicon: the dictionary.
        spellings: sound -> the words that have it, in the order of the dictionary, a blank between
            them.
    """

    def __init__(
        self, lexicon: Pronunciations, vocabulary: Vocabulary, spellings: Mapping[str, str]
    ) -> None:
        phones = sorted({piece for piece in vocabulary.pieces if piece})
        self._letter = {phone: chr(_FIRST + i) for i, phone in enumerate(phones)}
        self._phone = {letter: phone for phone, letter in self._letter.items()}
        marks = [WORD_MARK if starts else "" for starts in vocabulary.starts_word.tolist()]
        tokens = [
            mark + self._letter[piece] if piece else mark
            for mark, piece in zip(marks, vocabulary.pieces, strict=True)
        ]
        tokens[BLANK_ID] = vocabulary.tokens[BLANK_ID]
        self.vocabulary = Vocabulary(tokens)
        self.lexicon, self.spellings = lexicon, spellings

    @classmethod
    def of(cls, lexicon: Mapping[str, Sequence[Sequence[str]]], vocabulary: Vocabulary) -> Sounds:
        """Sounds of a dictionary in the tokens of a model.

        Args:
            lexicon: word -> its pronunciations, each a sequence of phones.
            vocabulary: tokens ``▁PHONE``, ``PHONE``.

        Raises:
            DecodingError: no word, or a phone that no token is.
        """
        if not lexicon:
            raise DecodingError("The lexicon is empty.", "Give at least one word.")
        sounds = cls(
            lexicon if isinstance(lexicon, Pronunciations) else Pronunciations(lexicon),
            vocabulary,
            {},
        )
        ways, words = sounds.lexicon.said()
        spellings: dict[str, str] = {}
        for sound, word in zip(sounds._sounds_of(ways), words, strict=True):
            before = spellings.get(sound)
            if (
                before is None or before.rpartition(" ")[2] != word
            ):  # not a word that is said so twice
                spellings[sound] = word if before is None else f"{before} {word}"
        sounds.spellings = spellings
        return sounds

    def _sounds_of(self, ways: Sequence[str]) -> list[str]:
        """Sounds of pronunciations, the phones of each joined by blanks."""
        try:
            return "".join(
                [*map({**self._letter, "\n": "\n"}.__getitem__, " \n ".join(ways).split(" "))]
            ).split("\n")
        except KeyError as error:
            way = next(way for way in ways if error.args[0] in way.split(" "))
            raise DecodingError(
                f"{way!r} has the phone {error.args[0]!r}, which no token is.",
                "Use the dictionary of the model's training.",
            ) from None

    def words(self, sound: str) -> list[str]:
        """Words that have a sound, in the order of the dictionary; none where nothing sounds so."""
        return self.spellings[sound].split(" ") if sound in self.spellings else []

    def phrases(self, phrase: str) -> list[str]:
        """Every way to say a phrase, as sounds with a space between them; at most the first 16.

        Raises:
            DecodingError: a word is not in the dictionary.
        """
        found = [""]
        for word in phrase.split():
            if word not in self.lexicon:
                raise DecodingError(
                    f"How {word!r} is said is not known.",
                    "Give its phones in a dictionary (--lexicon), or leave it out.",
                )
            ways = self._sounds_of([" ".join(way) for way in self.lexicon[word]])
            found = [f"{before} {way}".strip() for before in found for way in ways][:16]
        return found

    def phones(self, sound: str) -> str:
        """A sound that no word has, in the letters of its phones."""
        return "".join(self._phone[letter] for letter in sound).lower()


class _Model(Protocol):
    def begin(self) -> Any: ...
    def step(self, state: Any, word: str) -> tuple[float, Any]: ...
    def __contains__(self, word: str) -> bool: ...


class Speller:
    """Writes sequences of sounds as words: the likeliest sequence, or without a model the first
    word of each sound.

    Args:
        sounds: the dictionary.
        lm: n-gram model over words, or None.
        bonus: added to the natural-log probability of these words (hotwords).
    """

    def __init__(
        self, sounds: Sounds, lm: _Model | None = None, bonus: Mapping[str, float] | None = None
    ) -> None:
        self.sounds, self.lm, self.bonus = sounds, lm, dict(bonus or {})

    def __call__(self, sequence: Sequence[str]) -> list[str]:
        """Words of a sequence of sounds; a sound that no word has is written in its phones."""
        choices = [self._choices(sound) for sound in sequence]
        if self.lm is None or all(len(words) == 1 for words in choices):
            return [words[0] for words in choices]
        paths: dict[Any, tuple[float, tuple[Any, ...]]] = {self.lm.begin(): (0.0, ())}
        for words in choices:
            following: dict[Any, tuple[float, tuple[Any, ...]]] = {}
            for state, (score, path) in paths.items():
                for word in words:
                    step, after = self.lm.step(state, word)
                    total = score + step + self.bonus.get(word, 0.0)
                    if after not in following or total > following[after][0]:
                        following[after] = total, (path, word)
            kept = sorted(following.items(), key=lambda item: -item[1][0])[:_KEPT]
            paths = dict(kept)
        ends = (
            (score + self.lm.step(state, "</s>")[0], path) for state, (score, path) in paths.items()
        )
        path = max(ends, key=lambda end: end[0])[1]
        words = []
        while path:
            path, word = path
            words.append(word)
        return words[::-1]

    def _choices(self, sound: str) -> list[str]:
        words = self.sounds.words(sound)
        if not words:
            return [self.sounds.phones(sound)]
        if self.lm is None or len(words) == 1:
            return words
        lm = self.lm
        return [word for word in words if word in lm or word in self.bonus] or words[:1]


def written(
    groups: list[tuple[str, list[int]]], speller: Speller | None
) -> list[tuple[str, list[int]]]:
    """Words of :meth:`Vocabulary.groups` as they are written: as they are, or spelled where they
    are sounds.
    """
    if speller is None:
        return groups
    words = speller([sound for sound, _ in groups])
    return [(word, positions) for word, (_, positions) in zip(words, groups, strict=True)]

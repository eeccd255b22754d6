"""Decode phones: a lexicon of sounds, and the words that spell them.

Inside the search every phone is one character, and a "word" is a sound: a string of such
characters, which several words may share. During the search a sound scores as the most probable of
its words in the context. Afterwards :class:`Speller` chooses the most probable sequence of words
for the sounds of the hypothesis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from asr.decoding.vocabulary import BLANK_ID, WORD_MARK, Vocabulary
from asr.errors import DecodingError
from asr.text.pronunciations import Pronunciations

__all__ = ["Sounds", "Speller", "written"]

_FIRST = 0xE000  # private use area of Unicode: 6,400 code points
_KEPT = 16  # beam size of the speller, in states of the language model


class Sounds:
    """The sounds of a pronouncing dictionary in the tokens of a model; create it with :meth:`of`.

    Attributes:
        vocabulary: the tokens, with one character instead of each phone.
        lexicon: the dictionary.
        spellings: sound -> its words in the order of the dictionary, separated by spaces.
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
        self.vocabulary = vocabulary.respelled(tokens)
        self.lexicon, self.spellings = lexicon, spellings

    @classmethod
    def of(cls, lexicon: Mapping[str, Sequence[Sequence[str]]], vocabulary: Vocabulary) -> Sounds:
        """Return the sounds of a dictionary in the tokens of a model.

        Args:
            lexicon: word -> its pronunciations, each a sequence of phones.
            vocabulary: tokens ``▁PHONE``, ``PHONE``.

        Raises:
            DecodingError: there are no words, or a phone is not a token.
        """
        if not isinstance(lexicon, Pronunciations):
            lexicon = Pronunciations(lexicon)
        sounds = cls(lexicon, vocabulary, {})
        ways, words = sounds.lexicon.said()
        if not words:
            raise DecodingError("The lexicon is empty.", "Give at least one word.")
        spellings: dict[str, str] = {}
        for sound, word in zip(sounds._sounds_of(ways), words, strict=True):
            before = spellings.get(sound)
            # A word whose pronunciation is listed twice counts once.
            if before is None or before.rpartition(" ")[2] != word:
                spellings[sound] = word if before is None else f"{before} {word}"
        sounds.spellings = spellings
        return sounds

    def with_more(self, lexicon: Pronunciations, more: Pronunciations) -> tuple[Sounds, list[str]]:
        """Return the sounds of a dictionary, and those that it has or spells anew.

        Args:
            lexicon: this one's dictionary with ``more`` added; no pronunciation is taken away.
            more: the further words, or further pronunciations of words.

        Raises:
            DecodingError: a phone is not a token.
        """
        further = Sounds(lexicon, self.vocabulary, {})
        further.vocabulary = self.vocabulary  # whose phones are characters already
        further._letter, further._phone = self._letter, self._phone
        ways, words = more.said()
        spellings = dict(self.spellings)
        changed: dict[str, None] = {}
        for sound, word in zip(self._sounds_of(ways), words, strict=True):
            before = spellings.get(sound)
            changed[sound] = None
            if before is None:
                spellings[sound] = word
            elif word not in before.split(" "):
                spellings[sound] = f"{before} {word}"
        further.spellings = spellings
        return further, list(changed)

    def _sounds_of(self, ways: Sequence[str]) -> list[str]:
        """Return the sounds of pronunciations, whose phones are separated by spaces."""
        letters = {**self._letter, "\n": "\n"}
        try:  # all at once: dictionaries have over 100,000 entries
            joined = "".join(map(letters.__getitem__, " \n ".join(ways).split(" ")))
            return joined.split("\n")
        except KeyError as error:
            way = next(way for way in ways if error.args[0] in way.split(" "))
            raise DecodingError(
                f"{way!r} has the phone {error.args[0]!r}, which is not a token.",
                "Use the dictionary that the model was trained with.",
            ) from None

    def words(self, sound: str) -> list[str]:
        """Return the words that have a sound, in the order of the dictionary."""
        return self.spellings[sound].split(" ") if sound in self.spellings else []

    def phrases(self, phrase: str) -> list[str]:
        """Return the pronunciations of a phrase, as sounds separated by spaces; at most 16.

        Raises:
            DecodingError: a word is not in the dictionary.
        """
        spoken = [""]
        for word in phrase.split():
            if word not in self.lexicon:
                raise DecodingError(
                    f"The pronunciation of {word!r} is not known.",
                    "Give its phones in a dictionary (--lexicon), or leave it out.",
                )
            ways = self._sounds_of([" ".join(way) for way in self.lexicon[word]])
            spoken = [f"{before} {way}".strip() for before in spoken for way in ways][:16]
        return spoken

    def phones(self, sound: str) -> str:
        """Return the names of a sound's phones, for sounds that no word has."""
        return "".join(self._phone[letter] for letter in sound).lower()


class _Model(Protocol):
    def begin(self) -> Any: ...
    def step(self, state: Any, word: str) -> tuple[float, Any]: ...
    def __contains__(self, word: str) -> bool: ...


class Speller:
    """Turn sequences of sounds into words.

    With a language model the most probable sequence, without one the first word of each sound.

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
        """Return the words of a sequence of sounds; a sound without a word is its phones."""
        choices = [self._choices(sound) for sound in sequence]
        if self.lm is None or all(len(words) == 1 for words in choices):
            return [words[0] for words in choices]
        # A beam search over words: per state of the model the best path, as nested pairs
        # (path before, word), so that paths share their beginnings.
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
    """Return words of :meth:`Vocabulary.groups`; with a speller, sounds are turned into words."""
    if speller is None:
        return groups
    words = speller([sound for sound, _ in groups])
    return [(word, positions) for word, (_, positions) in zip(words, groups, strict=True)]

"""The tagger's encoder: sentences to ids of words, characters, tags and labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.errors import DataError, TokenError
from asr.files import atomic_write_text
from asr.language.batches import Ids, TokenItems
from asr.language.vocabulary import ItemVocabulary

__all__ = ["SentenceEncoder"]

MAX_WORD_CHARS = 40  # of a longer word, such as a URL, only these are read


@dataclass(frozen=True)
class SentenceEncoder:
    """Vocabularies, and how words are looked up.

    Attributes:
        words: vocabulary of words.
        chars: vocabulary of characters.
        tags: name of each tag id.
        labels: name of each label id.
        lower: look words up in lower case (never characters).
    """

    words: ItemVocabulary
    chars: ItemVocabulary
    tags: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    lower: bool = True

    @classmethod
    def of(
        cls,
        sentences: Sequence[Sequence[str]],
        tags: Iterable[Sequence[str]] = (),
        labels: Iterable[str] = (),
        *,
        lower: bool = True,
        min_count: int = 1,
        extra_words: Iterable[str] = (),
    ) -> SentenceEncoder:
        """Return the encoder of everything in the training sentences.

        Args:
            sentences: words of each.
            tags: of each sentence.
            labels: of the sentences.
            lower: look words up in lower case.
            min_count: rarer words are unknown.
            extra_words: further words to know, such as those with pretrained vectors.
        """
        folded = [[w.lower() for w in words] if lower else list(words) for words in sentences]
        known = ItemVocabulary.of(folded, min_count)
        more = [word for word in dict.fromkeys(extra_words) if word not in known]
        chars = ItemVocabulary.of(word for words in sentences for word in words)
        return cls(
            words=ItemVocabulary([*known.items, *more]),
            chars=chars,
            tags=tuple(sorted({t for sentence in tags for t in sentence})),
            labels=tuple(sorted(set(labels))),
            lower=lower,
        )

    def fold(self, word: str) -> str:
        """Return the word in the form that the vocabulary has."""
        return word.lower() if self.lower else word

    def counts(self, sentences: Iterable[Sequence[str]]) -> list[int]:
        """Return how often each word of the vocabulary occurs."""
        counted = Counter(self.fold(word) for words in sentences for word in words)
        return [counted[word] for word in self.words.items]

    def items(
        self,
        sentences: Sequence[Sequence[str]],
        tags: Sequence[Sequence[str]] | None = None,
        labels: Sequence[str] | None = None,
        spelled: bool = True,
    ) -> TokenItems:
        """Return encoded sentences, named by their number from 1.

        Args:
            sentences: words of each.
            tags: of each sentence, for training.
            labels: of the sentences, for training.
            spelled: add the spellings of the words.

        Raises:
            DataError: words and tags of a sentence differ in number, or a tag or label is unknown.
        """
        forms: dict[str, int] = {}  # each distinct word -> its number
        words = [
            _ids(forms.setdefault(word, len(forms)) for word in sentence) for sentence in sentences
        ]
        spellings = [_ids(self.chars.encode(word[:MAX_WORD_CHARS])) for word in forms]
        return TokenItems(
            tokens=[_ids(self.words.encode(map(self.fold, sentence))) for sentence in sentences],
            names=[str(number) for number in range(1, len(sentences) + 1)],
            tags=None if tags is None else self._tags(sentences, tags),
            labels=None if labels is None else self._labels(labels),
            words=words if spelled else None,
            spellings=spellings or [_ids([])],
        )

    def _tags(self, sentences: Sequence[Sequence[str]], tags: Sequence[Sequence[str]]) -> list[Ids]:
        numbers = {tag: number for number, tag in enumerate(self.tags)}
        rows = []
        for place, (words, given) in enumerate(zip(sentences, tags, strict=True), 1):
            if len(words) != len(given):
                raise DataError(
                    f"Sentence {place} has {len(words)} words and {len(given)} tags.",
                    "Give one tag each.",
                )
            unknown = next((tag for tag in given if tag not in numbers), None)
            if unknown is not None:
                raise DataError(
                    f"Sentence {place} has the tag {unknown!r}, which training did not have."
                )
            rows.append(_ids(numbers[tag] for tag in given))
        return rows

    def _labels(self, labels: Sequence[str]) -> Ids:
        numbers = {label: number for number, label in enumerate(self.labels)}
        unknown = next((label for label in labels if label not in numbers), None)
        if unknown is not None:
            raise DataError(
                f"The label {unknown!r} was not in training.",
                f"Known: {', '.join(self.labels)[:200]}.",
            )
        return _ids(numbers[label] for label in labels)

    def save(self, folder: Path) -> None:
        """Write the vocabularies into a model folder."""
        self.words.save(folder / "words.json")
        self.chars.save(folder / "characters.json")
        names = {"tags": self.tags, "labels": self.labels, "lower": self.lower}
        atomic_write_text(
            folder / "labels.json", json.dumps(names, ensure_ascii=False, indent=1) + "\n"
        )

    @classmethod
    def load(cls, folder: Path) -> SentenceEncoder:
        """Return what :meth:`save` wrote.

        Raises:
            TokenError: a file is missing or damaged.
        """
        words = ItemVocabulary.load(folder / "words.json")
        chars = ItemVocabulary.load(folder / "characters.json")
        try:
            names = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
            return cls(
                words, chars, tuple(names["tags"]), tuple(names["labels"]), bool(names["lower"])
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise TokenError(
                f"{folder / 'labels.json'} is damaged: {error}.", "Copy the model folder again."
            ) from error


def _ids(numbers: Iterable[int]) -> Ids:
    return np.array(list(numbers), np.int64)

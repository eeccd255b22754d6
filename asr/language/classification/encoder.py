"""The text classifier's encoder: texts to ids of words or subword pieces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from asr.config import check_choice
from asr.language.batches import Ids, TokenItems
from asr.language.classification.ngrams import FILE as NGRAMS
from asr.language.classification.ngrams import NgramConfig, NgramEncoder
from asr.language.subwords import Subwords
from asr.language.vocabulary import ItemVocabulary

__all__ = ["UNITS", "TextEncoder", "split_words"]

UNITS = ("words", "bpe")
WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def split_words(text: str) -> list[str]:
    """Return the words of a text and its punctuation marks, one by one.

    Example:
        >>> split_words("Don't stop, now!")
        ["Don't", 'stop', ',', 'now', '!']
    """
    return WORD.findall(text)


@dataclass(frozen=True)
class TextEncoder:
    """Vocabulary of units, and how a text is split into them.

    Attributes:
        units: vocabulary.
        pieces: splits a text into subword pieces; None: into words.
        lower: fold the case of words (pieces fold it by themselves).
        ngrams: n-grams of the units; None: they are not used.
    """

    units: ItemVocabulary
    pieces: Subwords | None = None
    lower: bool = True
    ngrams: NgramEncoder | None = None

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        *,
        kind: str = "words",
        vocab_size: int = 2000,
        lower: bool = True,
        min_count: int = 1,
        extra: Iterable[str] = (),
    ) -> TextEncoder:
        """Return the encoder of everything in the training texts.

        Args:
            texts: of the training.
            kind: ``words`` or ``bpe``.
            vocab_size: number of bpe pieces.
            lower: fold the case.
            min_count: rarer words are unknown.
            extra: further words to know, such as those with pretrained vectors.
        """
        check_choice("data.units", kind, UNITS)
        pieces = Subwords.train(texts, vocab_size, lower) if kind == "bpe" else None
        encoder = cls(ItemVocabulary([]), pieces, lower)
        known = ItemVocabulary.of(
            (encoder.split(text) for text in texts), min_count if pieces is None else 1
        )
        more = [word for word in dict.fromkeys(extra) if word not in known]
        return cls(ItemVocabulary([*known.items, *more]), pieces, lower)

    @property
    def num_ngrams(self) -> int:
        """Size of the vocabulary of n-grams; 0: they are not used."""
        return len(self.ngrams.items) if self.ngrams is not None else 0

    def split(self, text: str) -> list[str]:
        """Return the units of a text."""
        if self.pieces is not None:
            return self.pieces.pieces(text)
        return split_words(text.lower() if self.lower else text)

    def encode(self, texts: Iterable[str]) -> list[Ids]:
        """Return the ids of each text; an empty text has none."""
        return [np.array(self.units.encode(self.split(text)), np.int64) for text in texts]

    def items(self, texts: Iterable[str], labels: Ids | None = None) -> TokenItems:
        """Return texts, and their labels, as the network takes them."""
        split = [self.split(text) for text in texts]
        tokens = [np.array(self.units.encode(units), np.int64) for units in split]
        items = TokenItems.numbered(tokens, labels)
        if self.ngrams is None:
            return items
        return replace(items, ngrams=[self.ngrams.encode(units) for units in split])

    def save(self, folder: Path) -> None:
        """Write the vocabulary into a model folder."""
        self.units.save(folder / "units.json")
        if self.pieces is not None:
            self.pieces.save(folder)
        if self.ngrams is not None:
            self.ngrams.save(folder)

    @classmethod
    def load(cls, folder: Path, lower: bool, ngrams: NgramConfig | None = None) -> TextEncoder:
        """Return what :meth:`save` wrote.

        Raises:
            TokenError: a file is missing or damaged.
        """
        pieces = Subwords.load(folder) if (folder / Subwords.FILE).is_file() else None
        used = None
        if ngrams is not None and (folder / NGRAMS).is_file():
            used = NgramEncoder(ItemVocabulary.load(folder / NGRAMS), ngrams)
        return cls(ItemVocabulary.load(folder / "units.json"), pieces, lower, used)

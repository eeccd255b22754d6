"""Tokenizers: text <-> ids of CTC tokens; id 0 is the blank, ``▁`` starts a word."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from asr.errors import TokenError
from asr.files import atomic_path, atomic_write_text
from asr.text.pronunciations import Phones, Pronunciations

__all__ = [
    "BLANK",
    "SPACE",
    "CharTokenizer",
    "PhoneTokenizer",
    "SentencePieceTokenizer",
    "Tokenizer",
    "load_tokenizer",
    "train_tokenizer",
]

BLANK = "<blank>"
SPACE = "▁"


class Tokenizer(ABC):
    """Converts text to token ids and back.

    Attributes:
        tokens: token of every id; ``tokens[0]`` is the CTC blank.
        lexicon: pronunciations of words if tokens are phones, else None.
        unit: what tokens are: characters, pieces or phones.
    """

    blank_id = 0
    tokens: list[str]
    unit = "characters"
    lexicon: Pronunciations | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``, without blanks.

        Raises:
            TokenError: a character has no token; the message names it.
        """

    def spellings(self, text: str) -> list[list[list[int]]]:
        """Return the alternative pronunciations of each word of ``text``, as token ids.

        Tokens that are letters or pieces have one alternative: the encoding of the whole text.

        Raises:
            TokenError: as in :meth:`encode`.
        """
        return [[self.encode(text)]]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids``; blanks are skipped."""
        return (
            "".join(self.tokens[i] for i in ids if i != self.blank_id).replace(SPACE, " ").strip()
        )

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write the tokenizer into a model folder."""


class CharTokenizer(Tokenizer):
    """One token per character; the space between words is the token ``▁``.

    Args:
        characters: the alphabet, without the space.

    Example:
        >>> tokenizer = CharTokenizer("ab")
        >>> tokenizer.encode("a b"), tokenizer.decode([2, 1, 3])
        ([2, 1, 3], 'a b')
    """

    FILE = "tokenizer.json"

    def __init__(self, characters: Iterable[str]) -> None:
        characters = [c for c in characters if not c.isspace() and c != SPACE]
        if len(set(characters)) != len(characters) or any(len(c) != 1 for c in characters):
            raise TokenError(
                "The alphabet of a character tokenizer repeats a character or has one of several "
                "letters."
            )
        self.tokens = [BLANK, SPACE, *characters]
        self._ids = {" ": 1, **{c: i for i, c in enumerate(self.tokens) if i > 1}}

    @classmethod
    def train(cls, texts: Iterable[str]) -> CharTokenizer:
        """Return a tokenizer of all characters in ``texts``."""
        return cls(sorted({c for text in texts for c in text if not c.isspace()}))

    def encode(self, text: str) -> list[int]:
        plain = " ".join(text.split())
        try:
            return [self._ids[c] for c in plain]
        except KeyError:
            unknown = [c for c in dict.fromkeys(plain) if c not in self._ids]
            raise TokenError(
                f"The character {_listed(unknown)} in {text[:60]!r} is not one of the tokenizer's "
                f"{len(self) - 1}.",
                "Normalise the text (--normalizer), or train with a tokenizer made from this text "
                "too.",
            ) from None

    def save(self, folder: str | Path) -> None:
        content = {"type": "characters", "characters": self.tokens[2:]}
        atomic_write_text(
            Path(folder) / self.FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        )


class SentencePieceTokenizer(Tokenizer):
    """The pieces of a sentencepiece model (Kudo & Richardson 2018).

    The blank takes the place of the unknown piece, id 0.

    Args:
        model: serialised sentencepiece model; id 0 is its unknown piece.
    """

    FILE = "tokenizer.model"
    unit = "pieces"

    def __init__(self, model: bytes) -> None:
        import sentencepiece

        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except RuntimeError as error:
            raise TokenError(
                "The sentencepiece model is damaged.", "Fetch or train the model folder again."
            ) from error
        if self._processor.unk_id() != 0:
            raise TokenError(
                "The sentencepiece model's unknown piece is not id 0.",
                "Train it with `train_tokenizer`.",
            )
        pieces = [self._processor.IdToPiece(i) for i in range(self._processor.GetPieceSize())]
        self.tokens = [BLANK, *pieces[1:]]

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, model_type: str = "unigram"
    ) -> SentencePieceTokenizer:
        """Return a tokenizer trained on ``texts``, of at most ``vocab_size`` tokens with the blank.

        Raises:
            TokenError: there is too little text for this number of pieces.
        """
        import io

        import sentencepiece

        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=iter(texts),
                model_writer=model,
                vocab_size=vocab_size,
                model_type=model_type,
                character_coverage=1.0,
                unk_id=0,
                bos_id=-1,
                eos_id=-1,
                pad_id=-1,
                normalization_rule_name="identity",
                hard_vocab_limit=False,
                num_threads=1,
                minloglevel=2,
            )
        except RuntimeError as error:
            raise TokenError(
                f"No sentencepiece model of {vocab_size} pieces can be trained on this text: "
                f"{error}",
                "Give more text or a smaller tokenizer.vocab_size.",
            ) from error
        return cls(model.getvalue())

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self._processor.EncodeAsIds(text)
        if 0 in ids:
            unknown = next(
                c for c in text if not c.isspace() and 0 in self._processor.EncodeAsIds(c)
            )
            raise TokenError(
                f"The character {unknown!r} in {text[:60]!r} has no piece in the tokenizer.",
                "Normalise the text (--normalizer), or train with a tokenizer made from this text "
                "too.",
            )
        return ids

    def save(self, folder: str | Path) -> None:
        with atomic_path(Path(folder) / self.FILE) as temporary:
            temporary.write_bytes(self._model)


def _listed(items: Sequence[str]) -> str:
    """Return unknown items for an error: the first by itself, and up to seven more."""
    more = ", ".join(map(repr, items[1:8])) + (", ..." if len(items) > 8 else "")
    return f"{items[0]!r}{f' (and {more})' if more else ''}"


class PhoneTokenizer(Tokenizer):
    """Two tokens per phone: at the start of a word (``▁AH``) and elsewhere (``AH``).

    A text is encoded with the first pronunciation of each word. Among words that sound alike,
    `decode` takes the first one of the dictionary; the beam search lets the language model choose.

    Args:
        lexicon: pronunciations of all words that texts may have.
        phones: the phones of the model; by default those of the lexicon.

    Example:
        >>> said = {"a": [("AH",)], "tee": [("T", "IY")], "tea": [("T", "IY")]}
        >>> tokenizer = PhoneTokenizer(Pronunciations(said))
        >>> tokenizer.encode("a tea"), tokenizer.decode([1, 3, 5])
        ([1, 3, 5], 'a tee')
    """

    FILE = "tokenizer.json"
    unit = "phones"
    lexicon: Pronunciations

    def __init__(self, lexicon: Pronunciations, phones: Sequence[str] | None = None) -> None:
        self.lexicon, self.phones = lexicon, tuple(lexicon.phones if phones is None else phones)
        self.tokens = [BLANK, *(SPACE + phone for phone in self.phones), *self.phones]
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    @cached_property
    def _words(self) -> dict[str, str]:
        ways, words = self.lexicon.said()
        # Reversed, so that the first word of each sound wins.
        return dict(zip(reversed(ways), reversed(words), strict=True))

    def with_words(self, more: Pronunciations) -> PhoneTokenizer:
        """Return a tokenizer of the same tokens with further words; ``more`` takes precedence.

        Raises:
            TokenError: a phone is not one of the tokenizer's.
        """
        if new := sorted(set(more.phones) - set(self.phones)):
            raise TokenError(
                f"The model has no phone {new[0]!r}.",
                f"Use the phones of the model: {' '.join(self.phones)}.",
            )
        return PhoneTokenizer(self.lexicon.updated(more), self.phones)

    def encode(self, text: str) -> list[int]:
        return [i for word in text.split() for i in self._spelled(self._ways(word, text)[0])]

    def spellings(self, text: str) -> list[list[list[int]]]:
        """Return the pronunciations of each word of ``text`` as ids, the usual one first.

        Raises:
            TokenError: the dictionary lacks a word.
        """
        return [[self._spelled(way) for way in self._ways(word, text)] for word in text.split()]

    def sayable(self, said: Pronunciations) -> Pronunciations:
        """Return those words of ``said`` whose phones are all the tokenizer's."""
        phones = set(self.phones)
        return Pronunciations(
            {word: ways for word, ways in said.items() if phones.issuperset(*ways)}
        )

    def unknown(self, text: str) -> list[str]:
        """Return the words of ``text`` that the dictionary lacks, each once."""
        return [word for word in dict.fromkeys(text.split()) if word not in self.lexicon]

    def _ways(self, word: str, text: str) -> tuple[Phones, ...]:
        try:
            return self.lexicon[word]
        except KeyError:
            raise TokenError(
                f"The word {_listed(self.unknown(text))} in {text[:60]!r} is not in the "
                "pronouncing dictionary.",
                "Normalise the text (--normalizer), or say the word: "
                "asr lexicon TEXT --dictionary FILE -o LEXICON.",
            ) from None

    def _spelled(self, way: Phones) -> list[int]:
        first, *others = way
        return [self._ids[SPACE + first], *(self._ids[phone] for phone in others)]

    def decode(self, ids: Iterable[int]) -> str:
        spoken = " ".join(self.tokens[i] for i in ids if i != self.blank_id).split(SPACE)
        sounds = filter(None, map(str.strip, spoken))
        return " ".join(self._words.get(sound, sound.replace(" ", "").lower()) for sound in sounds)

    def save(self, folder: str | Path) -> None:
        content = {"type": "phones", "phones": list(self.phones)}
        self.lexicon.save(Path(folder) / Pronunciations.FILE)
        atomic_write_text(
            Path(folder) / self.FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        )


TOKENIZERS = ("characters", "unigram", "bpe", "phones")


def train_tokenizer(
    kind: str, texts: Sequence[str], vocab_size: int, lexicon: str | Path = ""
) -> Tokenizer:
    """Return a tokenizer trained on ``texts``.

    Args:
        kind: ``characters``, ``unigram``, ``bpe`` or ``phones``.
        texts: the transcripts of the training data.
        vocab_size: number of tokens of ``unigram`` and ``bpe``.
        lexicon: pronouncing dictionary of ``phones``, see :meth:`Pronunciations.load`.

    Raises:
        TokenError: ``kind`` is unknown, there is too little text, or the dictionary is missing or
            damaged.
    """
    if not any(text.strip() for text in texts):
        raise TokenError(
            "There is no text to make a tokenizer from.",
            "Check the transcripts of the training manifest.",
        )
    if kind == "characters":
        return CharTokenizer.train(texts)
    if kind == "phones":
        if not lexicon:
            raise TokenError(
                "Phones need a pronouncing dictionary.", "Give one: tokenizer.lexicon=FILE."
            )
        return PhoneTokenizer(Pronunciations.load(lexicon))
    if kind in TOKENIZERS:
        return SentencePieceTokenizer.train(texts, vocab_size, kind)
    raise TokenError(f"Unknown tokenizer {kind!r}.", f"Choose one of: {', '.join(TOKENIZERS)}.")


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """Return the tokenizer of a model folder.

    Raises:
        TokenError: there is none in the folder, or it is damaged.
    """
    folder = Path(folder)
    if (path := folder / SentencePieceTokenizer.FILE).is_file():
        return SentencePieceTokenizer(path.read_bytes())
    path = folder / CharTokenizer.FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["type"] != "phones":
            return CharTokenizer(content["characters"])
        return PhoneTokenizer(
            Pronunciations.load(folder / Pronunciations.FILE, stress=True), content["phones"]
        )
    except FileNotFoundError:
        raise TokenError(
            f"There is no tokenizer in {folder}.", "Give a folder that `asr train` wrote."
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise TokenError(
            f"{path} is not a tokenizer.", "Fetch or train the model folder again."
        ) from error

"""Tokenizers: text <-> ids of CTC units; id 0 is the blank, ``▁`` begins a word."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from asr.errors import TokenError
from asr.files import atomic_path, atomic_write_text
from asr.text.pronunciations import Pronunciations

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
    """Text to ids and back.

    Attributes:
        tokens: token of every id; ``tokens[0]`` is the CTC blank.
        lexicon: words by what they sound like, where tokens are phones; None where tokens spell.
    """

    blank_id = 0
    tokens: list[str]
    lexicon: Pronunciations | None = None

    def __len__(self) -> int:
        return len(self.tokens)

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the ids of ``text``, no blanks among them.

        Raises:
            TokenError: a character has no token; the character is named.
        """

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids``; blanks are passed over."""
        return (
            "".join(self.tokens[i] for i in ids if i != self.blank_id).replace(SPACE, " ").strip()
        )

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write the tokenizer into a model folder."""


class CharTokenizer(Tokenizer):
    """One token a character; the space between words is the token ``▁``.

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
        """Return the tokenizer of every character in ``texts``."""
        return cls(sorted({c for text in texts for c in text if not c.isspace()}))

    def encode(self, text: str) -> list[int]:
        try:
            return [self._ids[c] for c in " ".join(text.split())]
        except KeyError as error:
            raise TokenError(
                f"The character {error.args[0]!r} in {text[:60]!r} is none of the {len(self) - 1} "
                "that are known.",
                "Normalise the text (--normalizer), or train with a tokenizer made from this text "
                "too.",
            ) from None

    def save(self, folder: str | Path) -> None:
        content = {"type": "characters", "characters": self.tokens[2:]}
        atomic_write_text(
            Path(folder) / self.FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        )


class SentencePieceTokenizer(Tokenizer):
    """Pieces of a sentencepiece model (Kudo & Richardson 2018), its unknown piece moved to the
    blank's id 0.

    Args:
        model: serialised sentencepiece model whose id 0 is the unknown piece.
    """

    FILE = "tokenizer.model"

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
        """Return a tokenizer of at most ``vocab_size`` tokens, the blank included, trained on
        ``texts``.

        Raises:
            TokenError: there is too little text for so many pieces.
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


class PhoneTokenizer(Tokenizer):
    """Two tokens a phone: one for the phone at the beginning of a word (``▁AH``), one for it
    elsewhere (``AH``).

    A text is encoded by the first pronunciation of each word. What sounds alike is decoded to the
    word that stands first in the dictionary; the beam search lets the language model choose.

    Args:
        lexicon: pronunciations of all words that texts may have.
        phones: of the model, those of the lexicon by default.

    Example:
        >>> said = {"a": [("AH",)], "tee": [("T", "IY")], "tea": [("T", "IY")]}
        >>> tokenizer = PhoneTokenizer(Pronunciations(said))
        >>> tokenizer.encode("a tea"), tokenizer.decode([1, 3, 5])
        ([1, 3, 5], 'a tee')
    """

    FILE = "tokenizer.json"
    lexicon: Pronunciations

    def __init__(self, lexicon: Pronunciations, phones: Sequence[str] | None = None) -> None:
        self.lexicon, self.phones = lexicon, tuple(lexicon.phones if phones is None else phones)
        self.tokens = [BLANK, *(SPACE + phone for phone in self.phones), *self.phones]
        self._ids = {token: i for i, token in enumerate(self.tokens)}

    @cached_property
    def _words(self) -> dict[str, str]:
        ways, words = self.lexicon.said()
        return dict(
            zip(reversed(ways), reversed(words), strict=True)
        )  # the first word of each sound

    def with_words(self, more: Pronunciations) -> PhoneTokenizer:
        """Return a tokenizer of the same tokens that knows further words; ``more`` comes first
        where both know one.

        Raises:
            TokenError: a phone that this tokenizer lacks.
        """
        if new := sorted(set(more.phones) - set(self.phones)):
            raise TokenError(
                f"The model has no phone {new[0]!r}.",
                f"Write words with its own: {' '.join(self.phones)}.",
            )
        return PhoneTokenizer(self.lexicon.updated(more), self.phones)

    def encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for word in text.split():
            try:
                first, *others = self.lexicon[word][0]
            except KeyError:
                raise TokenError(
                    f"The word {word!r} in {text[:60]!r} is not in the pronouncing dictionary.",
                    "Normalise the text (--normalizer), or give a dictionary that has it "
                    "(--lexicon).",
                ) from None
            ids += [self._ids[SPACE + first], *(self._ids[phone] for phone in others)]
        return ids

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
    """Return a tokenizer of ``kind`` (``characters``, ``unigram``, ``bpe`` or ``phones``) for
    ``texts``.

    ``phones`` need ``lexicon``, a pronouncing dictionary (:meth:`Pronunciations.load`).

    Raises:
        TokenError: ``kind`` is unknown, the texts are empty, or too little for ``vocab_size``
        pieces; or the dictionary
            is missing or damaged.
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
        TokenError: the folder holds none, or a damaged one.
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

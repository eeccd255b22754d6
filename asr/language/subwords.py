"""Subword pieces, or words, of one or several languages: text <-> ids; the unknown is counted."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from asr.errors import TokenError
from asr.files import atomic_path

__all__ = ["UNITS", "Subwords"]

UNITS = {"pieces": "bpe", "words": "word"}
"""What a text can be split into, and sentencepiece's name for it."""
WORD_START = "▁"


class Subwords:
    """A sentencepiece model: byte-pair pieces (Sennrich et al. 2016) or the most frequent words.

    Id 0 is the unknown unit, id 1 the end of a text.

    Args:
        model: serialised sentencepiece model, as :meth:`train` makes it.

    Attributes:
        whole_words: whether every unit is a word.

    Example:
        >>> subwords = Subwords.train(["ein kleiner Hund", "a small dog"] * 9, 40)
        >>> subwords.decode(subwords.encode("a small Hund")), subwords.num_unknown("犬")
        ('a small Hund', 1)
    """

    FILE = "subwords.model"
    UNK, END = 0, 1

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
        if (self._processor.unk_id(), self._processor.eos_id()) != (self.UNK, self.END):
            raise TokenError(
                "The sentencepiece model is not one of `Subwords`.",
                "Train it with `Subwords.train`.",
            )
        self.whole_words = all(
            token.startswith(WORD_START) for token in self.tokens[self.END + 1 :]
        )

    @classmethod
    def train(
        cls, texts: Iterable[str], vocab_size: int, lowercase: bool = False, units: str = "pieces"
    ) -> Subwords:
        """Return units learned from texts.

        Args:
            texts: of the training.
            vocab_size: number of units, at most.
            lowercase: fold the case of all text.
            units: ``pieces``, or ``words`` in the order of their frequency.

        Raises:
            TokenError: there is no text, or too little for so many pieces.
        """
        import sentencepiece

        if units not in UNITS:
            raise TokenError(f"Unknown units {units!r}.", f"Choose one of: {', '.join(UNITS)}.")
        model = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.Train(
                sentence_iterator=(text for text in texts if text.strip()),
                model_writer=model,
                vocab_size=vocab_size,
                model_type=UNITS[units],
                character_coverage=1.0,
                unk_id=cls.UNK,
                eos_id=cls.END,
                bos_id=-1,
                pad_id=-1,
                normalization_rule_name="nmt_nfkc_cf" if lowercase else "nmt_nfkc",
                hard_vocab_limit=False,
                num_threads=1,
                minloglevel=2,
                max_sentence_length=1 << 20,
            )
        except RuntimeError as error:
            raise TokenError(
                f"No subwords can be learned from this text: {' '.join(str(error).split())}",
                "Give more text, or another tokenizer.vocab_size.",
            ) from error
        return cls(model.getvalue())

    def __len__(self) -> int:
        return int(self._processor.GetPieceSize())

    @property
    def tokens(self) -> list[str]:
        """Unit of every id."""
        return [self._processor.IdToPiece(i) for i in range(len(self))]

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text without an end.

        Id 0 stands for each stretch that no piece covers, or for each unknown word.
        """
        if self.whole_words:  # sentencepiece would join neighbouring unknown words to one
            return [i for ids in self._processor.EncodeAsIds(text.split()) for i in ids]
        ids: list[int] = self._processor.EncodeAsIds(text)
        return ids

    def pieces(self, text: str) -> list[str]:
        """Return the pieces of a text as they are written, unknown ones included."""
        pieces: list[str] = self._processor.EncodeAsPieces(text)
        return pieces

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids; ends are left out."""
        return str(self._processor.DecodeIds([i for i in ids if i != self.END]))

    def num_unknown(self, text: str) -> int:
        """Return the number of unknown units in a text."""
        return self.encode(text).count(self.UNK)

    def save(self, folder: str | Path) -> None:
        """Write the pieces into a model folder."""
        with atomic_path(Path(folder) / self.FILE) as temporary:
            temporary.write_bytes(self._model)

    @classmethod
    def load(cls, folder: str | Path) -> Subwords:
        """Return the pieces of a model folder.

        Raises:
            TokenError: the folder holds none, or damaged ones.
        """
        path = Path(folder) / cls.FILE
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise TokenError(
                f"There is no {cls.FILE} in {folder}.", "Copy the whole model folder again."
            ) from error

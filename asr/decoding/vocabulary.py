"""Tokens of an acoustic model: the blank, word starts, and the characters of each token.

T frames, V outputs of the network, N tokens (the blank included); N is V unless outputs are special
tokens, which are never text.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.decoding.label_files import labels_of
from asr.decoding.labels import BLANK, WORD_MARK, Reading, read_labels, spell_bytes, write_bytes
from asr.decoding.types import WordSpan
from asr.errors import DecodingError

__all__ = ["BLANK", "BLANK_ID", "WORD_MARK", "Vocabulary", "word_spans"]

BLANK_ID = 0
_LONE_MARKS = (WORD_MARK, " ", "|")


def _check(tokens: Sequence[str]) -> None:
    if isinstance(tokens, str) or not all(isinstance(token, str) for token in tokens):
        raise DecodingError(
            "tokens must be a list of strings.", "Pass the tokenizer's tokens, the blank first."
        )
    if not tokens or tokens[BLANK_ID] != BLANK:
        first = repr(tokens[0]) if tokens else "nothing"
        raise DecodingError(
            f"tokens[0] must be {BLANK!r} but is {first}.",
            "Give Vocabulary.read(tokens), which finds the blank; its argument blank names it.",
        )
    seen: dict[str, int] = {}
    for index, token in enumerate(tokens):
        if not token:
            raise DecodingError(
                f"tokens[{index}] is an empty string.", "Every token needs a text of its own."
            )
        if token in seen:
            raise DecodingError(
                f"Token {token!r} is listed twice, at {seen[token]} and {index}.",
                "Give every output its own token, or Vocabulary.read(tokens).",
            )
        if WORD_MARK in token[1:] or (token not in _LONE_MARKS and any(c.isspace() for c in token)):
            raise DecodingError(
                f"tokens[{index}] = {token!r} has a word boundary inside.",
                "Train the pieces with split_by_whitespace, so that no token spans two words.",
            )
        seen[token] = index


@dataclass(frozen=True)
class Vocabulary:
    """Tokens of an acoustic model, validated: those of this toolkit's own models.

    Outputs of any other CTC network are read by :meth:`read`.

    Args:
        tokens: N strings; ``tokens[0]`` is ``"<blank>"``. A leading ``"▁"`` starts a word; ``"▁"``
            alone (or ``" "`` or ``"|"`` alone) is the space between words of a character
            vocabulary.

    Raises:
        DecodingError: no blank first, an empty or repeated token, or a token that spans two words.
    """

    tokens: tuple[str, ...]
    size: int = field(init=False)
    """Outputs of the network, V: columns of the log-probabilities."""
    columns: tuple[int, ...] = field(init=False, repr=False)
    """Output of the network for each token, (N,)."""
    summary: str = field(init=False, repr=False, compare=False)
    """What was understood of the labels, for people."""
    starts_word: npt.NDArray[np.bool_] = field(init=False, repr=False, compare=False)
    pieces: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Characters that each token adds to its word: without the word mark, "" for the blank."""

    _starts: tuple[bool, ...] = field(init=False, repr=False, compare=False)
    _repeats: tuple[tuple[int, int], ...] = field(init=False, repr=False, compare=False)
    _bytewise: bool = field(init=False, repr=False, compare=False)
    # columns as an index; None: outputs and tokens are the same
    _index: npt.NDArray[np.intp] | None = field(init=False, repr=False, compare=False)

    def __init__(self, tokens: Sequence[str]) -> None:
        _check(tokens)
        starts = [token in _LONE_MARKS or token.startswith(WORD_MARK) for token in tokens]
        pieces = ["" if token in _LONE_MARKS else token.removeprefix(WORD_MARK) for token in tokens]
        pieces[BLANK_ID] = ""
        self._fill(
            tokens=tuple(tokens),
            size=len(tokens),
            columns=tuple(range(len(tokens))),
            summary=f"{len(tokens)} outputs; blank: 0.",
            starts_word=np.array(starts, dtype=np.bool_),
            pieces=tuple(pieces),
            _starts=tuple(starts),
            _repeats=(),
            _bytewise=False,
            _index=None,
        )

    def _fill(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, tokens: Sequence[str] | Vocabulary) -> Vocabulary:
        """Return a vocabulary as it is, or that of a list of tokens."""
        return tokens if isinstance(tokens, Vocabulary) else cls(tokens)

    @classmethod
    def read(
        cls,
        source: Any,
        *,
        blank: int | str | None = None,
        word_boundary: str | None = None,
        special: Iterable[str] | None = None,
        case: str | None = None,
    ) -> Vocabulary:
        """Return the tokens of any CTC network; ``summary`` says what was understood.

        The blank is the label ``<blank>``, ``<blk>`` or the like, else ``<pad>``, else the empty
        one; without any it is taken to be the output behind the last label, as in NeMo. Outputs
        that spell the same are one token, whose probabilities are added.

        Args:
            source: a list of labels, label -> number, a tokenizer with ``get_vocab()``, or a file:
                ``vocab.json``, ``tokens.txt`` (a label a line, with or without its number), a
                sentencepiece model; or the folder of one.
            blank: the blank's label or number; the number of labels stands for an output behind the
                last label.
            word_boundary: what words start with (``"▁"``; ``"Ġ"``, with byte-level pieces), what
                they continue with (``"##"``), or the label between them (``"|"``, ``" "``);
                ``""``: nothing.
            special: labels that are never text; by default those in brackets, such as ``<s>``.
            case: ``"lower"`` or ``"upper"``, the letter case to write texts in.

        Raises:
            DecodingError: the source cannot be read, or it can be understood in several ways.

        Example:
            >>> print(Vocabulary.read(["<pad>", "<s>", "|", "A", "B"]).summary)
            5 outputs; blank: 0 ('<pad>'); '|' stands between words; never text: '<s>' (1).
        """
        labels, unwritten = labels_of(source)
        return cls._of(
            read_labels(
                labels,
                blank=blank,
                word_boundary=word_boundary,
                special=special,
                case=case,
                unwritten=unwritten if special is None else (),
            )
        )

    @classmethod
    def _of(cls, reading: Reading) -> Vocabulary:
        index = np.array(reading.columns, np.intp)
        starts = [unit.starts_word for unit in reading.units]
        marks = [WORD_MARK if begins else "" for begins in starts]
        pieces = [unit.piece for unit in reading.units]
        vocabulary = cls.__new__(cls)
        vocabulary._fill(
            tokens=(BLANK, *map(str.__add__, marks[1:], map(reading.name, pieces[1:]))),
            size=reading.size,
            columns=reading.columns,
            summary=reading.summary,
            starts_word=np.array(starts, dtype=np.bool_),
            pieces=tuple(pieces),
            _starts=tuple(starts),
            _repeats=reading.repeats,
            _bytewise=reading.bytewise,
            _index=None if reading.columns == tuple(range(reading.size)) else index,
        )
        return vocabulary

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def has_boundaries(self) -> bool:
        """Return whether some token starts a word; otherwise every text is one word."""
        return bool(self.starts_word.any())

    def arrange(self, log_probs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the log-probabilities (..., N) of the tokens, from those of the outputs (..., V).

        The array itself, if outputs and tokens are the same.
        """
        if self._index is None:
            return log_probs
        arranged = np.take(log_probs, self._index, axis=-1)
        for token, column in self._repeats:
            arranged[..., token] = np.logaddexp(arranged[..., token], log_probs[..., column])
        return arranged

    def arranged(self) -> Vocabulary:
        """Return the vocabulary for log-probabilities that :meth:`arrange` has put in order."""
        count = len(self)
        other = copy.copy(self)
        other._fill(size=count, columns=tuple(range(count)), _repeats=(), _index=None)
        return other

    def outputs(self, ids: Iterable[int]) -> tuple[int, ...]:
        """Return the outputs of the network that stand for tokens."""
        return tuple([self.columns[token] for token in ids])

    def respelled(self, tokens: Sequence[str]) -> Vocabulary:
        """Return the vocabulary of the same outputs with other tokens, the blank first."""
        other = Vocabulary(tokens)
        other._fill(
            size=self.size, columns=self.columns, _repeats=self._repeats, _index=self._index
        )
        return other

    def spell(self, text: str) -> str:
        """Return a text in the characters of :attr:`pieces`: bytes, if the tokens are bytes."""
        return spell_bytes(text) if self._bytewise else text

    def write(self, spelled: str) -> str:
        """Return the text of what :attr:`pieces` spell."""
        return write_bytes(spelled) if self._bytewise else spelled

    def groups(self, ids: Sequence[int]) -> list[tuple[str, list[int]]]:
        """Return the words of a token sequence, each with the positions in ``ids`` of its tokens.

        A word mark alone belongs to no word.
        """
        words: list[tuple[str, list[int]]] = []
        pieces, starts_word = self.pieces, self._starts
        spelled, positions = "", list[int]()
        for position, token in enumerate(ids):
            if starts_word[token] and positions:
                words.append((self.write(spelled), positions))
                spelled, positions = "", []
            if pieces[token]:
                spelled += pieces[token]
                positions.append(position)
        return [*words, (self.write(spelled), positions)] if positions else words

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of a token sequence: its words with one space in between."""
        return " ".join(word for word, _ in self.groups(ids))


def word_spans(
    words: Sequence[tuple[str, list[int]]],
    starts: Sequence[int],
    ends: Sequence[int],
    confidences: Sequence[float],
) -> tuple[WordSpan, ...]:
    """Return words with frames and confidences, from those of their tokens.

    A word's confidence is the product of its tokens' confidences: in CTC, outputs at different
    frames are independent given the audio.

    Args:
        words: as :meth:`Vocabulary.groups` returns them.
        starts: first frame of each token.
        ends: frame after the last of each token.
        confidences: probability of each token.
    """
    spans = []
    for word, positions in words:
        confidence = min(math.prod(confidences[p] for p in positions), 1.0)
        start, end = int(starts[positions[0]]), int(ends[positions[-1]])
        spans.append(WordSpan(word, start, end, confidence))
    return tuple(spans)

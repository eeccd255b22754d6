"""Tokens of an acoustic model: the blank, word starts, and the characters of each token.

V vocabulary size, the blank included.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from asr.decoding.types import WordSpan
from asr.errors import DecodingError

__all__ = ["BLANK", "BLANK_ID", "WORD_MARK", "Vocabulary", "word_spans"]

BLANK = "<blank>"
BLANK_ID = 0
# U+2581. At the beginning of a token it starts a word; alone it is the space between words.
WORD_MARK = "▁"
_LONE_MARKS = (WORD_MARK, " ", "|")


def _check(tokens: Sequence[str]) -> None:
    if isinstance(tokens, str) or not all(isinstance(token, str) for token in tokens):
        raise DecodingError(
            "tokens must be a list of strings.", "Pass the tokenizer's tokens, the blank first."
        )
    if not tokens or tokens[BLANK_ID] != BLANK:
        first = repr(tokens[0]) if tokens else "nothing"
        raise DecodingError(
            f"tokens[0] must be {BLANK!r} but is {first}.", "Put the CTC blank first."
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
                "Give every output its own token.",
            )
        if WORD_MARK in token[1:] or (token not in _LONE_MARKS and any(c.isspace() for c in token)):
            raise DecodingError(
                f"tokens[{index}] = {token!r} has a word boundary inside.",
                "Train the pieces with split_by_whitespace, so that no token spans two words.",
            )
        seen[token] = index


@dataclass(frozen=True)
class Vocabulary:
    """Tokens of an acoustic model, validated.

    Args:
        tokens: V strings; ``tokens[0]`` is ``"<blank>"``. A leading ``"▁"`` starts a word; ``"▁"``
            alone (or ``" "`` or ``"|"`` alone) is the space between words of a character
            vocabulary.

    Raises:
        DecodingError: no blank first, an empty or repeated token, or a token that spans two words.
    """

    tokens: tuple[str, ...]
    starts_word: npt.NDArray[np.bool_] = field(init=False, repr=False, compare=False)
    pieces: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Characters that each token adds to its word: without the word mark, "" for the blank."""

    _starts: tuple[bool, ...] = field(init=False, repr=False, compare=False)

    def __init__(self, tokens: Sequence[str]) -> None:
        _check(tokens)
        object.__setattr__(self, "tokens", tuple(tokens))
        starts = [token in _LONE_MARKS or token.startswith(WORD_MARK) for token in tokens]
        object.__setattr__(self, "starts_word", np.array(starts, dtype=np.bool_))
        object.__setattr__(self, "_starts", tuple(starts))
        pieces = ["" if token in _LONE_MARKS else token.removeprefix(WORD_MARK) for token in tokens]
        pieces[BLANK_ID] = ""
        object.__setattr__(self, "pieces", tuple(pieces))

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def has_boundaries(self) -> bool:
        """Return whether some token starts a word; otherwise every text is one word."""
        return bool(self.starts_word.any())

    def groups(self, ids: Sequence[int]) -> list[tuple[str, list[int]]]:
        """Return the words of a token sequence, each with the positions in ``ids`` of its tokens.

        A word mark alone belongs to no word.
        """
        words: list[tuple[str, list[int]]] = []
        pieces, starts_word = self.pieces, self._starts
        spelled, positions = "", list[int]()
        for position, token in enumerate(ids):
            if starts_word[token] and positions:
                words.append((spelled, positions))
                spelled, positions = "", []
            if pieces[token]:
                spelled += pieces[token]
                positions.append(position)
        return [*words, (spelled, positions)] if positions else words

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

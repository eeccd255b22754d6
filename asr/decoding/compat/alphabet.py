"""Labels as pyctcdecode normalises them: ``""`` is the blank, ``" "`` stands between words."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from asr.decoding.vocabulary import Vocabulary
from asr.errors import DecodingError

__all__ = ["Alphabet"]

BPE_TOKEN = "▁"
UNK_TOKEN = "⁇"
UNK_BPE_TOKEN = "▁⁇▁"
SPECIAL_TOKEN_PTN = re.compile(r"[<\[].+[>\]]$")
BLANK_TOKEN_PTN = re.compile(r"[<\[]pad[>\]]$", re.IGNORECASE)
UNK_TOKEN_PTN = re.compile(r"[<\[]unk[>\]]$", re.IGNORECASE)


class Alphabet:
    """Normalised labels of a network's outputs.

    Args:
        labels: one for each output.
        is_bpe: whether they are pieces that start words with ``▁``.
    """

    def __init__(self, labels: Sequence[str], is_bpe: bool) -> None:
        self._labels, self._is_bpe = list(labels), is_bpe

    @property
    def is_bpe(self) -> bool:
        """Return whether the labels are pieces."""
        return self._is_bpe

    @property
    def labels(self) -> list[str]:
        """Return a copy of the labels."""
        return list(self._labels)

    @property
    def vocabulary(self) -> Vocabulary:
        """Return the tokens of the search.

        Raises:
            DecodingError: the labels have no blank or several.
        """
        between = " " if " " in self._labels else ""
        boundary = BPE_TOKEN if self._is_bpe else between
        return Vocabulary.read(self._labels, blank="", word_boundary=boundary)

    @classmethod
    def build_alphabet(cls, labels: Sequence[str]) -> Alphabet:
        """Return the normalised labels of a network; a blank that is not listed comes last.

        Raises:
            DecodingError: a label is repeated, or pieces have a space.
        """
        if len(set(labels)) < len(labels):
            twice = next(label for label in labels if list(labels).count(label) > 1)
            raise DecodingError(
                f"The label {twice!r} is listed twice.",
                "Use BeamDecoder(Vocabulary.read(labels)), which adds their probabilities.",
            )
        wordpieces = any(label.startswith("##") for label in labels)
        is_bpe = wordpieces or any(label.startswith(BPE_TOKEN) for label in labels)
        if is_bpe and any(" " in label for label in labels):
            raise DecodingError("Pieces have a space.", "Mark the starts of words with '▁' alone.")
        unknown = UNK_BPE_TOKEN if is_bpe else UNK_TOKEN
        normal = [_marked(label) for label in labels] if wordpieces else list(labels)
        if not is_bpe and " " not in normal:
            normal = [" " if label == "|" else label for label in normal]
        normal = ["" if BLANK_TOKEN_PTN.match(label) else label for label in normal]
        if not is_bpe and "" not in normal:
            normal = ["" if label == "_" else label for label in normal]
        normal = [unknown if UNK_TOKEN_PTN.match(label) else label for label in normal]
        return cls(normal if "" in normal else [*normal, ""], is_bpe)

    def dumps(self) -> str:
        """Return the alphabet as JSON."""
        return json.dumps({"labels": self._labels, "is_bpe": self._is_bpe})

    @classmethod
    def loads(cls, text: str) -> Alphabet:
        """Return the alphabet of :meth:`dumps`.

        Raises:
            DecodingError: the text is no alphabet.
        """
        try:
            content = json.loads(text)
            if set(content) == {"labels", "is_bpe"}:
                return cls(content["labels"], content["is_bpe"])
        except (ValueError, TypeError):
            pass
        raise DecodingError(
            'An alphabet is JSON with the keys "labels" and "is_bpe".', "Save the decoder again."
        )


def _marked(label: str) -> str:
    """Return a wordpiece as a piece that starts words with ``▁``."""
    if label.startswith("##"):
        return label[2:]
    if label in ("", BPE_TOKEN, UNK_BPE_TOKEN) or SPECIAL_TOKEN_PTN.match(label):
        return label
    return BPE_TOKEN + label

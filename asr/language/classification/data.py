"""Labelled texts: from files, from callers, and a part of them held out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.errors import DataError
from asr.language.data import labels_of, read_rows, require_texts

__all__ = ["LabelledTexts", "hold_out", "make_labelled", "read_labelled"]


@dataclass(frozen=True)
class LabelledTexts:
    """Texts and their labels.

    Attributes:
        texts: any.
        labels: one a text, or None where a file has none.
    """

    texts: list[str]
    labels: list[str] | None

    def subset(self, numbers: npt.NDArray[np.int64]) -> LabelledTexts:
        """Return the texts of these numbers."""
        chosen = numbers.tolist()
        labels = None if self.labels is None else [self.labels[i] for i in chosen]
        return LabelledTexts([self.texts[i] for i in chosen], labels)


def read_labelled(path: str | Path, text: str = "text", label: str = "label") -> LabelledTexts:
    """Return the texts and labels of a .csv or .tsv file with a header, or of a .jsonl file.

    Args:
        path: the file.
        text: column or key of the text.
        label: column or key of the label; all rows have one or none has.

    Raises:
        DataError: the file is missing, empty or malformed, or a row lacks its text or label; the
            line is named.
    """
    rows = list(read_rows(path, (text, label)))
    if not rows:
        raise DataError(f"{path} holds no texts.", "Give at least one row.")
    for number, row in rows:
        if not isinstance(row, dict) or not isinstance(row.get(text), str):
            raise DataError(
                f"{path}, line {number}: no text under {text!r}.", f"Name the column {text}."
            )
    return LabelledTexts([row[text] for _, row in rows], labels_of(path, rows, label))


def make_labelled(texts: Any, labels: Iterable[Any]) -> LabelledTexts:
    """Return checked texts and labels; labels become text.

    Raises:
        DataError: something is no text, a label is missing, or the two differ in number.
    """
    checked, labels = require_texts(texts), list(labels)
    if len(labels) != len(checked):
        raise DataError(
            f"There are {len(checked)} texts and {len(labels)} labels.", "Give one label each."
        )
    for number, label in enumerate(labels, 1):
        if label is None or label != label or label == "":  # NaN differs from itself
            raise DataError(f"Text {number} has no label.", "Leave out texts without a label.")
    return LabelledTexts(checked, [str(label) for label in labels])


def hold_out(data: LabelledTexts, share: float, seed: int) -> tuple[LabelledTexts, LabelledTexts]:
    """Return the texts to train on, and ``share`` of the texts of each label set aside.

    Raises:
        DataError: there are too few texts to set any aside.
    """
    assert data.labels is not None
    labels = np.array(data.labels)
    apart, rng = np.zeros(len(labels), bool), np.random.default_rng((seed, 2))
    for name in dict.fromkeys(data.labels):
        items = rng.permutation(np.flatnonzero(labels == name))
        apart[items[: round(share * len(items))]] = True
    if not apart.any():
        raise DataError(
            f"{len(labels)} texts are too few to hold some out.", "Give more, or dev texts."
        )
    return data.subset(np.flatnonzero(~apart)), data.subset(np.flatnonzero(apart))

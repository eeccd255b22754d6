"""What ``asr predict`` and ``POST /v1/predict`` answer for a tagger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.language.files import Rows, tokens_of
from asr.language.tagging.scheme import entities
from asr.scoring.classification import DIGITS

if TYPE_CHECKING:
    from asr.language.tagging.tagger import Tagger

__all__ = ["predict_rows"]


def predict_rows(tagger: Tagger, rows: Rows) -> Rows:
    """Return tokens, tags and entities of each row, and its label where labels were learned.

    The probability of an entity is that of its least certain tag.

    Args:
        tagger: fitted.
        rows: with ``tokens``, or with a ``text`` that is split at white space.
    """
    sentences = [tokens_of(row) for row in rows]
    tags, labels = tagger.predict_both(sentences)
    tables = tagger.predict_proba(sentences)
    numbers = {tag: number for number, tag in enumerate(tagger.classes_)}
    answers: Rows = []
    for words, predicted, table in zip(sentences, tags, tables, strict=True):
        sure = [float(row[numbers[tag]]) for row, tag in zip(table, predicted, strict=True)]
        spans = [
            {**span, "probability": round(min(sure[span["start"] : span["end"]]), DIGITS)}
            for span in entities(words, predicted)
        ]
        answers.append({"tokens": words, "tags": predicted, "entities": spans})
    for answer, label in zip(answers, labels or (), strict=False):
        answer["label"] = label
    return answers

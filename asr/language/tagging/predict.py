"""What ``asr predict`` and ``POST /v1/predict`` answer for a tagger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.language.files import Rows, tokens_of
from asr.language.tagging.scheme import entities

if TYPE_CHECKING:
    from asr.language.tagging.tagger import Tagger

__all__ = ["predict_rows"]


def predict_rows(tagger: Tagger, rows: Rows) -> Rows:
    """Return tokens, tags and entities of each row, and its label where labels were learned.

    Args:
        tagger: fitted.
        rows: with ``tokens``, or with a ``text`` that is split at white space.
    """
    sentences = [tokens_of(row) for row in rows]
    tags, labels = tagger.predict_both(sentences)
    answers: Rows = [
        {"tokens": words, "tags": predicted, "entities": entities(words, predicted)}
        for words, predicted in zip(sentences, tags, strict=True)
    ]
    for answer, label in zip(answers, labels or (), strict=False):
        answer["label"] = label
    return answers

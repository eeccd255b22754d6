"""What ``asr predict`` and ``POST /v1/predict`` answer for a text classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.language.files import Rows, text_of

if TYPE_CHECKING:
    from asr.language.classification.classifier import TextClassifier

__all__ = ["predict_rows"]

DIGITS = 6  # of a probability


def predict_rows(classifier: TextClassifier, rows: Rows) -> Rows:
    """Return the label of each row's text, and the probability of the best label."""
    texts = [text_of(row) for row in rows]
    probabilities = classifier.predict_proba(texts)
    labels = classifier.labels_of(probabilities, texts)
    return [
        {"label": label, "probability": round(float(row.max()), DIGITS)}
        for label, row in zip(labels, probabilities, strict=True)
    ]

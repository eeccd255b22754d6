"""What ``asr predict`` and ``POST /v1/predict`` answer for a text classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.language.files import Rows, text_of
from asr.scoring.classification import best_classes

if TYPE_CHECKING:
    from asr.language.classification.classifier import TextClassifier

__all__ = ["predict_rows"]


def predict_rows(classifier: TextClassifier, rows: Rows) -> Rows:
    """Return the label of each row's text, and the probability of the best label."""
    texts = [text_of(row) for row in rows]
    probabilities = classifier.predict_proba(texts)
    labels = classifier.labels_of(probabilities, texts)  # out of scope, some of them
    best = best_classes(probabilities, classifier.classes_)
    return [
        {"label": label, "probability": probability}
        for label, (_, probability) in zip(labels, best, strict=True)
    ]

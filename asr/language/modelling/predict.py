"""What ``asr predict`` and ``POST /v1/predict`` answer for a language model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.language.files import Rows, text_of
from asr.language.modelling.model import perplexity_of

if TYPE_CHECKING:
    from asr.language.modelling.estimator import LanguageModel

__all__ = ["predict_rows"]

DIGITS = 4  # after the point


def predict_rows(model: LanguageModel, rows: Rows) -> Rows:
    """Return the natural log-probability and the perplexity per word of each row's text.

    The end of the text counts as a word.
    """
    texts = [text_of(row) for row in rows]
    answers: Rows = []
    for text, log_prob in zip(texts, model.score_samples(texts), strict=True):
        perplexity = perplexity_of(log_prob, len(text.split()) + 1)
        answers.append(
            {"log_prob": round(log_prob, DIGITS), "perplexity": round(perplexity, DIGITS)}
        )
    return answers

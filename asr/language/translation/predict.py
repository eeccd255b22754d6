"""What ``asr predict`` and ``POST /v1/predict`` answer for a translator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.language.files import Rows, text_of

if TYPE_CHECKING:
    from asr.language.translation.translator import Translator

__all__ = ["predict_rows"]


def predict_rows(translator: Translator, rows: Rows) -> Rows:
    """Return the best translation of each row's text."""
    texts = [text_of(row) for row in rows]
    return [{"translation": text} for text in translator.predict(texts)]

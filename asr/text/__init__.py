"""Text: named transcript normalisers and tokenizers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.lazy import lazily

if TYPE_CHECKING:
    from asr.text.normalizers import NORMALIZERS, normalize

__all__ = ["NORMALIZERS", "normalize"]
_PUBLIC = dict.fromkeys(__all__, "asr.text.normalizers")
__getattr__ = lazily(__name__, _PUBLIC)

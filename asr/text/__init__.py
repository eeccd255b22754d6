"""Text: named transcript normalisers and tokenizers."""

from __future__ import annotations

from asr.text.normalizers import NORMALIZERS, normalize

__all__ = ["NORMALIZERS", "normalize"]

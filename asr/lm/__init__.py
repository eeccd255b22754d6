"""Text -> n-gram model: modified Kneser-Ney, ARPA files, pruning, interpolation, perplexity."""

from __future__ import annotations

from asr.lm.arpa import read_arpa, write_arpa
from asr.lm.model import BOS, EOS, UNK, NgramModel

__all__ = ["BOS", "EOS", "UNK", "NgramModel", "read_arpa", "write_arpa"]

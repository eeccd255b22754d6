"""Text -> n-gram model: modified Kneser-Ney, ARPA files, pruning, interpolation, perplexity."""

from __future__ import annotations

from asr.lm.arpa import read_arpa, write_arpa
from asr.lm.estimate import BuildSummary, EstimateConfig, build_arpa, estimate
from asr.lm.model import BOS, EOS, UNK, NgramModel

__all__ = [
    "BOS",
    "EOS",
    "UNK",
    "BuildSummary",
    "EstimateConfig",
    "NgramModel",
    "build_arpa",
    "estimate",
    "read_arpa",
    "write_arpa",
]

"""Text -> n-gram model: modified Kneser-Ney, ARPA files, pruning, interpolation, perplexity."""

from __future__ import annotations

from asr.lm.arpa import read_arpa, write_arpa
from asr.lm.estimate import BuildSummary, EstimateConfig, build_arpa, estimate
from asr.lm.interpolation import interpolate, interpolation_weights
from asr.lm.model import BOS, EOS, UNK, NgramModel
from asr.lm.perplexity import Perplexity, Scorer, perplexity
from asr.lm.prune import prune_entropy

__all__ = [
    "BOS",
    "EOS",
    "UNK",
    "BuildSummary",
    "EstimateConfig",
    "NgramModel",
    "Perplexity",
    "Scorer",
    "build_arpa",
    "estimate",
    "interpolate",
    "interpolation_weights",
    "perplexity",
    "prune_entropy",
    "read_arpa",
    "write_arpa",
]

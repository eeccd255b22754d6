"""Text -> n-gram model: modified Kneser-Ney, ARPA files, pruning, interpolation, perplexity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.lazy import lazily

if TYPE_CHECKING:
    from asr.lm.arpa import read_arpa, write_arpa
    from asr.lm.estimation import BuildSummary, EstimateConfig, build_arpa, estimate
    from asr.lm.interpolation import interpolate, interpolation_weights
    from asr.lm.model import BOS, EOS, UNK, NgramModel
    from asr.lm.prune import prune_entropy
    from asr.lm.scorer import Perplexity, Scorer, perplexity

# Public name -> module; imported on first use, so that whoever only asks a model does not wait for
# the estimator.
_PUBLIC = {
    "BOS": "asr.lm.model",
    "BuildSummary": "asr.lm.estimation",
    "EOS": "asr.lm.model",
    "EstimateConfig": "asr.lm.estimation",
    "NgramModel": "asr.lm.model",
    "Perplexity": "asr.lm.scorer",
    "Scorer": "asr.lm.scorer",
    "UNK": "asr.lm.model",
    "build_arpa": "asr.lm.estimation",
    "estimate": "asr.lm.estimation",
    "interpolate": "asr.lm.interpolation",
    "interpolation_weights": "asr.lm.interpolation",
    "perplexity": "asr.lm.scorer",
    "prune_entropy": "asr.lm.prune",
    "read_arpa": "asr.lm.arpa",
    "write_arpa": "asr.lm.arpa",
}

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

__getattr__ = lazily(__name__, _PUBLIC)

"""Text -> n-gram model: modified Kneser-Ney, ARPA and compact files, pruning, interpolation,
perplexity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asr.lazy import lazily

if TYPE_CHECKING:
    from asr.lm.arpa import read_arpa, write_arpa
    from asr.lm.compact import read_compact, write_compact
    from asr.lm.config import BuildSummary, EstimateConfig
    from asr.lm.estimation import build_arpa, estimate
    from asr.lm.files import read_model, write_model
    from asr.lm.interpolation import interpolate, interpolation_weights
    from asr.lm.model import BOS, EOS, UNK, NgramModel
    from asr.lm.prune import prune_entropy
    from asr.lm.scorer import Perplexity, Scorer, perplexity

# Public name -> module; imported on first use, so that whoever only asks a model does not wait for
# the estimator.
_PUBLIC = {
    "BOS": "asr.lm.model",
    "BuildSummary": "asr.lm.config",
    "EOS": "asr.lm.model",
    "EstimateConfig": "asr.lm.config",
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
    "read_compact": "asr.lm.compact",
    "read_model": "asr.lm.files",
    "write_arpa": "asr.lm.arpa",
    "write_compact": "asr.lm.compact",
    "write_model": "asr.lm.files",
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
    "read_compact",
    "read_model",
    "write_arpa",
    "write_compact",
    "write_model",
]

__getattr__ = lazily(__name__, _PUBLIC)

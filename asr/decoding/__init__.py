"""Log-probabilities to hypotheses: greedy, beam with a language model, streaming, rescoring. numpy and numba only."""

from __future__ import annotations

from asr.decoding.greedy import GreedyDecoder, greedy
from asr.decoding.types import Hypothesis, WordSpan

__all__ = ["GreedyDecoder", "Hypothesis", "WordSpan", "greedy"]

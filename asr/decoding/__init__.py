"""Log-probabilities to hypotheses: greedy, beam with a language model, streaming, rescoring.

numpy and numba only.
"""

from __future__ import annotations

from asr.decoding.automaton import NgramAutomaton
from asr.decoding.beam import BeamDecoder
from asr.decoding.greedy import GreedyDecoder, greedy
from asr.decoding.language_models import compile_lm, load_lm
from asr.decoding.settings import Settings
from asr.decoding.types import Command, Hypothesis, WordSpan
from asr.decoding.vocabulary import Vocabulary

__all__ = [
    "BeamDecoder",
    "Command",
    "GreedyDecoder",
    "Hypothesis",
    "NgramAutomaton",
    "Settings",
    "Vocabulary",
    "WordSpan",
    "compile_lm",
    "greedy",
    "load_lm",
]

"""Defaults of pyctcdecode 0.5; scores are natural logarithms unless they say otherwise."""

from __future__ import annotations

import math

DEFAULT_ALPHA = 0.5  # weight of the language model
DEFAULT_BETA = 1.5  # bonus per word
DEFAULT_UNK_LOGP_OFFSET = -10.0  # base 10, weighted by alpha
DEFAULT_BEAM_WIDTH = 100
DEFAULT_HOTWORD_WEIGHT = 10.0
DEFAULT_PRUNE_LOGP = -10.0
DEFAULT_PRUNE_BEAMS = False
DEFAULT_MIN_TOKEN_LOGP = -5.0
DEFAULT_SCORE_LM_BOUNDARY = True
MIN_TOKEN_CLIP_P = 1e-15  # smallest probability of a token
LOG_BASE_CHANGE_FACTOR = math.log(10)

"""Hyperparameter search over any keys of any configuration, on Optuna: ``asr tune``."""

from asr.tuning.config import TuneConfig
from asr.tuning.space import Choices, Range, parse_space, read_space
from asr.tuning.study import TuneResult, tune

__all__ = ["Choices", "Range", "TuneConfig", "TuneResult", "parse_space", "read_space", "tune"]

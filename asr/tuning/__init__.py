"""Search over any keys of any configuration, on Optuna: what ``asr tune`` does."""

from asr.tuning.config import TuneConfig
from asr.tuning.space import Choices, Range, parse_space, read_space
from asr.tuning.study import Tuned, tune

__all__ = ["Choices", "Range", "TuneConfig", "Tuned", "parse_space", "read_space", "tune"]

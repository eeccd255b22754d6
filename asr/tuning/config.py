"""Settings of a hyperparameter search."""

from __future__ import annotations

from dataclasses import dataclass

from asr.config import check_choice, check_range
from asr.errors import ConfigError

__all__ = ["MAX_FAILURES", "PRUNERS", "RANDOM_TRIALS", "SAMPLERS", "TuneConfig"]

PRUNERS = ("median", "halving", "none")
SAMPLERS = ("tpe", "random")
RANDOM_TRIALS = 8  # drawn at random before the sampler uses earlier trials
MAX_FAILURES = 5  # failed trials in a row that end the search: then it is not the values


@dataclass(frozen=True)
class TuneConfig:
    """How to search.

    Attributes:
        trials: in the study, finished and pruned ones together; those of an earlier start and of
            other workers count.
        metric: name of the dev figure to improve, such as ``wer`` (empty: the one that decides
            which weights are saved).
        maximize: higher is better; only together with ``metric``.
        storage: Optuna's (empty: SQLite in the output folder).
        name: of the study.
        sampler: ``tpe`` (Bergstra et al. 2011) or ``random``.
        pruner: ``median`` ends a trial whose figure after an epoch is worse than the median of the
            earlier trials at that epoch, ``halving`` keeps the best third of each rung (Li et al.
            2020), ``none`` prunes nothing.
        warmup_trials: first trials, which are not pruned.
        warmup_epochs: first epochs of a trial, in which it is not pruned.
        seed: of the sampler.
        time_limit_s: no trial begins later (0: no limit).
    """

    trials: int = 20
    metric: str = ""
    maximize: bool = False
    storage: str = ""
    name: str = "asr"
    sampler: str = "tpe"
    pruner: str = "median"
    warmup_trials: int = 4
    warmup_epochs: int = 1
    seed: int = 1
    time_limit_s: float = 0.0

    def __post_init__(self) -> None:
        check_range("--trials", self.trials, 1)
        check_choice("--sampler", self.sampler, SAMPLERS)
        check_choice("--pruner", self.pruner, PRUNERS)
        check_range("--warmup-trials", self.warmup_trials, 0)
        check_range("--warmup-epochs", self.warmup_epochs, 0)
        if self.maximize and not self.metric:
            raise ConfigError(
                "--maximize needs a --metric.", "Without one, the deciding figure is made smaller."
            )

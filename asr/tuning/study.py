"""The search: trials are ordinary run folders, recorded in Optuna's storage (Akiba et al. 2019).

A trial that was killed resumes from its checkpoint when the search is started again. Several
workers may share a study.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr.config import as_dict, build_config, parse_overrides, read_yaml
from asr.errors import AsrError, ConfigError, DataError, TrainingError, require
from asr.files import atomic_write_text
from asr.run_folder import read_metrics
from asr.text.pronunciations import Pronounce
from asr.training.batching.seeds import keyed_seed
from asr.tuning.config import MAX_FAILURES, RANDOM_TRIALS, TuneConfig
from asr.tuning.space import Dimension

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.study import Study
    from optuna.trial import FrozenTrial, Trial

__all__ = ["TuneResult", "open_study", "tune"]


class UnknownMetricError(ConfigError):
    """The metric is not among the dev figures of the training."""


@dataclass(frozen=True)
class TuneResult:
    """Result of a search.

    Attributes:
        value: best dev figure.
        overrides: the ``key=value`` of its trial.
        run: its run folder.
        first: figure of the configuration as it is; None where it is not among the trials or did
            not finish.
        finished: number of trials.
        pruned: number of trials.
        failed: number of trials.
        report: path of the HTML page.
    """

    value: float
    overrides: tuple[str, ...]
    run: Path
    first: float | None
    finished: int
    pruned: int
    failed: int
    report: Path


def tune(
    config: str | Path,
    space: Mapping[str, Dimension],
    output_dir: str | Path,
    fixed: Sequence[str] = (),
    settings: TuneConfig | None = None,
    pronounce: Pronounce | None = None,
) -> TuneResult:
    """Search, or resume a search, and return the best trial.

    The first trial is the configuration as it is, where that lies inside the space.

    Args:
        config: YAML file that ``asr train`` takes.
        space: key -> values to try.
        output_dir: gets the trials, ``best.txt``, ``trials.tsv`` and ``report.html``.
        fixed: ``key=value`` for every trial.
        settings: how to search.
        pronounce: see :func:`asr.catalogue.train`.

    Raises:
        ConfigError: the space is empty, or does not fit the configuration or the stored study.
        TrainingError: no trial finished; the first reason is named.
    """
    require("optuna", "tune")
    search = _Search(
        config=Path(config),
        space=dict(space),
        output_dir=Path(output_dir),
        fixed=list(fixed),
        settings=settings or TuneConfig(),
        pronounce=pronounce,
    )
    search.check()
    search.run()
    return search.finish()


def open_study(output_dir: Path, settings: TuneConfig, keys: Sequence[str] = ()) -> Study:
    """Return the study; a new one where the storage holds none of this name.

    Raises:
        ConfigError: the storage cannot be opened, or holds a study of this name that searches other
            keys.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    output_dir.mkdir(parents=True, exist_ok=True)
    storage = settings.storage or f"sqlite:///{(output_dir / 'study.db').resolve()}"
    try:
        study = optuna.create_study(
            storage=storage,
            study_name=settings.name,
            load_if_exists=True,
            direction="maximize" if settings.maximize else "minimize",
            sampler=_sampler(settings),
            pruner=_pruner(settings),
        )
    except Exception as error:  # SQLAlchemy and the drivers raise families of their own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"The storage {storage} cannot be opened ({reason}).", "Check --storage."
        ) from error
    before = study.user_attrs.get("space")
    if before is not None and sorted(before) != sorted(keys):
        raise ConfigError(
            f"The study {settings.name} in {storage} searches {', '.join(before)}.",
            "Give another --name or folder.",
        )
    study.set_user_attr("space", sorted(keys))
    return study


def _sampler(settings: TuneConfig) -> BaseSampler:
    from optuna.samplers import RandomSampler, TPESampler

    seed = settings.seed
    if settings.storage:  # workers that share a storage must not all draw the same
        seed = keyed_seed(seed, socket.gethostname(), os.getpid()) % 2**31
    if settings.sampler == "random":
        return RandomSampler(seed)
    return TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS)


def _pruner(settings: TuneConfig) -> BasePruner:
    from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

    if settings.pruner == "median":
        return MedianPruner(
            n_startup_trials=settings.warmup_trials, n_warmup_steps=settings.warmup_epochs
        )
    if settings.pruner == "halving":
        return SuccessiveHalvingPruner(
            min_resource=max(1, settings.warmup_epochs), reduction_factor=3
        )
    return NopPruner()


@dataclass
class _Search:
    """A search under way; the fields are the arguments of :func:`tune`."""

    config: Path
    space: dict[str, Dimension]
    output_dir: Path
    fixed: list[str]
    settings: TuneConfig
    pronounce: Pronounce | None = None
    failures: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Refuse, before anything is trained, a space that does not fit the configuration."""
        if not self.space:
            raise ConfigError(
                "There is nothing to search.", "Give a range, such as optimizer.lr=log:1e-4:1e-2."
            )
        given = [override.partition("=")[0] for override in self.fixed]
        if twice := [key for key in given if key in self.space]:
            raise ConfigError(
                f"{twice[0]} is both given and searched.", "Leave one of the two out."
            )
        if "output_dir" in given:
            raise ConfigError("output_dir is given, but every trial has its own.", "Leave it out.")
        for key, dimension in self.space.items():
            for end in dimension.ends:
                self._configuration([f"{key}={end}"])

    def _configuration(self, overrides: Sequence[str]) -> dict[str, Any]:
        """Return the configuration with overrides, as nested mappings."""
        from asr.catalogue import config_class

        content, changes = read_yaml(self.config), parse_overrides([*self.fixed, *overrides])
        schema = config_class({**content, **changes}, self.config)
        return as_dict(build_config(schema, content, changes, where=str(self.config)))

    def run(self) -> None:
        """Train until the study holds as many trials as asked for."""
        end = time.monotonic() + (self.settings.time_limit_s or float("inf"))
        self.study = open_study(self.output_dir, self.settings, list(self.space))
        self._take_over_dead_trials()
        self._enqueue_the_config()
        in_a_row = 0  # failed trials
        while self._wants_trials() and time.monotonic() < end:
            trial = self.study.ask()
            in_a_row = 0 if self._train(trial) else in_a_row + 1
            if in_a_row >= MAX_FAILURES:
                raise TrainingError(
                    f"{in_a_row} trials failed in a row, the last with: {self.failures[-1]}"
                )

    def _wants_trials(self) -> bool:
        from optuna.trial import TrialState

        going = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        return len(self.study.get_trials(deepcopy=False, states=going)) < self.settings.trials

    def _take_over_dead_trials(self) -> None:
        """Close the trials of killed workers of this machine, and enqueue the same values again."""
        from optuna.trial import TrialState

        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            host, _, pid = str(trial.user_attrs.get("worker", "")).rpartition(":")
            if host == socket.gethostname() and not _alive(int(pid)):
                self.study.tell(trial.number, state=TrialState.FAIL)
                kept = {k: v for k, v in trial.user_attrs.items() if k in ("run", "as configured")}
                self.study.enqueue_trial(trial.params, user_attrs=kept | {"resumes": trial.number})

    def _enqueue_the_config(self) -> None:
        if self.study.get_trials(deepcopy=False):
            return
        content = self._configuration([])
        inside = {
            key: dimension.inside(_look_up(content, key)) for key, dimension in self.space.items()
        }
        if outside := [key for key, value in inside.items() if value is None]:
            print(
                f"{', '.join(outside)}: the configuration's own value lies outside the space, "
                "and is not tried",
                file=sys.stderr,
            )
            return
        self.study.enqueue_trial(inside, user_attrs={"as configured": True})

    def _train(self, trial: Trial) -> bool:
        """Train a trial and record how it ended; return whether it did not fail."""
        from optuna.exceptions import TrialPruned
        from optuna.trial import TrialState

        trial.set_user_attr("worker", f"{socket.gethostname()}:{os.getpid()}")
        overrides = [
            f"{key}={dimension.suggest(trial, key)}" for key, dimension in self.space.items()
        ]
        folder = trial.user_attrs.get("run") or str(self.output_dir / f"trial-{trial.number:04d}")
        trial.set_user_attr("run", folder)
        print(f"trial {trial.number}: {'  '.join(overrides)}", file=sys.stderr)
        try:
            value = self._figure(trial, overrides, Path(folder))
        except TrialPruned:
            self.study.tell(trial, state=TrialState.PRUNED)
            print(f"trial {trial.number}: pruned", file=sys.stderr)
            return True
        except UnknownMetricError as error:
            self._failed(trial, error)
            raise  # no other trial will have it
        except (AsrError, RuntimeError, MemoryError) as error:  # torch's when memory runs out too
            self._failed(trial, error)
            return False
        self.study.tell(trial, value)
        best = self.study.best_value
        print(f"trial {trial.number}: {value:.4f} (best {best:.4f})", file=sys.stderr)
        return True

    def _failed(self, trial: Trial, error: Exception) -> None:
        from optuna.trial import TrialState

        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        self.failures.append(reason)
        trial.set_user_attr("error", reason)
        self.study.tell(trial, state=TrialState.FAIL)
        print(f"trial {trial.number}: failed: {reason}", file=sys.stderr)

    def _figure(self, trial: Trial, overrides: list[str], folder: Path) -> float:
        """Train a trial and return its dev figure; raise where the pruner ends it."""
        from optuna.exceptions import TrialPruned

        from asr.catalogue import train
        from asr.training.callbacks import call_after_epochs

        def report(epoch: int, figures: dict[str, float], monitor: str) -> None:
            name = self.settings.metric or monitor
            if name not in figures:
                raise UnknownMetricError(
                    f"There is no dev figure {name}.", f"There are: {', '.join(figures)}."
                )
            if self.study.user_attrs.get("metric") != name:
                self.study.set_user_attr("metric", name)
            trial.report(figures[name], epoch)
            if trial.should_prune():
                raise TrialPruned

        with call_after_epochs(report):
            settings = [*self.fixed, *overrides, f"output_dir={folder}"]
            train(self.config, settings, pronounce=self.pronounce)
        return _saved_figure(folder, self.settings.metric or str(self.study.user_attrs["metric"]))

    def finish(self) -> TuneResult:
        """Write the best values, the table of trials and the report."""
        from optuna.trial import TrialState

        from asr.tuning.report import write_study_report

        trials = self.study.get_trials(deepcopy=False)
        done = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        if not done:
            reason = f" The first reason: {self.failures[0]}" if self.failures else ""
            raise TrainingError(
                f"No trial has finished.{reason}", "Mend it, or give more --trials."
            )
        best = self.study.best_trial
        overrides = tuple(f"{key}={value}" for key, value in best.params.items())
        lines = "".join(f"{line}\n" for line in (*self.fixed, *overrides))
        atomic_write_text(self.output_dir / "best.txt", lines)
        atomic_write_text(self.output_dir / "trials.tsv", _table(trials, list(self.space)))
        page = self.output_dir / "report.html"
        write_study_report(self.study, self.config.name, list(self.space), page)
        first = next((t.value for t in done if t.user_attrs.get("as configured")), None)
        count = dict.fromkeys(TrialState, 0)
        for trial in trials:
            count[trial.state] += 1
        return TuneResult(
            value=float(best.value or 0.0),
            overrides=overrides,
            run=Path(best.user_attrs["run"]),
            first=first,
            finished=count[TrialState.COMPLETE],
            pruned=count[TrialState.PRUNED],
            failed=count[TrialState.FAIL],
            report=page,
        )


def _saved_figure(folder: Path, name: str) -> float:
    """Return a dev figure of the weights that a run folder holds."""
    metrics = read_metrics(folder)
    if f"dev/{name}" not in metrics:
        raise DataError(
            f"{folder} holds no figure dev/{name}.", "Delete the folder and start the search again."
        )
    return metrics[f"dev/{name}"].value


def _look_up(content: Any, key: str) -> Any:
    """Return what lies under a key with dots in nested mappings, or None."""
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _alive(pid: int) -> bool:
    """Return whether a process of this machine runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _table(trials: Sequence[FrozenTrial], keys: Sequence[str]) -> str:
    lines = ["\t".join(["trial", "state", "value", *keys, "run", "error"])]
    for t in trials:
        cells = [t.number, t.state.name.lower(), "" if t.value is None else f"{t.value:.6g}"]
        cells += [t.params.get(key, "") for key in keys]
        cells += [t.user_attrs.get(name, "") for name in ("run", "error")]
        lines.append("\t".join(map(str, cells)))
    return "\n".join(lines) + "\n"

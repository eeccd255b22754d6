"""A search over a task that takes no time: resume, pruning, failures, what is written."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from asr.catalogue import TASKS, TaskKind
from asr.config import check_range
from asr.errors import ConfigError, TrainingError
from asr.run_folder import Metric, update_metrics
from asr.training.callbacks import epoch_ended

pytest.importorskip("optuna")
from asr.tuning import TuneConfig, parse_space, tune

EPOCHS = 4


@dataclass(frozen=True)
class Hill:
    height: float = 1.0
    kind: str = "flat"

    def __post_init__(self) -> None:
        check_range("hill.height", self.height, 0, 10)


@dataclass(frozen=True)
class HillConfig:
    task: str = "hill"
    seed: int = 1
    output_dir: str = ""
    hill: Hill = field(default_factory=Hill)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[HillConfig]:
    """A task whose dev figure is the distance of its settings from (3, steep), less with every
    epoch.
    """
    seen: list[HillConfig] = []

    def train_hill(config: HillConfig, resume: bool = True) -> Path:
        seen.append(config)
        for epoch in range(1, EPOCHS + 1):
            loss = abs(config.hill.height - 3) + (config.hill.kind != "steep") + 1 / epoch
            if config.hill.height > 9:
                raise TrainingError("the hill is too high")
            update_metrics(config.output_dir, {"dev/loss": Metric(loss, "dev", epoch)})
            epoch_ended(epoch, {"loss": loss, "slope": -loss}, "loss")
        return Path(config.output_dir) / "model"

    module = types.ModuleType("hill_task")
    module.HillConfig, module.train_hill = HillConfig, train_hill  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "hill_task", module)
    kind = TaskKind("hill_task:HillConfig", "hill_task:train_hill", load="")
    monkeypatch.setitem(TASKS, "hill", kind)
    return seen


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text("task: hill\nhill: {height: 5.0}\n")
    return path


SPACE, FIXED = parse_space(["hill.height=float:0:8", "hill.kind=choice:flat,steep", "seed=7"])


def test_finds_the_top_and_writes_it_down(
    calls: list[HillConfig], config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tune(config, SPACE, tmp_path / "out", FIXED, TuneConfig(trials=30))
    assert calls[0].hill == Hill(5.0, "flat")  # the configuration as it is comes first
    assert {c.seed for c in calls} == {7}
    assert found.first == pytest.approx(2 + 1 + 0.25)
    assert found.value < 0.5 * found.first
    assert found.finished + found.pruned == len(calls) == 30
    assert found.pruned > 3
    out = tmp_path / "out"
    assert (out / "best.txt").read_text().splitlines() == ["seed=7", *found.overrides]
    assert any(line.startswith("hill.kind=steep") for line in found.overrides)
    assert (found.run / "metrics.json").is_file()
    assert (found.run / "config.yaml").is_file()
    rows = (out / "trials.tsv").read_text().splitlines()
    assert rows[0].startswith("trial\tstate\tvalue\thill.height\thill.kind")
    assert len(rows) == 31
    page = found.report.read_text()
    assert "<svg" in page
    assert "hill.height" in page
    assert "importance" in page
    assert "%BODY%" not in page
    assert "trial 0:" in capsys.readouterr().err


def test_the_same_line_again_goes_on(calls: list[HillConfig], config: Path, tmp_path: Path) -> None:
    tune(config, SPACE, tmp_path / "out", FIXED, TuneConfig(trials=3))
    assert len(calls) == 3
    found = tune(config, SPACE, tmp_path / "out", FIXED, TuneConfig(trials=5))
    assert len(calls) == 5
    assert "Too few trials finished to say which keys matter." in found.report.read_text()
    tune(config, SPACE, tmp_path / "out", FIXED, TuneConfig(trials=5))
    assert len(calls) == 5
    assert len({c.output_dir for c in calls}) == 5
    other, _ = parse_space(["hill.height=float:0:8"])
    with pytest.raises(ConfigError, match=r"searches hill.height, hill.kind"):
        tune(config, other, tmp_path / "out", FIXED, TuneConfig(trials=5))


def test_a_killed_trial_is_asked_for_again_in_its_folder(
    calls: list[HillConfig], config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def killed(self: object, *arguments: object) -> float:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("asr.tuning.study._Search._figure", killed)
        with pytest.raises(KilledError):
            tune(config, SPACE, tmp_path / "out", FIXED, TuneConfig(trials=2))
    monkeypatch.setattr("asr.tuning.study._alive", lambda pid: False)
    found = tune(config, SPACE, tmp_path / "out", FIXED, TuneConfig(trials=2))
    assert calls[0].hill == Hill(5.0, "flat")
    assert Path(calls[0].output_dir).name == "trial-0000"
    assert (found.finished, found.failed, len(calls)) == (2, 1, 2)
    assert found.first == pytest.approx(3.25)


def test_another_figure_upwards(calls: list[HillConfig], config: Path, tmp_path: Path) -> None:
    for number in range(6):  # the figure is read from the run folder, where the task put it
        update_metrics(
            tmp_path / "out" / f"trial-{number:04d}", {"dev/slope": Metric(-float(number), "dev")}
        )
    settings = TuneConfig(trials=6, metric="slope", maximize=True, pruner="none")
    found = tune(config, SPACE, tmp_path / "out", FIXED, settings)
    assert found.value == 0
    assert found.run.name == "trial-0000"


def test_failures(calls: list[HillConfig], config: Path, tmp_path: Path) -> None:
    high, _ = parse_space(["hill.height=float:9.5:10"])
    with pytest.raises(TrainingError, match=r"5 trials failed in a row.*the hill is too high"):
        tune(config, high, tmp_path / "a", FIXED, TuneConfig(trials=20))
    some, _ = parse_space(["hill.height=float:0:10"])
    found = tune(
        config,
        some,
        tmp_path / "b",
        FIXED,
        TuneConfig(trials=12, sampler="random", pruner="none", seed=3),
    )
    assert found.finished == 12
    assert found.failed == len(calls) - 5 - 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["seed=3"], "nothing to search"),
        (["hill.hight=float:0:1"], "unknown key hill.hight. Did you mean hill.height"),
        (["hill.height=float:0:11"], "hill.height is 11, but must be between"),
        (["seed=int:1:3", "seed=3"], "seed is both given and searched"),
        (["seed=float:1.5:3"], "seed"),
        (["seed=int:1:3", "output_dir=x"], "output_dir is given"),
    ],
)
def test_bad_spaces(
    calls: list[HillConfig], config: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    space, fixed = parse_space(arguments)
    with pytest.raises(ConfigError, match=message):
        tune(config, space, tmp_path / "out", fixed)
    assert not calls


def test_bad_settings(calls: list[HillConfig], config: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--maximize needs a --metric"):
        TuneConfig(maximize=True)
    with pytest.raises(ConfigError, match="cannot be opened"):
        tune(config, SPACE, tmp_path / "out", FIXED, TuneConfig(storage="nosuchdb://x"))
    with pytest.raises(ConfigError, match="no dev figure wer. There are: loss, slope"):
        tune(config, SPACE, tmp_path / "o2", FIXED, TuneConfig(metric="wer"))
    assert len(list((tmp_path / "o2").glob("trial*"))) <= 1  # no other trial would have it

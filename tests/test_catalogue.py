"""The table of tasks: by one more entry a new task is trained, used and served like all."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from asr.catalogue import (
    TASKS,
    TaskKind,
    config_class,
    has_predictions,
    load_estimator,
    load_predictor,
    train,
)
from asr.cli import app
from asr.errors import ConfigError, DataError, ModelError
from asr.model_folder import open_model
from asr.run_folder import read_metrics

TOY = TaskKind(
    config="toy_task.config:ToyConfig",
    train="toy_task.training:train_toy",
    load="toy_task.estimator:LengthGuesser.load",
    inputs="asr.language.files:TextInputs",
    predict="toy_task.predict:predict_rows",
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder of the toy task, trained by the command line."""
    monkeypatch.setitem(TASKS, "toy", TOY)
    (tmp_path / "train.txt").write_text("a b c\nd\ne f g\n")
    (tmp_path / "toy.yaml").write_text("task: toy\n")
    given = [f"train={tmp_path / 'train.txt'}", "-o", str(tmp_path / "run")]
    result = CliRunner().invoke(app, ["train", str(tmp_path / "toy.yaml"), *given])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{tmp_path / 'run' / 'model'}\n"
    return tmp_path / "run"


def test_a_new_task_is_trained(run: Path) -> None:
    assert read_metrics(run)["dev/accuracy"].value == pytest.approx(2 / 3)
    assert "unit: words" in (run / "config.yaml").read_text()
    assert load_estimator(open_model(run)).predict(["x"]) == [3]


def test_a_new_task_predicts_from_files(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("one two\nthree\n")
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "in.txt"), "-m", str(run)])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert rows == [{"text": "one two", "length": 3}, {"text": "three", "length": 3}]


def test_a_new_task_is_served(run: Path) -> None:
    pytest.importorskip("fastapi")
    from asr.serve.app import create_app

    service = httpx.ASGITransport(app=create_app([run]))

    async def ask(content: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=service, base_url="http://test") as client:
            return await client.post("/v1/predict", json=content)

    answer = asyncio.run(ask({"texts": ["a", "b c"]}))
    assert answer.json() == {
        "model": "run",
        "task": "toy",
        "predictions": [{"length": 3}, {"length": 3}],
    }
    refused = asyncio.run(ask({"sequences": [[[1.0]]]}))
    assert refused.status_code == 400
    assert refused.json()["detail"] == "The task toy takes 'texts', and nothing else."


@pytest.mark.parametrize("task", TASKS)
def test_every_part_is_there(task: str) -> None:
    for name in filter(None, dataclasses.astuple(TASKS[task])):
        module, _, path = name.partition(":")
        part = importlib.import_module(module)
        for attribute in path.split("."):
            part = getattr(part, attribute)
        assert callable(part), name
    schema = config_class({"task": task}, "test")
    assert schema().task == task
    assert bool(TASKS[task].inputs) == bool(TASKS[task].predict) == has_predictions(task)


def test_the_table_imports_nothing_heavy() -> None:
    program = "import sys, asr.catalogue; print(*{'torch', 'pandas', 'numpy'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_using_a_tagger_does_not_import_the_trainer(tmp_path: Path) -> None:
    from text_models import save_tagger

    save_tagger(tmp_path / "tags")
    program = (
        "import sys, asr; tagger = asr.Tagger.load(sys.argv[1]); tagger.predict([['a']]);"
        "print(*[m for m in sys.modules if m.endswith('.training') or m == 'asr.training.loop'"
        " or m.startswith('lightning')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "tags")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "asr.training"  # the package, which holds nothing


def test_wrong_tasks(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("task: dance\noutput_dir: x\n")
    with pytest.raises(ConfigError, match=r"unknown task 'dance'.*anomaly, classify"):
        train(tmp_path / "c.yaml")
    speech = SimpleNamespace(task="ctc", path=tmp_path)
    with pytest.raises(ModelError, match="Use asr transcribe"):
        load_predictor(speech)
    foreign = SimpleNamespace(task="dance", path=tmp_path)
    with pytest.raises(ModelError, match="is a model for the task dance.*anomaly, classify,"):
        load_predictor(foreign)
    with pytest.raises(ModelError, match="unknown task 'dance'"):
        load_estimator(foreign)


def test_a_training_that_is_refused_leaves_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TASKS, "toy", TOY)
    (tmp_path / "toy.yaml").write_text("task: toy\n")
    with pytest.raises(ConfigError, match="names no output_dir"):
        train(tmp_path / "toy.yaml")
    with pytest.raises(ConfigError, match="names no file"):
        train(tmp_path / "toy.yaml", [f"output_dir={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_keys_of_a_request(run: Path, tmp_path: Path) -> None:
    predictor = load_predictor(open_model(run))
    for request in ({}, {"series": []}, {"texts": [], "future": []}):
        with pytest.raises(DataError, match="takes 'texts', and nothing else"):
            predictor.predict_json(request)
    with pytest.raises(DataError, match="no future values"):
        predictor.predict_file(tmp_path / "train.txt", future=tmp_path / "train.txt")

"""A command hashes a model folder once, and loads a language model once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import run_folder_maker as maker
import text_models
from typer.testing import CliRunner

from asr import model_folder
from asr.cli import app
from asr.decoding import language_models
from asr.features.config import FeatureConfig
from asr.language.modelling.model import FittedLanguageModel
from asr.lm import estimate
from asr.lm.arpa import write_arpa
from data_prep.store import write_store

MODELS = ("run", "tag", "classify_text", "lstm")
COMMANDS = {
    "transcribe": "transcribe data/dev/s1-1-0001.wav --model run",
    "transcribe --lm": "transcribe data/dev/s1-1-0001.wav --model run --lm lm.arpa",
    "align": "align data/dev/s1-1-0001.wav text.txt --model run",
    "evaluate": "evaluate --model run --data stored/dev --tune-on stored/dev -o out"
    " --lm lm.arpa --rescore lstm",
    "bench": "bench run --backend torch --decoding-method greedy --clip-s 1 --rounds 1 --repeats 1",
    "report": "report run -o page.html",
    "export": "export run -o exported",
    "predict tag": "predict texts.txt --model tag",
    "predict classify_text": "predict texts.txt --model classify_text",
    "predict language_model": "predict texts.txt --model lstm",
}


class Spy:
    """Counts how often the files of each model folder are hashed, and which models are loaded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hashed: Counter[Path] = Counter()
        self.loaded: Counter[Path] = Counter()
        sha256, compiled, load = (
            model_folder._sha256,
            language_models._compiled,
            FittedLanguageModel.load,
        )

        def count_hash(path: Path) -> str:
            self.hashed[path.resolve()] += 1
            return sha256(path)

        def count_ngram(path: Path) -> language_models.AnyModel:
            self.loaded[path.resolve()] += 1
            return compiled(path)

        def count_lstm(folder: Path | str | model_folder.Bundle) -> FittedLanguageModel:
            at = folder.path if isinstance(folder, model_folder.Bundle) else Path(folder)
            self.loaded[at.resolve()] += 1
            return load(folder)

        monkeypatch.setattr(model_folder, "_sha256", count_hash)
        monkeypatch.setattr(language_models, "_compiled", count_ngram)
        monkeypatch.setattr(FittedLanguageModel, "load", count_lstm)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A speech run, its stored split, language models and models of texts."""
    folder = tmp_path_factory.mktemp("world")
    maker.speech_run(folder)
    rng = np.random.default_rng(0)
    rows = [
        (name, text, rng.normal(size=(60, 20)).astype(np.float32))
        for name, text in (("a", "a cab"), ("b", "a bad cab"))
    ]
    write_store(folder / "stored" / "dev", FeatureConfig(n_mels=20), rows)
    write_arpa(estimate([["a cab", "a bad cab"]], order=2), folder / "lm.arpa")
    text_models.save_tagger(folder / "tag")
    text_models.save_classifier(folder / "classify_text")
    text_models.save_language_model(folder / "lstm")
    (folder / "text.txt").write_text("a cab\n")
    (folder / "texts.txt").write_text("fly to rome\n")
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_opened_and_hashed_once(name: str, world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    spy = Spy(monkeypatch)
    done = CliRunner().invoke(app, COMMANDS[name].split())
    assert done.exit_code == 0, done.output
    words = COMMANDS[name].split()
    opened = {model: world / model for model in MODELS if model in words}
    for folder in opened.values():
        counts = [n for path, n in spy.hashed.items() if folder.resolve() in path.parents]
        assert counts, folder
        assert set(counts) == {1}, folder
    assert set(spy.loaded.values()) <= {1}
    assert ("lm.arpa" in words) == (world / "lm.arpa" in spy.loaded)


def test_a_service_opens_each_model_once(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    from asr.serve.app import create_app

    spy = Spy(monkeypatch)
    create_app([world / "run", world / "tag"])
    assert {path.parent.name for path in spy.hashed} == {"model", "tag"}
    assert set(spy.hashed.values()) == {1}

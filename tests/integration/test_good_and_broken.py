"""A hundred good and a hundred broken recordings: a right transcript or a named error each."""

from __future__ import annotations

import gc
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from recordings import BROKEN, GOOD, RATE, Samples
from tiny_models import random_model

import asr
from asr.speech.jobs.transcribe import transcribe_files
from asr.speech.options import ModelOptions

EACH = 100
# Starlette leaves uploads to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
LOSSLESS = {"pcm.wav", "pcm24.wav", "float.wav", "double.wav", "a.au", "a.w64", "a.flac"} | {
    *("sox.wav", "crashed.wav", "wav named.m4a", "chained.flac"),
}


def voice(seed: int) -> Samples:
    """Noise in syllables, a second long."""
    syllables = np.maximum(0.01, np.sin(np.arange(RATE) * 25 / RATE))
    return np.random.default_rng(seed).normal(0, 0.1, RATE).astype(np.float32) * syllables.astype(
        np.float32
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recordings, good and broken in turn; the names of the kinds come last."""
    place = tmp_path_factory.mktemp("all")
    kinds = zip(itertools.cycle(GOOD.items()), itertools.cycle(BROKEN.items()), strict=False)
    for number, ((good, make), (broken, harm)) in zip(range(EACH), kinds, strict=False):
        (place / f"{number:03}-good-{good}").write_bytes(make(voice(number)))
        (place / f"{number:03}-broken-{broken}").write_bytes(harm(voice(number)))
    return place


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def alone(folder: Path, model: Path) -> dict[str, str]:
    """Text of each good recording by itself; of what loses nothing, that of the samples."""
    recognizer = asr.load_model(model)
    texts = {}
    for path in sorted(folder.glob("*-good-*")):
        number, _, kind = path.name.split("-", 2)
        texts[path.name] = recognizer.transcribe(path).text
        if kind in LOSSLESS:
            samples = np.round(voice(int(number)) * 32768) / 32768
            said = recognizer.transcribe(samples.astype(np.float32), RATE).text
            assert alike(said, texts[path.name]), path.name
    return texts


def alike(one: str, other: str) -> bool:
    """Whether texts are the same up to what the last bits of samples decide."""
    import difflib

    return difflib.SequenceMatcher(None, one, other).ratio() > 0.9


def named(errors: str, folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*-broken-*") if f"{path}: " in errors}


def test_a_folder(
    folder: Path,
    model: Path,
    alone: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    options = ModelOptions(str(model))
    failed = transcribe_files([str(folder)], options, output_dir=tmp_path, formats=["json"])
    assert failed == EACH  # and so the exit status is 1
    errors = capsys.readouterr().err
    assert len([line for line in errors.splitlines() if line.startswith("failed: ")]) == EACH
    assert len(named(errors, folder)) == EACH
    outputs = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert {Path(name).stem: text for name, text in alone.items()} == {
        name: output["text"] for name, output in outputs.items()
    }


def test_the_service(folder: Path, model: Path, alone: dict[str, str]) -> None:
    from fastapi.testclient import TestClient

    from asr.serve.app import create_app
    from asr.serve.config import ServeConfig

    paths = sorted(folder.iterdir())
    results: dict[str, dict[str, Any]] = {}
    with TestClient(create_app([model], ServeConfig(max_files=50))) as client:
        for first in range(0, len(paths), 50):
            files = [
                ("files", (path.name, path.read_bytes())) for path in paths[first : first + 50]
            ]
            answer = client.post("/v1/transcribe", files=files)
            assert answer.status_code == 200
            results |= {result["name"]: result for result in answer.json()["results"]}
    good = {name: result for name, result in results.items() if "-good-" in name}
    assert len(results) == 2 * EACH
    assert all(alike(good[name]["text"], text) for name, text in alone.items())
    broken = [result for name, result in results.items() if "-broken-" in name]
    assert all(result["error"] and result["text"] is None for result in broken)
    gc.collect()


def test_on_ray(folder: Path, model: Path, alone: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from asr.scale.transcribe import transcribe_on_ray

    failed = transcribe_on_ray(
        [str(folder)],
        ModelOptions(str(model)),
        output_dir=tmp_path,
        formats=["json"],
        channel="mix",
        address="local",
        workers=2,
    )
    assert failed == EACH
    outputs = {path.stem: json.loads(path.read_text()) for path in tmp_path.glob("*.json")}
    assert {Path(name).stem: text for name, text in alone.items()} == {
        name: output["text"] for name, output in outputs.items()
    }

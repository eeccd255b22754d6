"""The job that learns from corrections: its states, its limits, and once for real."""

from __future__ import annotations

import io
import json
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from service import Server, save_tiny, wav

from asr.errors import ConfigError
from asr.serve.corrections import Corrections
from asr.serve.errors import Conflict
from asr.serve.learning import Learning
from asr.serve.rendering import TranscriptBody

SEGMENT = {"start": 0.0, "end": 1.0, "text": "a bad cab", "confidence": 0.5, "words": []}
BODY = {"segments": [SEGMENT], "duration_s": 1.0}
RESULT = {"before": 0.5, "after": 0.25, "low": -0.3, "high": -0.1, "accepted": True, "verdict": "x"}
LIMIT_S = 100.0


class Process:
    """Stands for `asr learn`: it ends when it is told to."""

    def __init__(self, command: list[str], **options: Any) -> None:
        self.command, self.log = command, options["stdout"]
        self.returncode: int | None = None
        self.folder = Path(command[command.index("--output-dir") + 1])

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, seconds: float = 0.0) -> int | None:
        return self.returncode

    def terminate(self) -> None:
        self.returncode = -15


@pytest.fixture
def learning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Learning:
    kept = Corrections(tmp_path)
    kept.add(io.BytesIO(wav()), "a.wav", TranscriptBody.model_validate(BODY), "dad", 0.5)
    monkeypatch.setattr(subprocess, "Popen", Process)
    return Learning(fleet("model.onnx", "model.safetensors"), kept, LIMIT_S)


def fleet(*files: str) -> Any:
    bundle = SimpleNamespace(files=files, path=Path("model"))
    model = SimpleNamespace(recognizer=SimpleNamespace(bundle=bundle), language="en")
    return SimpleNamespace(models={"model": model})


def process(learning: Learning) -> Process:
    assert learning._job is not None
    return cast("Process", learning._job.process)


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def test_stages_follow_what_is_written(learning: Learning) -> None:
    assert learning.state().status == "idle"
    started = learning.start()
    assert (started.status, started.stage, started.corrections) == ("running", "preparing", 1)
    assert started.folder == "learned/1"
    folder = process(learning).folder
    touch(folder / "data" / "test" / ".completed")
    assert learning.state().stage == "before"
    touch(folder / "before" / "metrics.json")
    assert learning.state().stage == "training"
    assert 0.1 <= learning.state().progress < 0.95
    learning.time_limit_s = 0.0
    assert learning.state().stage == "after"
    with pytest.raises(Conflict, match="already"):
        learning.start()
    (folder / "learned.json").write_text(json.dumps(RESULT))
    process(learning).returncode = 0
    done = learning.state()
    assert (done.status, done.progress) == ("done", 1.0)
    assert done.result is not None
    assert done.result.model_dump() == RESULT
    assert learning.start().folder == "learned/2"


def test_a_failure_says_why(learning: Learning) -> None:
    learning.start()
    running = process(learning)
    (running.folder / "log.txt").write_text("noise\nerror: 1 utterances are too few.\n")
    running.returncode = 1
    assert learning.state().status == "failed"
    assert learning.state().error == "1 utterances are too few."
    learning.start()
    process(learning).returncode = -9
    assert learning.state().error == "asr learn ended with status -9."


def test_it_is_stopped(learning: Learning) -> None:
    learning.stop()  # nothing runs
    learning.start()
    learning.stop()
    assert learning.state().status == "stopped"


def test_what_cannot_learn_is_refused(tmp_path: Path, learning: Learning) -> None:
    with pytest.raises(ConfigError, match="exported"):
        Learning(fleet("model.onnx"), learning.corrections, LIMIT_S)
    empty = Learning(fleet("model.safetensors"), Corrections(tmp_path / "none"), LIMIT_S)
    with pytest.raises(Conflict, match="no corrections"):
        empty.start()


@pytest.mark.timeout(900)  # a training in a process of its own, on a busy machine
def test_a_served_model_learns_from_what_was_corrected(tmp_path: Path) -> None:
    kept = Corrections(tmp_path / "kept")
    for seed in range(8):
        source = io.BytesIO(wav(1.5, seed))
        kept.add(source, "a.wav", TranscriptBody.model_validate(BODY), "dad", 0.5)
    model = save_tiny(tmp_path / "model", 1)
    server = Server([model], tmp_path / "log", corrections_dir=str(kept.folder), learn_s=2.0)
    try:
        answer = httpx.post(f"{server.url}/v1/learn", timeout=60)
        assert answer.status_code == 202, answer.text
        assert httpx.post(f"{server.url}/v1/learn", timeout=60).status_code == 409
        deadline, stages = time.monotonic() + 800, set()
        while (state := httpx.get(f"{server.url}/v1/learn", timeout=60).json())[
            "status"
        ] == "running":
            stages.add(state["stage"])
            assert time.monotonic() < deadline
            time.sleep(0.2)
        log = (kept.folder / "learned" / "1" / "log.txt").read_text()
        assert state["status"] == "done", log
        assert "preparing" in stages
        result = state["result"]
        assert result["accepted"] == (result["after"] <= result["before"])
        outcome = "model" if result["accepted"] else "worse"
        assert (kept.folder / "learned" / "1" / "run" / outcome / "model.safetensors").is_file()
    finally:
        assert server.stop() == 0, (tmp_path / "log").read_text()

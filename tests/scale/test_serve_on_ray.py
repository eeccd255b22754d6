"""The service in several processes behind Ray Serve: the answers of one process, though a replica
is killed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import soundfile
import torch

from asr.audio.synthetic import made_audio
from asr.errors import ConfigError, ModelError
from asr.scale.serve import serve_on_ray
from asr.serve.config import ServeConfig
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.export.exporting import export_model
from asr.speech.recognizer import load_model
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer

pytest.importorskip("ray.serve")
RATE = 16000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    torch.manual_seed(0)
    tokenizer = CharTokenizer("abcde")
    task = CtcTask(
        CtcTaskConfig(model=CtcModelConfig(hidden_dim=16, num_layers=2, conv_channels=4)),
        len(tokenizer),
    )
    task.network.output.weight.data *= 30
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder / "trained")
    return export_model(folder / "trained", folder / "model").folder


def clip(folder: Path, seed: int) -> bytes:
    soundfile.write(folder / f"{seed}.wav", made_audio(0.8 + 0.1 * seed, RATE, seed), RATE)
    return (folder / f"{seed}.wav").read_bytes()


def replicas_of(parent: int) -> list[int]:
    """Processes of the replicas that the test ``parent`` started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            title, environ = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::ServeReplica") and f"SERVE_TEST={parent}".encode() in environ:
            found.append(int(entry.name))
    return found


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 250
    while True:
        try:
            if httpx.get(url, timeout=30).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.3)


class Crowd:
    """Requests at the same time, each with its status and text."""

    def __init__(self, url: str, clips: list[bytes]) -> None:
        self.found: dict[int, tuple[int, str]] = {}
        self.threads = [
            threading.Thread(target=self._ask, args=(url, n, c)) for n, c in enumerate(clips)
        ]
        for thread in self.threads:
            thread.start()

    def _ask(self, url: str, number: int, sound: bytes) -> None:
        answer = httpx.post(f"{url}/v1/transcribe", files={"files": sound}, timeout=200)
        text = answer.json()["results"][0]["text"] if answer.status_code == 200 else answer.text
        self.found[number] = answer.status_code, text

    def answers(self) -> dict[int, tuple[int, str]]:
        for thread in self.threads:
            thread.join()
        return self.found


@pytest.mark.timeout(900)
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the replicas in /proc")
def test_two_replicas_one_of_which_is_killed(model: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, log = f"http://127.0.0.1:{port}", tmp_path / "log"
    arguments = ["serve", str(model), "--port", str(port), "--ray", "local", "--replicas", "2"]
    arguments += [
        "--max-wait-ms",
        "4000",
        "--max-batch-size",
        "64",
    ]  # requests stay inside for a while
    environ = {
        **os.environ,
        "SERVE_TEST": str(os.getpid()),
        "OMP_NUM_THREADS": "1",
        "RAY_worker_niceness": "0",
    }
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "asr", *arguments], stderr=file, env=environ
        )
    try:
        wait_for(f"{url}/ready", process, log)
        clips = [clip(tmp_path, n) for n in range(12)]
        recognizer = load_model(model)
        right = {n: (200, recognizer.transcribe(sound).text) for n, sound in enumerate(clips)}
        assert len({text for _, text in right.values()}) > 2
        assert Crowd(url, clips).answers() == right

        crowd = Crowd(url, clips)
        time.sleep(1.5)
        first, second = replicas_of(os.getpid())
        os.kill(first, signal.SIGKILL)
        found = crowd.answers()
        lost = {n for n, (status, _) in found.items() if status != 200}
        assert 0 < len(lost) < len(clips), found
        assert all(found[n][0] >= 500 for n in lost)  # a clean answer, no broken connection
        assert all(found[n] == right[n] for n in set(found) - lost)
        assert set(Crowd(url, clips).answers().values()) <= set(
            right.values()
        )  # the other one goes on at once
        deadline = time.monotonic() + 120
        while len(now := set(replicas_of(os.getpid()))) < 2:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        assert second in now
        assert first not in now

        crowd = Crowd(url, clips)
        time.sleep(1.5)
        os.kill(process.pid, signal.SIGTERM)
        assert crowd.answers() == right
        assert process.wait(120) == 0, log.read_text()
    finally:
        if process.poll() is None:
            process.kill()
    assert not replicas_of(os.getpid())


def test_refused(model: Path) -> None:
    with pytest.raises(ModelError, match="no model 'nowhere'"):
        serve_on_ray(["nowhere"], ServeConfig(), "local")
    with pytest.raises(ConfigError, match="2 shares for 1 speech models"):
        serve_on_ray([model], ServeConfig(split=(0.5, 0.5)), "local")
    with pytest.raises(ConfigError, match="no Ray cluster at 127.0.0.1:1"):
        serve_on_ray([model], ServeConfig(), "127.0.0.1:1")

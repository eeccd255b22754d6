"""A real service for tests: uvicorn in its own process, small random models, and recordings."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import soundfile
import torch

from asr.audio.synthetic import made_audio
from asr.features.config import FeatureConfig
from asr.speech.acoustics.network import CtcModelConfig, CtcTask, CtcTaskConfig
from asr.speech.training.config import SpeechConfig
from asr.speech.training.train import save_speech_model
from asr.text.tokenizers import CharTokenizer

RATE = 16000


def save_tiny(folder: Path, seed: int, trim: bool = False) -> Path:
    """Save a random streaming network with the letters a to e as a model folder."""
    torch.manual_seed(seed)
    tokenizer = CharTokenizer("abcde")
    config = CtcModelConfig(
        hidden_dim=16, num_layers=2, conv_channels=4, causal=True, bidirectional=False
    )
    task = CtcTask(CtcTaskConfig(features=FeatureConfig(trim=trim), model=config), len(tokenizer))
    task.network.output.weight.data *= 30
    save_speech_model(task.eval(), tokenizer, SpeechConfig(), folder)
    return folder


def free_port() -> int:
    """Return a port that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Server:
    """A running service; ``config`` are fields of ServeConfig."""

    def __init__(self, models: list[Path], log: Path, **config: Any) -> None:
        self.port = free_port()
        program = (
            "import json, sys\n"
            "from asr.serve.config import ServeConfig\n"
            "from asr.serve.server import run_server\n"
            "given = json.loads(sys.argv[1])\n"
            "given |= {k: tuple(v) for k, v in given.items() if isinstance(v, list)}\n"
            "run_server(sys.argv[2:], ServeConfig(**given))\n"
        )
        self.log = log
        arguments = [json.dumps({"port": self.port, **config}), *map(str, models)]
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, *arguments], stderr=file
            )
        self.url = f"http://127.0.0.1:{self.port}"
        deadline = time.monotonic() + 280  # a busy machine
        while True:
            try:
                if httpx.get(f"{self.url}/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def stop(self) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)
        return self.process.wait(60)


def wav(seconds: float = 1.0, seed: int = 1, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, made_audio(seconds, rate, seed), rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()

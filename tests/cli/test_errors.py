"""What goes wrong ends in one line that says what to do, and a status of 1."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr import load_model
from asr.errors import ConfigError
from asr.serve.config import ServeConfig
from asr.serve.server import run_server


def test_a_path_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    speech = tmp_path / "a.wav"
    soundfile.write(speech, np.zeros(16000), 16000)
    run = [sys.executable, "-m", "asr", "transcribe", str(speech), "--model", "en", "-o", str(tmp_path / "file" / "x")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def test_a_device_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot use the device 'nowhere'"):
        load_model("en", device="nowhere", backend="torch")


def test_serving_at_an_address_that_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match=r"Nothing can listen at 127\.0\.0\.1"):
            run_server(["en"], ServeConfig(port=taken.getsockname()[1]))

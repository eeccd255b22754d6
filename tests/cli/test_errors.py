"""What goes wrong ends in one line that says what to do, and a status of 1."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr import load_model
from asr.catalogue import train
from asr.errors import AsrError, ConfigError
from asr.serve.config import ServeConfig
from asr.serve.server import run_server
from asr.speech.jobs.transcribe import transcribe_files
from asr.speech.options import ModelOptions


def test_a_path_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    speech = tmp_path / "a.wav"
    soundfile.write(speech, np.zeros(16000), 16000)
    run = [
        sys.executable,
        "-m",
        "asr",
        "transcribe",
        str(speech),
        "--model",
        "en",
        "-o",
        str(tmp_path / "file" / "x"),
    ]
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


def test_transcripts_of_several_recordings_on_standard_output_name_theirs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(16000), 16000)
    for unnamed in ("srt", "vtt", "tsv"):
        with pytest.raises(ConfigError, match=rf"2 recordings .* as {unnamed}.*--output-dir"):
            transcribe_files([str(tmp_path)], ModelOptions(), formats=["json", unnamed])
    assert transcribe_files([str(tmp_path)], ModelOptions(), formats=["json"]) == 0
    first, second = (json.loads(part + "}") for part in capsys.readouterr().out.split("\n}\n")[:2])
    assert (first["recording"], second["recording"]) == ("a.wav", "b.wav")
    assert transcribe_files([str(tmp_path / "a.wav")], ModelOptions(), formats=["json"]) == 0
    assert "recording" not in json.loads(capsys.readouterr().out)


def test_a_training_that_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    config, output = tmp_path / "config.yaml", tmp_path / "run"
    config.write_text(
        f"task: ctc\ndata: {{train: {tmp_path / 'no'}, dev: {tmp_path / 'no'}}}\n"
        f"output_dir: {output}\n"
    )
    with pytest.raises(AsrError, match="no"):
        train(config)
    assert not output.exists()
    output.mkdir()
    (output / "mine.txt").write_text("kept")
    with pytest.raises(AsrError, match="no"):
        train(config)
    assert (output / "mine.txt").is_file()

from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

import asr
from asr.cli import app


def test_as_a_module() -> None:
    told = subprocess.run([sys.executable, "-m", "asr", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout == f"{asr.__version__}\n"


def test_the_version_is_told() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.stdout) == (0, f"{asr.__version__}\n")


def test_without_a_verb_there_is_help() -> None:
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 2
    assert "transcribe" in shown.output

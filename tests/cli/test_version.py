from __future__ import annotations

from typer.testing import CliRunner

import asr
from asr.cli import app


def test_the_version_is_told() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.stdout) == (0, f"{asr.__version__}\n")


def test_without_a_verb_there_is_help() -> None:
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 2
    assert "transcribe" in shown.output

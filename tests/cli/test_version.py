from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

import asr
from asr.cli import app


def test_as_a_module() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "asr", "--version"], capture_output=True, text=True, check=True
    )
    assert told.stdout == f"{asr.__version__}\n"


def test_the_version_is_told() -> None:
    told = CliRunner().invoke(app, ["--version"])
    assert (told.exit_code, told.stdout) == (0, f"{asr.__version__}\n")


def test_without_a_verb_there_is_help() -> None:
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 2
    assert "transcribe" in shown.output


def test_a_verb_waits_for_no_other() -> None:
    program = (
        "import sys\nfrom asr.cli import main\ntry:\n    main(['score', '--help'])\n"
        "except SystemExit:\n"
        "    print(sorted(name for name in sys.modules if name.startswith('asr.cli.')))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert told.stdout.splitlines()[-1] == "['asr.cli.guard', 'asr.cli.options', 'asr.cli.score']"


def test_a_misspelt_verb_is_told_the_right_one() -> None:
    told = CliRunner().invoke(app, ["trnscribe"])
    assert told.exit_code == 2
    assert "transcribe" in told.output

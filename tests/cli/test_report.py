"""``asr report``: what it prints, and its status where a section failed."""

from __future__ import annotations

from pathlib import Path

import pytest
import run_folder_maker as maker
import typer
from typer.testing import CliRunner

from asr.cli.report import report


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run: Path = maker.speech_run(tmp_path_factory.mktemp("speech"))
    return run


def test_command_says_what_it_wrote_and_fails_where_a_section_failed(
    speech: Path, tmp_path: Path
) -> None:
    app = typer.Typer()
    app.command()(report)
    done = CliRunner().invoke(
        app, [str(speech), "-o", str(tmp_path / "p.html"), "--samples", "0", "--worst", "1"]
    )
    assert done.exit_code == 0, done.output
    assert "Forecasts" not in done.stderr  # a section of another task
    bad = maker.series_run(tmp_path)
    (bad / "test" / "predictions.jsonl").write_text(
        '{"id": "x", "truth": [1, 2], "forecast": [1]}\n'
    )
    done = CliRunner().invoke(app, [str(bad)])
    assert done.exit_code == 1
    assert "failed: Forecasts: test/predictions.jsonl, x" in done.stderr
    assert (bad / "report.html").is_file()

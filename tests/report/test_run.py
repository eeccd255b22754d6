"""A run folder as the report reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import run_folder_maker as maker

from asr.errors import DataError
from asr.report import Absent, ReportOptions, Run, write_report


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no run folder"):
        write_report(tmp_path / "nothing", tmp_path / "page.html")
    with pytest.raises(DataError, match="is not a run folder: it has none of"):
        write_report(tmp_path, tmp_path / "page.html")
    with pytest.raises(DataError, match="no audio mode 'loud'"):
        ReportOptions(audio="loud")


def test_split_without_references_says_how_to_name_them(tmp_path: Path) -> None:
    run = maker.speech_run(tmp_path, model=False)
    (run / "dev" / "references.tsv").unlink()
    (run / "config.yaml").write_text("task: ctc\n")
    with pytest.raises(Absent, match="name its prepared folder with --data"):
        Run(run).references("dev")
    named = Run(run, ReportOptions(data=(tmp_path / "data" / "dev",)))
    assert len(named.references("dev")) == 3


def test_the_task_of_a_run_without_configuration_is_that_of_its_model(tmp_path: Path) -> None:
    run = maker.task_run(tmp_path, "anomaly")
    (run / "config.yaml").unlink()
    (run / "model").mkdir()
    (run / "model" / "config.yaml").write_text("task: anomaly\n")
    assert Run(run).task == "anomaly"

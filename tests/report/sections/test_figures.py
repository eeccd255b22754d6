"""Figures of a run, a row each and a column for each split."""

from __future__ import annotations

from pathlib import Path

import run_folder_maker as maker

from asr.report import Run
from asr.report.sections import figures


def test_figures_stand_in_a_row_with_a_column_for_each_split(tmp_path: Path) -> None:
    page = figures.content(Run(maker.task_run(tmp_path, "anomaly")))
    assert "<th></th><th>test</th><th>valve</th>" in page
    assert "<tr><td>f1</td><td>0.6</td><td>0.5</td></tr>" in page
    assert "<tr><td>far</td><td>0.1</td><td>-</td></tr>" in page


def test_figures_of_classes_have_a_table_of_their_own(tmp_path: Path) -> None:
    page = figures.content(Run(maker.task_run(tmp_path, "classify")))
    assert "<th>class</th><th>f1</th><th>recall</th>" in page
    assert (
        "<tr><td>N</td><td>0.7</td><td>1</td></tr><tr><td>S</td><td>0.1</td><td>-</td></tr>" in page
    )
    assert "<tr><td>macro_f1</td><td>0.4</td></tr>" in page

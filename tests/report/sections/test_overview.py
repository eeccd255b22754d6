"""The cards at the head of the page."""

from __future__ import annotations

from pathlib import Path

import run_folder_maker as maker

from asr.report import Run
from asr.report.sections import overview


def test_cards_show_the_figures_of_the_test_split(tmp_path: Path) -> None:
    page = overview.content(Run(maker.task_run(tmp_path, "classify_text")))
    assert "<b>0.5</b><span>test/accuracy</span>" in page
    assert "dev/accuracy</span>" not in page

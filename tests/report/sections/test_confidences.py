"""The section about confidences: shown where a run has them, and not mentioned else."""

from __future__ import annotations

from pathlib import Path

import run_folder_maker as maker

from asr.report import ReportOptions, write_report


def test_confidences_are_drawn_with_their_error(tmp_path: Path) -> None:
    run = maker.speech_run(tmp_path, model=False)
    path = run / "dev" / "confidences.tsv"
    path.write_text(
        "utterance\tword\tconfidence\tright\n"
        + "u\t<b>one\t0.9500\t1\n" * 3
        + "u\ttwo\t0.2500\t0\n"
    )
    written = write_report(run, tmp_path / "page.html", ReportOptions(samples=0, worst=0))
    assert "Confidences" in written.shown
    section = (tmp_path / "page.html").read_text().split('id="confidences"')[1]
    section = section.split("</section>")[0]
    assert "4 words: mean confidence 77.50 %, 75.00 % right" in section
    assert "expected calibration error 10.00 %" in section
    assert "<svg" in section
    path.write_text("utterance\tword\tconfidence\tright\nu\tone\tmuch\t1\n")
    broken = write_report(run, tmp_path / "page.html", ReportOptions(samples=0, worst=0))
    assert "confidences.tsv:2" in broken.failed["Confidences"]


def test_a_run_without_them_does_not_mention_them(tmp_path: Path) -> None:
    run = maker.speech_run(tmp_path, model=False)
    written = write_report(run, tmp_path / "page.html", ReportOptions(samples=0, worst=0))
    assert "Confidences" not in written.shown
    assert "Confidences" not in written.left_out

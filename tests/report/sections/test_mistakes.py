"""Worst predictions of texts: the surest mistakes, wrong tags, unlike translations."""

from __future__ import annotations

import html
import re
from pathlib import Path

import pytest
import run_folder_maker as maker

from asr.errors import DataError
from asr.report import Absent, ReportOptions, Run
from asr.report.sections import mistakes


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


def test_the_surest_mistake_comes_first(tmp_path: Path) -> None:
    run = maker.task_run(tmp_path, "classify_text")
    page = mistakes.content(Run(run))
    text = text_of(page)
    assert "2 of 3 texts have a mistake" in text
    assert text.index("3: Play, taken for Book (95 %)") < text.index(
        "1: Play, taken for Book (75 %)"
    )
    assert "play &lt;b&gt;jazz" in page
    assert "(75 %)" not in mistakes.content(Run(run, ReportOptions(worst=1)))
    with pytest.raises(Absent, match="none were asked for"):
        mistakes.content(Run(run, ReportOptions(worst=0)))


def test_wrong_tags_are_marked_at_their_words(tmp_path: Path) -> None:
    run = maker.task_run(tmp_path, "tag")
    page = mistakes.content(Run(run))
    assert '<span class="w S"><span>york</span><small>O, not I-city</small></span>' in page
    assert "1: 1 of 3 tags are wrong" in page
    assert "rome" not in page
    (run / "test" / "predictions.jsonl").write_text(
        '{"id": "q", "text": "a", "label": ["O"], "prediction": "O"}\n'
    )
    with pytest.raises(DataError, match="q: label and prediction differ"):
        mistakes.content(Run(run))


def test_the_translation_least_like_its_reference_comes_first(tmp_path: Path) -> None:
    text = text_of(mistakes.content(Run(maker.task_run(tmp_path, "translate"))))
    assert "2: 0 % alike read eine Katze wanted a cat written the mouse" in text
    assert text.index("0 % alike") < text.index("100 % alike")


def test_nothing_wrong_is_said(tmp_path: Path) -> None:
    run = maker.task_run(tmp_path, "tag")
    (run / "test" / "predictions.jsonl").write_text(
        '{"id": "q", "text": "a", "label": ["O"], "prediction": ["O"]}\n'
    )
    assert "Every prediction is right." in mistakes.content(Run(run))

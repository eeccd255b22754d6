"""The page of a run of each task: the sections that belong to it, and what they say."""

from __future__ import annotations

import html
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import run_folder_maker as maker

from asr.errors import DataError
from asr.files import atomic_write_text
from asr.model_folder import write_bundle
from asr.report import Absent, ReportOptions, Run, write_report
from asr.report.sections import attention, confusion, figures, mistakes, overview

ALWAYS = {"Overview", "Figures", "Learning curves", "Configuration"}
OWN = {
    "classify": {"Confusion matrix"},
    "classify_text": {"Confusion matrix", "Worst predictions"},
    "tag": {"Confusion matrix", "Worst predictions"},
    "language_model": set(),
    "translate": {"Worst predictions"},
    "forecast": {"Forecasts"},
    "anomaly": {"Anomaly scores"},
}


def text_of(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.parametrize("task", sorted(OWN))
def test_a_run_of_each_task_has_the_sections_that_belong_to_it(tmp_path: Path, task: str) -> None:
    assert set(OWN) == set(maker.TASKS)
    written = write_report(maker.task_run(tmp_path, task), tmp_path / "page.html")
    assert not written.failed
    assert set(written.shown) == ALWAYS | OWN[task]
    assert (
        written.left_out["Worst utterances"] == f"only for speech models; this model is for {task}"
    )


def test_the_task_of_a_run_without_configuration_is_that_of_its_model(tmp_path: Path) -> None:
    run = maker.task_run(tmp_path, "anomaly")
    (run / "config.yaml").unlink()
    (run / "model").mkdir()
    (run / "model" / "config.yaml").write_text("task: anomaly\n")
    assert Run(run).task == "anomaly"


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


def test_cards_show_the_figures_of_the_test_split(tmp_path: Path) -> None:
    page = overview.content(Run(maker.task_run(tmp_path, "classify_text")))
    assert "<b>0.5</b><span>test/accuracy</span>" in page
    assert "dev/accuracy</span>" not in page


def test_interval_of_the_accuracy() -> None:
    # Wilson (1927) for 81 of 263, as Newcombe (1998), table I, gives it: 0.2553 to 0.3662
    assert confusion._interval([(0, 1)] * 81 + [(1, 1)] * 182) == "; 95 % 25.53 - 36.62"
    tags = confusion._interval([(1, 3), (0, 2), (2, 4), (1, 5), (0, 4), (1, 3)])
    low, high = map(float, re.findall(r"\d+\.\d+", tags))
    assert low < 100 * (1 - 5 / 21) < high
    assert tags.endswith("by sentence")


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


def test_attention_is_computed_from_the_model_where_none_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = maker.task_run(tmp_path, "translate")
    with pytest.raises(Absent, match="with attention"):
        attention.content(Run(run))
    write_bundle(
        run / "model", lambda folder: atomic_write_text(folder / "config.yaml", "task: translate\n")
    )
    shown = SimpleNamespace(
        source=("▁ein", "</s>"), target=("▁a", "</s>"), weights=np.eye(2, dtype=np.float32)
    )
    maps = {"loaded": shown}
    translator = "asr.language.translation.translator.Translator"
    monkeypatch.setattr(f"{translator}.load", lambda folder: "loaded")
    monkeypatch.setattr(f"{translator}.attention_map", lambda model, text: maps[model])
    page = attention.content(Run(run))
    assert page.count("<figure") == 2
    assert "eine Katze: rows are what was written" in page
    (run / "test" / "predictions.jsonl").unlink()
    with pytest.raises(Absent, match="no text to translate"):
        attention.content(Run(run))
    (tmp_path / "dev.de").write_text("drei Hunde\n")
    (run / "config.yaml").write_text(
        f"task: translate\ndata: {{dev_source: {tmp_path / 'dev.de'}}}\n"
    )
    assert "drei Hunde: rows" in attention.content(Run(run))

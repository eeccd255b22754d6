"""The page of a run folder: what is on it, what is not and why, and that browsers show it."""

from __future__ import annotations

import importlib
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
import run_folder_maker as maker
from browser import dumped_page

from asr.errors import AudioError
from asr.report import ReportOptions, Run, write_report
from asr.report.audio import player
from asr.report.page import SECTIONS
from asr.scoring import Utterance

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
# Makes the page report what it holds in its title, so that one call of the browser answers
# everything.
PROBE = """<script>document.title = [document.querySelectorAll("svg").length,
document.querySelectorAll("audio").length,
document.documentElement.scrollWidth <= document.documentElement.clientWidth,
performance.getEntriesByType("resource").length].join(" ");</script>"""


def opened(page: Path, width: int) -> tuple[str, str]:
    """Title that the probe wrote and console messages, from headless Chromium without network."""
    # A window of headless Chromium is at least 500 pixels wide: the phone is a frame of its width
    # inside it.
    probed = page.with_name("probed.html")
    probed.write_text(
        page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>"), encoding="utf-8"
    )
    holder = page.with_name("holder.html")
    script = (
        "const f=document.querySelector('iframe');"
        "f.onload=()=>{document.title=f.contentDocument.title}"
    )
    frame = f'<iframe src="probed.html" style="width:{width}px;height:800px;border:0"></iframe>'
    holder.write_text(
        f"<!DOCTYPE html><link rel=icon href=data:,><title></title>{frame}<script>{script}</script>"
    )
    options = ["--window-size=1300,900"]
    options += ["--allow-file-access-from-files", "--virtual-time-budget=5000"]
    return dumped_page(holder, page.parent / "profile", *options)


class Ids(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href"):
                self.links.append(str(value))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run: Path = maker.speech_run(tmp_path_factory.mktemp("speech"))
    return run


@pytest.fixture(scope="module")
def speech_page(speech: Path) -> Path:
    page = speech.parent / "speech.html"
    written = write_report(speech, page, ReportOptions(samples=200))
    assert not written.failed
    assert not written.left_out  # a speech run lacks no forecasts
    assert "LSTM gates" in written.shown
    assert "Spectrogram and CTC alignment" in written.shown
    return page


@pytest.fixture(scope="module")
def series_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    written = write_report(maker.series_run(folder), folder / "page.html")
    assert not written.failed
    assert {
        "Forecasts",
        "Anomaly scores",
        "Confusion matrix",
        "Attention",
        "LSTM gates",
        "Figures",
    } <= set(written.shown)
    return folder / "page.html"


@pytest.mark.parametrize("width", [360, 1200])
def test_speech_page_in_a_browser(speech_page: Path, width: int) -> None:
    # 3 curves, 1 interval plot, 2 alignments, 2 layers of gates; 2 utterances with errors
    assert opened(speech_page, width) == ("8 2 true 0", "")


def test_series_page_in_a_browser(series_page: Path) -> None:
    assert opened(series_page, 360) == (
        "6 0 true 0",
        "",
    )  # one of each section, and the interval of the figure


def test_page_is_self_contained_and_its_ids_are_unique(
    speech_page: Path, series_page: Path
) -> None:
    for page in (speech_page, series_page):
        found = Ids()
        found.feed(page.read_text(encoding="utf-8"))
        assert len(found.ids) == len(set(found.ids))
        outside = [link for link in found.links if not link.startswith(("data:", "#"))]
        assert outside == []
        assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)


def test_texts_cannot_break_out_of_the_page(speech_page: Path, series_page: Path) -> None:
    text = speech_page.read_text(encoding="utf-8")
    assert "<i>cab" not in text
    assert "&lt;i&gt;cab" in text
    assert (
        "<b>"
        not in series_page.read_text(encoding="utf-8")
        .split('id="attention"')[1]
        .split("</section>")[0]
    )


def test_figures_are_those_of_scoring(speech: Path, speech_page: Path) -> None:
    run = Run(speech)
    text = speech_page.read_text(encoding="utf-8")
    assert f"{100 * run.score('dev').wer:.2f} %" in text
    assert run.score("dev") is run.score("dev")
    assert run.references("dev").utterances["s2-1-0001"].speaker == "s2"


def test_same_run_gives_the_same_page(speech: Path, speech_page: Path) -> None:
    again = speech.parent / "again.html"
    write_report(speech, again, ReportOptions(samples=200))
    assert again.read_bytes() == speech_page.read_bytes()


def test_missing_recording_is_named_and_the_rest_is_written(speech: Path, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"The recording of u: There is no file .*nothing.wav"):
        player(
            Utterance("u", "", audio=str(tmp_path / "nothing.wav")), "embed", tmp_path / "page.html"
        )
    run = maker.speech_run(tmp_path, model=False)
    (tmp_path / "data" / "dev" / "s1-1-0002.wav").unlink()
    written = write_report(run, tmp_path / "page.html", ReportOptions(samples=0))
    assert list(written.failed) == ["Worst utterances"]
    assert "s1-1-0002.wav. Correct the manifest" in (tmp_path / "page.html").read_text(
        encoding="utf-8"
    )
    assert written.left_out["LSTM gates"] == "the run folder holds no model"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("[1]", "line 1: needed a JSON object"),
        ('{"label": ["a"], "prediction": ["a", "b"], "id": "q"}', "q: label and prediction differ"),
        (
            '{"attention": {"source": ["a"], "target": ["b"], "weights": [[1, 2]]}, "id": "q"}',
            "weights (1, 2), needed",
        ),
        ('{"gates": {}, "id": "q"}', "gates cannot be read"),
        ('{"values": [1, 2], "anomaly_scores": [1], "id": "q"}', "2 values, 1 scores"),
    ],
)
def test_bad_predictions_are_named(tmp_path: Path, line: str, problem: str) -> None:
    run = maker.series_run(tmp_path)
    (run / "test" / "predictions.jsonl").write_text(line + "\n", encoding="utf-8")
    failed = write_report(run, tmp_path / "page.html").failed
    assert any(problem in reason for reason in failed.values()), failed


def test_damaged_metrics_and_bench_are_named(tmp_path: Path) -> None:
    run = maker.speech_run(tmp_path, model=False)
    (run / "metrics.json").write_text("{")
    (run / "bench.json").write_text(json.dumps({"results": [{}]}))
    failed = write_report(run, tmp_path / "page.html", ReportOptions(samples=0)).failed
    assert "metrics.json is damaged" in failed["Figures"]
    assert "bench.json cannot be read" in failed["Speed and size"]


def test_unknown_utterance_is_left_out_with_its_name(tmp_path: Path) -> None:
    run = maker.speech_run(tmp_path, model=False)
    left_out = write_report(
        run, tmp_path / "page.html", ReportOptions(samples=0, utterance="nobody")
    ).left_out
    assert "no evaluated split has an utterance nobody" in left_out["Spectrogram and CTC alignment"]


def test_every_section_has_a_title_of_its_own() -> None:
    titles = [importlib.import_module(f"asr.report.sections.{name}").TITLE for name in SECTIONS]
    files = {
        p.stem
        for p in Path(importlib.import_module("asr.report.sections").__file__ or "").parent.glob(
            "*.py"
        )
    }
    assert len(set(titles)) == len(titles)
    assert files - {"__init__"} == set(SECTIONS)


@pytest.mark.parametrize("task", sorted(OWN))
def test_a_run_of_each_task_has_the_sections_that_belong_to_it(tmp_path: Path, task: str) -> None:
    assert set(OWN) == set(maker.TASKS)
    written = write_report(maker.task_run(tmp_path, task), tmp_path / "page.html")
    assert not written.failed
    assert set(written.shown) == ALWAYS | OWN[task]
    assert "Worst utterances" not in written.left_out
    assert not set(written.left_out) & {title for own in OWN.values() for title in own}

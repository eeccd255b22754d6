"""The correction loop in a browser: transcribe, correct, keep, learn, and read the gain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import accessibility_problems, opened_browser
from service import Server, save_tiny, wav

from asr.serve.corrections import TABLE

WAIT_MS = 800_000  # a busy machine
SEGMENT = {"start": 0.0, "end": 1.0, "text": "a bad cab", "confidence": 0.5, "words": []}
RUNNING = {"status": "running", "stage": "training", "progress": 0.5, "corrections": 8}
GAIN = {"before": 0.5, "after": 0.25, "low": -0.3, "high": -0.1, "verdict": "x"}
DONE = {"status": "done", "folder": "learned/1", "result": {**GAIN, "accepted": True}}
WORSE = {**DONE, "result": {**GAIN, "before": 0.2, "low": None, "accepted": False}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loop")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    models = [save_tiny(folder / "model", 1)]
    kept = str(folder / "kept")
    running = Server(models, folder / "log", punctuation=False, corrections_dir=kept, learn_s=2.0)
    yield running
    assert running.stop() == 0, running.log.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser() as opened:
        yield opened


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(server.url)
    page.locator("#learning").wait_for()
    yield page
    context.close()
    assert not faults


def give(page: Any, name: str, data: bytes) -> Any:
    page.set_input_files("#files", [{"name": name, "mimeType": "audio/wav", "buffer": data}])
    card = page.locator("article[data-state=done]", has_text=name).first
    card.wait_for()
    return card


def answered(page: Any, *states: dict[str, Any]) -> None:
    """Let the page hear these states of the job, the last one again and again."""
    left = list(states)

    def answer(route: Any) -> None:
        state = left.pop(0) if len(left) > 1 else left[0]
        route.fulfill(status=200, content_type="application/json", body=json.dumps(state))

    page.route("**/v1/learn", answer)


@pytest.mark.timeout(900)  # a training in a process of its own, on a busy machine
def test_a_corrected_transcript_teaches_the_model(page: Any, server: Server, folder: Path) -> None:
    for seed in range(7):
        form = {"transcript": json.dumps({"segments": [SEGMENT], "duration_s": 1.5})}
        files = {"file": (f"{seed}.wav", wav(1.5, seed))}
        url = f"{server.url}/v1/corrections"
        httpx.post(url, files=files, data=form, timeout=60).raise_for_status()
    card = give(page, "talk.wav", wav(2.0, 30))
    card.get_by_role("button", name="Edit").click()
    paragraph = card.locator(".words p").first
    paragraph.fill("a bad cab")
    card.get_by_role("button", name="Keep for learning").click()
    page.get_by_text("8 corrected recordings are kept").wait_for()
    rows = [json.loads(line) for line in (folder / "kept" / TABLE).read_text().splitlines()]
    mine = next(row for row in rows if row["original"] == "talk.wav")
    assert mine["text"] == "a bad cab"
    assert mine["heard"] != "a bad cab"
    assert 0 < mine["confidence"] < 1
    assert (folder / "kept" / mine["path"]).read_bytes() == wav(2.0, 30)
    page.get_by_role("button", name="Learn now").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.locator("#gain[data-status=done]", has_text="before").wait_for()
    log = (folder / "kept" / "learned" / "1" / "log.txt").read_text()
    result = json.loads((folder / "kept" / "learned" / "1" / "learned.json").read_text())
    shown = page.locator("#gain").inner_text()
    assert f"{100 * result['before']:.1f} % before, {100 * result['after']:.1f} % after" in shown, (
        log
    )
    assert ("is accepted: learned/1" in shown) == result["accepted"]


def test_progress_and_outcome_are_shown_in_both_languages(page: Any) -> None:
    answered(page, RUNNING, DONE)
    page.reload()
    work = page.locator("#learning .work")
    work.get_by_text("training").wait_for()
    assert float(work.locator("progress").get_attribute("value")) == 0.5
    page.get_by_text("The new model is accepted: learned/1.").wait_for()
    assert "50.0 % before, 25.0 % after (difference -30.0 to -10.0" in page.inner_text("#gain")
    page.select_option("#language", "zh")
    assert "新模型已接受：learned/1" in page.inner_text("#gain")
    page.select_option("#language", "en")
    page.unroute("**/v1/learn")
    answered(page, WORSE)
    page.reload()
    page.get_by_text("makes more errors and is refused").wait_for()
    assert "too few recordings" in page.inner_text("#gain")
    assert accessibility_problems(page) == []


def test_the_least_certain_transcripts_come_first(page: Any) -> None:
    for number in range(3):
        give(page, f"{number}.wav", wav(1.0 + number, number))
    expected = page.evaluate(
        """() => [...document.querySelectorAll("article h2")].map((title) => title.innerText)"""
    )
    page.get_by_role("button", name="Least certain first").click()
    shown = page.locator("article h2").all_inner_texts()
    assert sorted(shown) == sorted(expected)
    sure = [unsure_share(page, name) for name in shown]
    assert sure == sorted(sure)


def unsure_share(page: Any, name: str) -> float:
    """Return the confidence of a recording's transcript, as the service says it."""
    data = list(wav(1.0 + int(name[0]), int(name[0])))
    words: list[dict[str, Any]] = page.evaluate(
        """async (data) => {
          const form = new FormData();
          form.append("file", new File([new Uint8Array(data)], "a.wav"));
          const answer = await fetch("v1/transcribe", { method: "POST", body: form });
          return (await answer.json()).results[0].segments.flatMap(({ words }) => words);
        }""",
        data,
    )
    return sum(word["confidence"] for word in words) / len(words)

"""Speakers on the page: asked for, coloured, renamed; the service's answers are made up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import accessibility_problems, opened_browser
from service import Server, wav

WAIT_MS = 200_000  # a busy machine


def _answer() -> dict[str, Any]:
    segments = []
    for number, (speaker, said) in enumerate(
        [("Speaker 1", "good morning"), ("Speaker 2", "hello"), ("Speaker 1", "sit down")]
    ):
        words = [
            {"word": word, "start": number + n / 4, "end": number + n / 4 + 0.2, "confidence": 0.9}
            for n, word in enumerate(said.split())
        ]
        times = {"start": number, "end": number + 0.9, "confidence": 0.9}
        segments.append({**times, "text": said, "words": words, "speaker": speaker})
    turns = [{name: part[name] for name in ("start", "end", "speaker")} for part in segments]
    text = "good morning hello sit down"
    return {
        "name": "talk.wav",
        "model": "tiny",
        "text": text,
        "duration_s": 3.0,
        "segments": segments,
        "turns": turns,
        "notes": [],
    }


@pytest.fixture(scope="module")
def server(streaming_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "log"
    running = Server([streaming_model], log)
    yield running
    assert running.stop() == 0, log.read_text()


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
    page.asked = []

    def answered(route: Any) -> None:
        page.asked.append(route.request.post_data_buffer.decode("latin-1"))
        route.fulfill(json={"results": [_answer()]})

    page.route("**/v1/transcribe", answered)
    page.goto(server.url)
    page.wait_for_selector("#model option", state="attached")
    yield page
    context.close()
    assert not faults


def given(page: Any) -> Any:
    done = page.locator("article[data-state=done]")
    before = done.count()
    page.set_input_files(
        "#files", [{"name": "talk.wav", "mimeType": "audio/wav", "buffer": wav(3.0)}]
    )
    done.nth(before).wait_for()
    return done.first


def names(card: Any) -> list[str]:
    fields = card.locator(".speaker")
    return [fields.nth(n).input_value() for n in range(fields.count())]


def saved(page: Any, card: Any, kind: str) -> str:
    with page.expect_download() as download:
        card.locator(".save").get_by_role("button", name=kind).click()
    return Path(download.value.path()).read_text("utf-8")


def test_speakers_are_asked_for(page: Any) -> None:
    given(page)
    assert 'name="speakers"' not in page.asked[0]
    field = page.locator("input[name=num_speakers]")
    assert field.is_hidden()
    page.get_by_label("Tell speakers apart").check()
    field.fill("2")
    given(page)
    for name, value in (("speakers", "true"), ("num_speakers", "2")):
        assert f'name="{name}"\r\n\r\n{value}\r\n' in page.asked[1]


def test_each_speaker_has_a_colour(page: Any) -> None:
    card = given(page)
    assert names(card) == ["Speaker 1", "Speaker 2", "Speaker 1"]
    rows = card.locator(".words > div")
    colours = [
        rows.nth(n).evaluate("row => getComputedStyle(row).borderInlineStartColor")
        for n in range(3)
    ]
    assert colours[0] == colours[2] != colours[1]
    assert not accessibility_problems(page)


def test_a_speaker_is_renamed_everywhere(page: Any) -> None:
    card = given(page)
    first = card.locator(".speaker").first
    first.fill("Ann\t<b>")
    first.press("Enter")
    assert names(card) == ["Ann b", "Speaker 2", "Ann b"]
    assert (
        saved(page, card, "TXT") == "Ann b: good morning\n\nSpeaker 2: hello\n\nAnn b: sit down\n"
    )
    content = json.loads(saved(page, card, "JSON"))
    assert [part["speaker"] for part in content["turns"]] == ["Ann b", "Speaker 2", "Ann b"]
    assert "<v Ann b>" in saved(page, card, "VTT")
    card.locator(".speaker").nth(1).fill("")
    card.locator(".speaker").nth(1).press("Enter")
    assert names(card)[1] == "Speaker 2"


def test_names_outlive_an_edit_and_another_language(page: Any) -> None:
    card = given(page)
    card.locator(".speaker").nth(1).fill("Ben")
    card.locator(".speaker").nth(1).press("Enter")
    card.get_by_role("button", name="Edit").click()
    card.locator(".words p").nth(1).fill("hello there")
    page.select_option("#language", "zh")
    assert names(card) == ["Speaker 1", "Ben", "Speaker 1"]
    content = json.loads(saved(page, card, "JSON"))
    assert [(part["speaker"], part["text"]) for part in content["segments"]][1] == (
        "Ben",
        "hello there",
    )
    assert page.get_by_label("区分说话人").count() == 1

"""The page in a browser: files, microphone, transcripts, settings; by mouse, keyboard, phone."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import accessibility_problems, opened_browser
from service import Server, save_tiny, wav

import asr
from asr.serve.page import FOLDER
from asr.speech.export.exporting import export_model
from asr.speech.transcripts.transcript import Transcript
from asr.speech.transcripts.writing import WritingConfig
from asr.text.chinese import join_words

TEXT_MODEL = "en-text"
WAIT_MS = 200_000  # a busy machine
HOST = "not-this-machine.test"  # by which Chromium reaches this machine as if it were another one


@pytest.fixture(scope="module")
def models(streaming_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("page")
    return [streaming_model, export_model(save_tiny(folder / "t", 3), folder / "other").folder]


@pytest.fixture(scope="module")
def server(models: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "log"
    running = Server(models, log, text_model=TEXT_MODEL, max_duration_s=30.0)
    yield running
    assert running.stop() == 0, log.read_text()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with opened_browser(f"--host-resolver-rules=MAP {HOST} 127.0.0.1") as opened:
        yield opened


@pytest.fixture
def page(browser: Any, server: Server) -> Iterator[Any]:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = visit(context, server.url)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(httpx.URL(request.url).host))
    yield page
    context.close()
    assert not faults
    assert hosts <= {"127.0.0.1", ""}  # blobs have no host


@pytest.fixture(scope="module")
def expected(models: list[Path]) -> Transcript:
    model = asr.load_model(models[0], writing=WritingConfig(TEXT_MODEL))
    return model.transcribe(wav(3.0))


def visit(context: Any, url: str) -> Any:
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("#model option", state="attached")
    return page


def give(page: Any, *files: tuple[str, bytes]) -> None:
    kinds = [{"name": name, "mimeType": "audio/wav", "buffer": data} for name, data in files]
    page.set_input_files("#files", kinds)


def done(page: Any, name: str = "") -> Any:
    """Return the card of a file, once it has a transcript."""
    card = page.locator("article[data-state=done]", has_text=name).first
    card.wait_for()
    return card


def given(page: Any, seconds: float = 3.0, name: str = "talk.wav") -> Any:
    give(page, (name, wav(seconds)))
    return done(page, name)


def said(card: Any) -> str:
    return " ".join(card.locator(".words p").all_text_contents())


def facts(card: Any) -> str:
    return str(card.locator(".facts").inner_text())


def saved(page: Any, card: Any, kind: str) -> tuple[str, str]:
    """Return name and content of what a button saves."""
    with page.expect_download() as download:
        card.locator(".save").get_by_role("button", name=kind).click()
    return download.value.suggested_filename, Path(download.value.path()).read_text("utf-8")


def test_each_file_has_a_result_or_a_named_error(page: Any, expected: Transcript) -> None:
    give(page, ("a.wav", wav(3.0)), ("broken.wav", b"no audio"), ("c.wav", wav(1.0, 2)))
    done(page, "a.wav")
    done(page, "c.wav")
    cards = page.locator("article")
    assert cards.locator("h2").all_inner_texts() == ["a.wav", "broken.wav", "c.wav"]
    assert said(cards.nth(0)) == expected.readable
    assert "cannot be read" in cards.nth(1).locator(".error").inner_text()
    assert cards.nth(1).get_attribute("data-state") == "failed"
    cards.nth(1).get_by_role("button", name="Remove").click()
    assert cards.count() == 2


def test_the_same_file_again_with_another_model(page: Any) -> None:
    first = facts(given(page))
    assert "tiny" in first
    page.select_option("#model", "other")
    give(page, ("talk.wav", wav(3.0)))
    cards = page.locator("article")
    cards.nth(0).locator(".facts", has_text="other").wait_for()
    cards.nth(1).get_by_role("button", name="Transcribe again").click()
    cards.nth(1).locator(".facts", has_text="other").wait_for()
    assert said(cards.nth(0)) == said(cards.nth(1))


def test_files_are_dropped(page: Any, expected: Transcript) -> None:
    page.evaluate(
        """bytes => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "dropped.wav"));
          for (const kind of ["dragenter", "dragover", "drop"]) {
            const given = { dataTransfer: data, bubbles: true, cancelable: true };
            document.querySelector("#drop").dispatchEvent(new DragEvent(kind, given));
          }
        }""",
        list(wav(3.0)),
    )
    assert said(done(page, "dropped.wav")) == expected.readable


def test_settings_reach_the_service_and_are_kept(page: Any, expected: Transcript) -> None:
    page.get_by_label("Punctuation").uncheck()
    assert said(given(page)) == expected.text
    page.get_by_label("Names and terms").fill("abba, dead")
    give(page, ("hot.wav", wav(3.0)))
    assert said(done(page, "hot.wav")) != expected.text
    page.get_by_label("Names and terms").fill("xylophone")
    give(page, ("bad.wav", wav(3.0)))
    page.locator("article[data-state=failed]").wait_for()
    page.reload()
    page.wait_for_selector("#model option", state="attached")
    assert not page.get_by_label("Punctuation").is_checked()
    assert page.get_by_label("Names and terms").input_value() == "xylophone"


def test_a_long_recording_is_a_job_with_progress(page: Any, server: Server) -> None:
    jobs: list[str] = []
    page.on("request", lambda r: jobs.append(r.method) if "/v1/jobs" in r.url else None)
    with page.expect_event("requestfinished", lambda request: request.method == "DELETE"):
        card = given(page, 65.0, "long.wav")
    assert "1:05" in facts(card)
    assert jobs[0] == "POST"
    assert {"GET", "DELETE"} <= set(jobs)
    jobs.clear()
    given(page, 35.0, "longer than the service takes.wav")
    assert "POST" in jobs


def test_text_is_selected_and_copied(page: Any, expected: Transcript) -> None:
    card = given(page)
    card.locator(".words p").first.click(click_count=3)
    selected = page.evaluate("getSelection().toString().trim()")
    assert selected == expected.readable
    card.get_by_role("button", name="Copy").click()
    card.get_by_role("button", name="Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == expected.to_txt()


def test_every_format_is_saved(page: Any, expected: Transcript) -> None:
    card = given(page, name="my.talk.wav")
    for kind in ("TXT", "SRT", "VTT", "TSV"):
        name, content = saved(page, card, kind)
        assert name == f"my.talk.{kind.lower()}"
        assert content == expected.render(kind.lower())
    answer = json.loads(saved(page, card, "JSON")[1])
    assert (answer["text"], answer["written"]) == (expected.text, expected.readable)


def test_it_plays_from_any_word(page: Any, expected: Transcript) -> None:
    card = given(page)
    audio, words = card.locator("audio"), expected.words
    card.locator(".words p span").nth(4).click()
    page.wait_for_selector(".playing")
    audio.evaluate("audio => { audio.pause(); audio.play = async () => {}; }")
    card.locator(".words").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert card.locator(".chosen").inner_text() == said(card).split()[6]
    assert card.locator(".chosen").inner_text() in page.locator("#status").inner_text()
    at = "audio => audio.currentTime"
    page.keyboard.press("Enter")
    assert audio.evaluate(at) == pytest.approx(words[6].start, abs=1e-3)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    assert audio.evaluate(at) == pytest.approx(words[0].start, abs=1e-3)
    card.locator(".words p span").nth(4).click()
    assert audio.evaluate(at) == pytest.approx(words[4].start, abs=1e-3)
    assert "chosen" in card.locator(".words p span").nth(4).get_attribute("class")


def test_it_is_searched(page: Any, expected: Transcript) -> None:
    card, sought = given(page), expected.readable.lower()[8:11]
    card.get_by_label("Search").fill(sought.upper())
    count = expected.readable.lower().count(sought)
    assert count
    assert card.locator(".count").inner_text() == f"1 of {count}"
    page.keyboard.press("Shift+Enter")
    assert card.locator(".count").inner_text() == f"{count} of {count}"
    assert page.evaluate("CSS.highlights.get('found').size") == count
    card.get_by_label("Search").fill("xylophone")
    assert card.locator(".count").inner_text() == "not found"


def test_it_is_edited_and_keeps_its_times(page: Any, expected: Transcript) -> None:
    card = given(page)
    edit = card.get_by_role("button", name="Edit")
    edit.click()
    card.locator(".words p span").nth(2).dblclick()
    page.keyboard.type("some thing")
    page.keyboard.press("End")
    page.keyboard.press("Control+End")
    page.keyboard.type(" new!")
    words = said(card).split()
    assert words[2:4] == ["some", "thing"]
    assert words[-1] == "new!"
    content = json.loads(saved(page, card, "JSON")[1])  # which ends editing
    assert edit.get_attribute("aria-pressed") == "false"
    tokens = [token for s in content["segments"] for token in s["written"]["tokens"]]
    assert [token["text"] for token in tokens] == said(card).split() == words
    before = expected.words
    assert tokens[1]["start"] == before[1].start
    assert tokens[2]["start"] == before[2].start
    assert tokens[2]["end"] < tokens[3]["start"]
    assert tokens[3]["end"] == before[2].end
    assert all(a["end"] <= b["start"] for a, b in itertools.pairwise(tokens))
    assert "new!" in saved(page, card, "SRT")[1]


def test_the_microphone_uses_the_chosen_model(page: Any) -> None:
    page.select_option("#model", "other")
    page.get_by_role("button", name="Record").click()
    page.locator("#live-text").filter(has_not_text="Listening").wait_for()
    page.get_by_role("button", name="Stop").click()
    card = done(page, "recording-")
    assert "other" in facts(card)
    assert said(card)
    assert card.locator("audio").evaluate("e => e.duration") > 0.5
    card.get_by_role("button", name="Transcribe again").click()
    done(page, "recording-")
    assert page.get_by_role("button", name="Record").is_enabled()


def test_a_page_without_https_says_so(browser: Any, server: Server) -> None:
    context = browser.new_context()
    page = visit(context, f"http://{HOST}:{server.port}")
    page.get_by_role("button", name="Record").click()
    page.get_by_role("alert").wait_for()
    assert "https" in page.get_by_role("alert").inner_text()
    context.close()


def test_a_key_is_asked_for(browser: Any, keyed_server: Server) -> None:
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(keyed_server.url)
    for key in ("wrong", "secret"):
        page.get_by_label("API key").fill(key)
        assert not accessibility_problems(page)
        page.get_by_role("button", name="Continue").click()
    page.wait_for_selector("#model option", state="attached")
    assert said(given(page))
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, server: Server, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme)
    page = visit(context, server.url)
    assert not accessibility_problems(page)
    give(page, ("talk.wav", wav(3.0)), ("broken.wav", b"no audio"))
    card = done(page, "talk.wav")
    page.locator("article[data-state=failed]").wait_for()
    card.get_by_label("Search").fill("a")
    assert not accessibility_problems(page)
    card.get_by_role("button", name="Edit").click()
    assert not accessibility_problems(page)
    context.close()


def test_a_card_has_few_tab_stops(page: Any) -> None:
    card = given(page, 20.0)
    assert card.locator(".words p span").count() > 40
    stops = page.evaluate(
        """() => [...document.querySelectorAll("article *")].filter(
          (element) => element.tabIndex >= 0 && element.checkVisibility()).length"""
    )
    assert stops <= 12


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_is_cut_off(browser: Any, server: Server, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = visit(context, server.url)
    given(page)
    sizes = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    assert page.evaluate(sizes) == [width, width]
    context.close()


def test_chinese_has_no_spaces_between_characters(page: Any) -> None:
    texts = [
        ["你", "好，", "hello", "world"],
        ["用", "python", "写"],
        ["2025", "年", "5", "月"],
        ["𠀀", "a"],
    ]
    joined = page.evaluate(
        """texts => import("./page/transcript.js").then(({ joined }) =>
          texts.map((words) => joined(words.map((text) => ({ text })))))""",
        texts,
    )
    assert joined == [join_words(words) for words in texts]


def test_it_speaks_the_browsers_language(browser: Any, server: Server) -> None:
    context = browser.new_context(locale="zh-CN")
    page = visit(context, server.url)
    assert page.title() == "语音转文字"
    assert page.evaluate("document.documentElement.lang") == "zh"
    page.get_by_role("button", name="选择文件").wait_for()
    card = given(page)
    assert "词" in facts(card)
    page.select_option("#language", "en")
    assert page.title() == "Speech to text"
    assert "words" in facts(card)
    card.get_by_role("button", name="Edit").wait_for()
    texts = page.evaluate("import('./page/texts.js').then(({ TEXTS }) => TEXTS)")
    context.close()
    places = {
        code: {k: re.findall(r"{\w+}", v) for k, v in own.items()} for code, own in texts.items()
    }
    assert {k: sorted(v) for k, v in places["en"].items()} == {
        k: sorted(v) for k, v in places["zh"].items()
    }


def test_texts_of_the_html_are_in_the_table() -> None:
    html = (FOLDER / "index.html").read_text("utf-8")
    texts = (FOLDER / "texts.js").read_text("utf-8")
    names = set(re.findall(r'data-(?:text|label|hint)="(\w+)"', html))
    assert names
    assert all(texts.count(f"    {name}: ") == 2 for name in names)


def test_files_may_not_load_anything_else(server: Server) -> None:
    answer = httpx.get(server.url)
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    for file in FOLDER.iterdir():
        answer = httpx.get(f"{server.url}/page/{file.name}")
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.content == file.read_bytes()
        text = file.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://", text)
        assert max(map(len, text.splitlines())) <= 100

"""``/v1/render``: transcripts that people corrected, as subtitles and tables."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from asr.serve.errors import add_error_handlers
from asr.serve.rendering import render_route
from asr.speech.transcripts.transcript import FORMATS, Segment, Transcript, Word
from asr.speech.transcripts.writing import WritingConfig, write_transcript

TEXT = "it cost five dollars"
WORDS = tuple(Word(word, n / 2, n / 2 + 0.4, 0.9) for n, word in enumerate(TEXT.split()))
SEGMENT = Segment(0.0, 1.9, TEXT, 0.9, WORDS)
PLAIN = Transcript(SEGMENT.text, 2.0, (SEGMENT,), "en")
WRITTEN = write_transcript(PLAIN, WritingConfig("en-text", numbers=True))


@pytest.fixture(scope="module")
def client() -> Any:
    app = FastAPI()
    render_route(app)
    add_error_handlers(app)
    return TestClient(app)


@pytest.mark.parametrize("output_format", FORMATS)
def test_the_result_is_that_of_the_library(client: Any, output_format: str) -> None:
    for transcript in (PLAIN, WRITTEN):
        path = f"/v1/render?output_format={output_format}&name=x"
        answer = client.post(path, json={**transcript.to_dict(), "name": "x", "error": None})
        assert answer.status_code == 200
        assert answer.text == transcript.render(output_format, "x")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"start": 3.0}, "not in order"),
        ({"start": -1.0}, "not in order"),
        ({"end": 1e9}, "not in order"),
        ({"words": [{"word": "x"}]}, "start"),
        ({"text": 3}, "text"),
    ],
)
def test_wrong_transcripts_are_refused(client: Any, change: Any, reason: str) -> None:
    segment = PLAIN.to_dict()["segments"][0] | change
    answer = client.post("/v1/render", json={"segments": [segment]})
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]
    assert client.post("/v1/render?output_format=docx", json=PLAIN.to_dict()).status_code == 422
    assert client.post("/v1/render", json={}).status_code == 422


def test_a_text_cannot_break_out_of_its_cue(client: Any) -> None:
    segment = PLAIN.to_dict()["segments"][0]
    segment["words"][0]["word"] = "it\n\n9\n00:00:00,000 --> 00:00:09,000\tx"
    answer = client.post("/v1/render", json={"segments": [segment]})
    assert answer.text.count("\n\n") <= 2
    assert "\n9\n" not in answer.text

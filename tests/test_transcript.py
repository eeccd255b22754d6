"""Transcripts in every format."""

from __future__ import annotations

import json

import pytest

from asr.transcript import FORMATS, Segment, Transcript, Word

WORDS = (Word("hello", 0.5, 0.9, 0.99), Word("world", 3661.0004, 3661.5, 0.5))
TRANSCRIPT = Transcript("hello world", 3700.0, (Segment(0.5, 3661.5, "hello world", 0.745, WORDS),), "en")

EXPECTED = {
    "txt": "hello world\n",
    "srt": "1\n00:00:00,500 --> 01:01:01,500\nhello world\n",
    "vtt": "WEBVTT\n\n00:00:00.500 --> 01:01:01.500\nhello world\n",
    "tsv": "start\tend\tconfidence\ttext\n0.50\t3661.50\t0.745\thello world\n",
    "ctm": "talk 1 0.50 0.40 hello 0.990\ntalk 1 3661.00 0.50 world 0.500\n",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_formats(name: str) -> None:
    assert TRANSCRIPT.render(name, "talk") == EXPECTED[name]
    assert set(EXPECTED) | {"json"} == set(FORMATS)


def test_json_has_the_promised_keys() -> None:
    content = json.loads(TRANSCRIPT.render("json"))
    assert set(content) == {"text", "duration_s", "segments", "model"}
    assert set(content["segments"][0]) == {"start", "end", "text", "confidence", "words"}
    assert content["segments"][0]["words"][0] == {"word": "hello", "start": 0.5, "end": 0.9, "confidence": 0.99}


def test_nothing_said() -> None:
    silent = Transcript("", 1.0, (), "en")
    assert silent.render("txt") == "\n"
    assert silent.render("vtt") == "WEBVTT\n"
    assert silent.words == ()

"""Transcripts in every format."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from asr.speech.transcripts.transcript import (
    FORMATS,
    Alternative,
    Segment,
    Transcript,
    Word,
    merge_channels,
    read_transcript,
)
from asr.speech.transcripts.writing import WritingConfig, write_transcript

WORDS = (Word("hello", 0.5, 0.9, 0.99), Word("world", 3661.0004, 3661.5, 0.5))
TRANSCRIPT = Transcript(
    "hello world", 3700.0, (Segment(0.5, 3661.5, "hello world", 0.745, WORDS),), "en"
)

EXPECTED = {
    "txt": "hello world\n",
    "srt": "1\n00:00:00,500 --> 00:00:01,333\nhello\n\n2\n01:01:01,000 --> 01:01:01,833\nworld\n",
    "vtt": "WEBVTT\n\n00:00:00.500 --> 00:00:01.333\nhello\n"
    "\n01:01:01.000 --> 01:01:01.833\nworld\n",
    "tsv": "start\tend\tconfidence\ttext\n0.50\t3661.50\t0.745\thello world\n",
    "ctm": "talk 1 0.50 0.40 hello 0.990\ntalk 1 3661.00 0.50 world 0.500\n",
}


@pytest.mark.parametrize("name", EXPECTED)
def test_formats(name: str) -> None:
    assert TRANSCRIPT.render(name, "talk") == EXPECTED[name]
    assert set(EXPECTED) | {"json", "rttm"} == set(FORMATS)


def test_json_has_the_promised_keys() -> None:
    content = json.loads(TRANSCRIPT.render("json"))
    assert set(content) == {"text", "duration_s", "segments", "model"}
    assert set(content["segments"][0]) == {"start", "end", "text", "confidence", "words"}
    assert content["segments"][0]["words"][0] == {
        "word": "hello",
        "start": 0.5,
        "end": 0.9,
        "confidence": 0.99,
    }


def test_nothing_said() -> None:
    silent = Transcript("", 1.0, (), "en")
    assert silent.render("txt") == "\n"
    assert silent.render("vtt") == "WEBVTT\n"
    assert silent.words == ()


def spoken(text: str, start: float = 0.0, step: float = 0.4) -> Segment:
    words = tuple(
        Word(w, start + step * i, start + step * i + 0.3, 0.9) for i, w in enumerate(text.split())
    )
    return Segment(words[0].start, words[-1].end, text, 0.9, words)


def test_channels_apart() -> None:
    left = Transcript("a b", 9.0, (spoken("a", 0.0), spoken("b", 5.0)), "en")
    right = Transcript("c", 9.0, (spoken("c", 2.0),), "en")
    both = merge_channels([left, right])
    assert both.text == "a c b"
    assert both.to_txt() == "0: a\n1: c\n\n0: b\n"  # the empty line is a long pause
    assert both.to_ctm("two words").splitlines()[1] == "two_words 2 2.00 0.30 c 0.900"
    assert [s["channel"] for s in json.loads(both.to_json())["segments"]] == [0, 1, 0]
    assert both.to_tsv().splitlines()[:2] == [
        "start\tend\tconfidence\tchannel\ttext",
        "0.00\t0.30\t0.900\t0\ta",
    ]
    assert "<v Channel 1>c" in both.to_vtt()


def test_alternatives_are_written_where_they_were_asked_for() -> None:
    other = Alternative("jello", 0.2, -3.0, (Word("jello", 0.5, 0.9, 0.2),))
    segment = Segment(0.5, 0.9, "hello", 0.9, (Word("hello", 0.5, 0.9, 0.9),), (other,))
    content = json.loads(Transcript("hello", 1.0, (segment,), "en").to_json())
    assert content["segments"][0]["alternatives"][0]["words"][0]["confidence"] == 0.2


def test_paragraphs_end_at_long_pauses() -> None:
    parts = spoken("a b", 0.0), spoken("c", 2.0), spoken("d", 4.3), spoken("e", 5.0)
    assert Transcript("a b c d e", 9.0, parts, "en").to_txt() == "a b c\n\nd e\n"


def test_written_text_stands_beside_the_words() -> None:
    segment = spoken("it cost five hundred dollars in may")
    plain = Transcript(segment.text, 9.0, (segment, Segment(4, 5, "", 0, ())), "en")
    written = write_transcript(plain, WritingConfig(numbers=True))
    assert write_transcript(plain, WritingConfig()) is plain
    assert (written.text, written.words) == (plain.text, plain.words)
    assert written.readable == "it cost $500 in may"
    content = json.loads(written.to_json())
    assert content["written"] == written.readable
    assert content["text"] == plain.text
    assert "written" not in content["segments"][1]
    tokens = content["segments"][0]["written"]["tokens"]
    assert tokens[2] == {
        "text": "$500",
        "start": 0.8,
        "end": pytest.approx(1.9),
        "confidence": 0.9,
        "first_word": 2,
        "stop_word": 5,
        "mark": "",
    }
    assert written.to_txt().startswith("it cost $500")
    assert "it cost $500" in written.to_srt()
    assert written.to_ctm().count("\n") == len(plain.words)
    assert "written" not in json.loads(plain.to_json())


def test_a_pause_ends_a_number() -> None:
    words = (Word("twenty", 0.0, 0.4, 1.0), Word("five", 1.5, 1.9, 1.0))
    transcript = Transcript("twenty five", 2.0, (Segment(0, 2, "twenty five", 1, words),), "en")
    assert write_transcript(transcript, WritingConfig(numbers=True)).readable == "20 five"


def test_written_text_follows_the_clock_the_confidence_and_json() -> None:
    words = tuple(
        Word(w, n / 2, n / 2 + 0.4, c)
        for n, (w, c) in enumerate(
            [
                ("so", 0.9),
                ("five", 0.9),
                ("hundred", 0.1),
                ("dollars", 0.9),
                ("at", 0.2),
                ("nine", 0.9),
            ]
        )
    )
    text = " ".join(w.word for w in words)
    plain = Transcript(text, 3.0, (Segment(0.0, 2.9, text, 0.6, words),), "en")
    written = write_transcript(plain, WritingConfig(numbers=True))
    assert read_transcript(json.loads(written.to_json()) | {}) == written
    later = written.from_file(10.0, ())
    token = later.segments[0].written.tokens[1] if later.segments[0].written else None
    assert token is not None
    assert (token.text, token.start, token.end) == ("$500", 10.5, 11.9)
    sure = written.confident(0.5)
    assert (sure.readable, sure.text) == ("so five dollars nine", "so five dollars nine")
    tokens = sure.segments[0].written.tokens if sure.segments[0].written else ()
    assert [(t.first_word, t.stop_word) for t in tokens] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert written.confident(0.05).segments == written.segments


def test_chinese_words_are_joined_without_spaces() -> None:
    words = tuple(Word(char, i, i + 0.5, 0.9) for i, char in enumerate("你好吗"))
    segment = Segment(0.0, 2.5, "你好吗", 0.9, words)
    later = replace(segment, start=3.0, end=5.5)
    transcript = Transcript("你好吗你好吗", 6.0, (segment, later), "zh")
    assert transcript.readable == "你好吗你好吗"
    assert transcript.to_txt() == "你好吗你好吗\n"
    less = replace(segment, words=(*words[:2], replace(words[2], confidence=0.1)))
    assert Transcript("你好吗", 3.0, (less,), "zh").confident(0.5).text == "你好"

"""Subtitles keep to their rules, as independent parsers read them."""

from __future__ import annotations

import functools
import itertools
import random
import re
from datetime import timedelta
from io import StringIO

import pytest
import srt
import webvtt

from asr.errors import ConfigError
from asr.speech.transcripts.subtitles import Piece, SubtitleConfig, arrange, to_srt, to_vtt
from asr.speech.transcripts.transcript import Segment, Transcript, Word, merge_channels
from asr.speech.transcripts.writing import WritingConfig, write_transcript

SYLLABLES = ["a", "be", "con", "ter", "li", "mo", "strat", "en", "ing", "for", "us", "al", "quick"]
NUMBERS = ["twenty one", "five hundred dollars", "may fifth nineteen sixty seven", "b b c"]
NUMBERS += ["seven thirty p m", "two point five million", "ten percent"]


@functools.cache
def hour(seed: int, seconds: float = 3600.0) -> Transcript:
    """A recording with fast and slow speech, pauses and numbers; up to 16 characters a second."""
    rng, at, segments = random.Random(seed), 0.5, []
    while at < seconds - 40:
        words: list[Word] = []
        pace = rng.uniform(0.065, 0.11)  # seconds a character
        for _ in range(rng.randint(1, 60)):
            said = "".join(rng.choices(SYLLABLES, k=rng.randint(1, 4)))
            said = rng.choice(NUMBERS) if rng.random() < 0.05 else said
            for word in said.split():
                lasts = max(0.12, pace * (len(word) + 1))
                words.append(Word(word, round(at, 3), round(at + lasts * 0.9, 3), 0.9))
                at += lasts
            at += rng.choice([0.0] * 6 + [0.2, 0.5, 1.1])
        text = " ".join(word.word for word in words)
        segments.append(Segment(words[0].start, words[-1].end, text, 0.9, tuple(words)))
        at += rng.choice([0.3, 0.6, 1.0, 3.0, 8.0])
    text = " ".join(segment.text for segment in segments)
    return write_transcript(
        Transcript(text, seconds, tuple(segments), "en"), WritingConfig(numbers=True)
    )


def check(cues: list[srt.Subtitle], words: str, config: SubtitleConfig) -> None:
    """Every rule holds, and no word is lost."""
    assert " ".join(cue.content for cue in cues).split() == words.split()
    for cue in cues:
        lines, lasts = cue.content.split("\n"), (cue.end - cue.start).total_seconds()
        assert len(lines) <= config.max_line_count
        assert max(map(len, lines)) <= config.max_line_width
        assert config.min_seconds - 1e-3 <= lasts <= config.max_seconds + 1e-3
        assert len(cue.content) / lasts <= config.max_characters_per_second * 1.001
    for one, other in itertools.pairwise(cues):
        assert other.start - one.end >= timedelta(seconds=config.gap_seconds)


@pytest.mark.parametrize(
    "config",
    [
        SubtitleConfig(),
        SubtitleConfig(max_line_width=37, max_characters_per_second=18.0),
        SubtitleConfig(max_line_width=60, max_line_count=1),
        SubtitleConfig(max_line_width=32, max_line_count=3, gap_seconds=0.2),
    ],
)
def test_an_hour_breaks_no_rule_and_loses_no_word(config: SubtitleConfig) -> None:
    transcript = hour(1)
    cues = list(srt.parse(transcript.to_srt(config), ignore_errors=False))
    assert len(cues) > 500
    check(cues, transcript.readable, config)
    captions = webvtt.from_buffer(StringIO(transcript.to_vtt(config))).captions
    stamps = [srt.timedelta_to_srt_timestamp(cue.start).replace(",", ".") for cue in cues]
    assert [c.start for c in captions] == stamps
    assert [c.text for c in captions] == [cue.content for cue in cues]


def test_no_break_inside_numbers_and_names() -> None:
    transcript = hour(2, 900.0)
    numbers = {t.text for s in transcript.segments if s.written for t in s.written.tokens}
    lines = transcript.to_srt().split("\n")
    for number in (text for text in numbers if " " in text):
        assert sum(line.count(number) for line in lines) == transcript.readable.count(number)
    names = pieces(
        "then we met Anna Maria Rossi of Palo Alto and Miguel de Cervantes Saavedra " * 9
    )
    for cue in arrange(names, SubtitleConfig(max_line_width=24)):
        lines = [" ".join(p.text for p in line) for line in cue.lines]
        assert all(("Anna" in line) == ("Rossi" in line) for line in lines)
        assert all(("Palo" in line) == ("Alto" in line) for line in lines)


def pieces(text: str, ms: int = 400) -> list[Piece]:
    return [
        Piece(word, ms * n, ms * n + ms - 50, word[-1] if word[-1] in ".,?" else "")
        for n, word in enumerate(text.split())
    ]


def test_cues_end_at_sentences_and_lines_not_after_articles() -> None:
    text = "this is where it ends. and here begins another one, the longest of the three. yes."
    cues = arrange(pieces(text), SubtitleConfig())
    ends = [cue.lines[-1][-1].text for cue in cues]
    assert ends[0] == "ends."
    assert "three." in ends
    lasts = [line[-1].text for cue in cues for line in cue.lines]
    assert not {"the", "of", "and"} & set(lasts)


def test_words_a_line() -> None:
    cues = arrange(
        pieces("one two three four five six seven"), SubtitleConfig(max_words_per_line=2)
    )
    assert all(len(line) <= 2 for cue in cues for line in cue.lines)
    single = SubtitleConfig(max_words_per_line=1, max_line_count=1)
    assert len(arrange(pieces("one two three"), single)) == 3


def test_speech_too_fast_to_read_loses_nothing() -> None:
    fast = pieces("unreadably fast conversation happening everywhere " * 50, ms=100)
    cues = arrange(fast, SubtitleConfig())
    assert [p for cue in cues for line in cue.lines for p in line] == fast
    assert all(a.end < b.start for a, b in itertools.pairwise(cues))
    assert all(a.start < a.end for a in cues)


def test_odd_words() -> None:
    assert arrange([], SubtitleConfig()) == []
    assert Transcript("", 1.0, (), "en").to_srt() == ""
    long = Piece("a" * 200, 0, 60_000)
    (cue,) = arrange([long], SubtitleConfig())
    assert (cue.lines, cue.end - cue.start) == (((long,),), 7000)
    at_once = [Piece(f"w{n}", 5, 5) for n in range(300)]
    cues = arrange(at_once, SubtitleConfig())
    assert sum(len(line) for cue in cues for line in cue.lines) == 300
    assert all(a.end < b.start for a, b in itertools.pairwise(cues))


def test_karaoke() -> None:
    config = SubtitleConfig(highlight_words=True)
    transcript = hour(3, 300.0)
    plain = list(srt.parse(transcript.to_srt()))
    caption = webvtt.from_buffer(StringIO(transcript.to_vtt(config))).captions
    assert [c.text for c in caption] == [cue.content for cue in plain]
    for c in caption:
        times = re.findall(r"<(\d\d:\d\d:\d\d\.\d{3})><c>", c.raw_text)
        assert times == sorted(set(times))
        assert all(c.start < time < c.end for time in times)
        assert len(times) >= len(c.text.split()) // 2 - 1
    marked = list(srt.parse(transcript.to_srt(config)))
    assert all(cue.content.count("<u>") == 1 for cue in marked)
    said = " ".join(re.findall(r"<u>(.*?)</u>", " ".join(cue.content for cue in marked)))
    assert said == transcript.readable
    assert all(a.end <= b.start for a, b in itertools.pairwise(marked))


def test_channels_are_marked_and_each_keeps_the_rules() -> None:
    both = merge_channels([hour(4, 300.0), hour(5, 300.0)])
    cues = list(srt.parse(both.to_srt(), ignore_errors=False))
    assert all(a.start <= b.start for a, b in itertools.pairwise(cues))
    for channel in range(2):
        own = [cue for cue in cues if cue.content.startswith(f"{channel}: ")]
        words = " ".join(s.readable for s in both.segments if s.channel == channel)
        assert " ".join(cue.content[3:] for cue in own).split() == words.split()
        assert all(a.end < b.start for a, b in itertools.pairwise(own))
        assert max(len(line) for cue in own for line in cue.content.split("\n")) <= 42
    captions = webvtt.from_buffer(StringIO(both.to_vtt())).captions
    assert {c.voice for c in captions} == {"Channel 0", "Channel 1"}


def test_marks_of_the_formats_are_escaped() -> None:
    words = (Word("<b>&", 0.0, 1.0, 1.0), Word("-->", 1.0, 2.0, 1.0))
    transcript = Transcript("<b>& -->", 2.0, (Segment(0, 2, "<b>& -->", 1, words),), "en")
    assert "&lt;b&gt;&amp; --&gt;" in transcript.to_vtt()
    assert transcript.to_srt().count("-->") == 1


@pytest.mark.parametrize(
    "rules",
    [
        {"max_line_width": 0},
        {"max_line_count": 0},
        {"max_words_per_line": 0},
        {"max_characters_per_second": 0.0},
        {"gap_seconds": -1.0},
        {"min_seconds": 8.0},
        {"min_seconds": 0.0},
    ],
)
def test_impossible_rules(rules: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        SubtitleConfig(**rules)  # type: ignore[arg-type]


def test_chinese_has_no_spaces_and_wide_characters() -> None:
    text = "今天的天气非常好我们一起去公园里散步然后到城里的餐厅吃晚饭"
    pieces = [Piece(char, 200 * i, 200 * i + 180) for i, char in enumerate(text)]
    cues = arrange(pieces, SubtitleConfig())
    lines = ["".join(piece.text for piece in line) for cue in cues for line in cue.lines]
    assert "".join(lines) == text
    assert max(map(len, lines)) <= 21
    assert not any(line[0] in "的了们" for line in lines)
    assert " " not in to_srt(cues, SubtitleConfig()).split("\n")[2]
    marked = to_srt(cues, SubtitleConfig(highlight_words=True))
    assert "今<u>天</u>的" in marked


def test_chinese_beside_latin_has_spaces() -> None:
    words = ("用", "python", "写", "程", "序，", "很", "快")
    pieces = [Piece(word, 300 * i, 300 * i + 250) for i, word in enumerate(words)]
    assert "用 python 写程序，很快" in to_vtt(arrange(pieces, SubtitleConfig()), SubtitleConfig())

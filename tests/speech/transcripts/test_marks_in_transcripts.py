"""Transcripts with marks and capitals, by a small text model and by the one that comes along."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import asr
from asr.cli import app
from asr.errors import ModelError
from asr.language.punctuation.restorer import Restorer
from asr.model_folder import open_bundle, pretrained_folders
from asr.speech.transcripts.transcript import Segment, Transcript, Word, merge_channels
from asr.speech.transcripts.writing import AUTO, Writer, WritingConfig

SAID = ("where is the doctor", "he is in london and he", "paid twenty five dollars")
CONFIG = WritingConfig(text_model="en-text", numbers=True)


def segment(text: str, start: float) -> Segment:
    words = tuple(
        Word(word, start + n, start + n + 0.5, 0.5) for n, word in enumerate(text.split())
    )
    return Segment(start, start + len(words), text, 0.5, words)


def transcript(*texts: str) -> Transcript:
    segments = tuple(segment(text, 10.0 * number) for number, text in enumerate(texts))
    return Transcript(" ".join(texts), 100.0, segments, "en")


@pytest.fixture(scope="module")
def writer() -> Writer:
    return Writer(CONFIG)


def test_marks_go_over_segments_and_numbers_come_after_them(writer: Writer) -> None:
    plain = transcript(*SAID)
    written = writer.write(plain)
    assert written.readable == "Where is the doctor? He is in London, and he paid $25."
    assert (written.text, written.words) == (plain.text, plain.words)
    for part in written.segments:
        assert part.written is not None
        places = [(t.first_word, t.stop_word) for t in part.written.tokens]
        assert places[0][0] == 0
        assert [stop for _, stop in places[:-1]] == [first for first, _ in places[1:]]
        assert places[-1][1] == len(part.words)
        for token in part.written.tokens:
            assert token.start == part.words[token.first_word].start
            assert token.end == part.words[token.stop_word - 1].end
    assert [t.mark for t in written.segments[0].written.tokens] == ["", "", "", "?"]  # type: ignore[union-attr]


def test_channels_are_read_apart(writer: Writer) -> None:
    left, right = writer.write(transcript("where is")), writer.write(transcript("yes"))
    texts = [part.readable for part in merge_channels([left, right]).segments]
    assert texts[0].startswith("Where is")
    assert texts[1] == "Yes."


def test_empty_and_foreign_segments(writer: Writer) -> None:
    assert writer.write(transcript()).readable == ""
    silent = Transcript("", 1.0, (Segment(0.0, 0.0, "", 0.0, ()),), "en")
    assert writer.write(silent).readable == ""
    assert writer.write(transcript("你 好", "是")).readable == "你好是"
    assert writer.write(transcript("hello")).readable == "Hello."


def test_a_stream_reads_on(writer: Writer) -> None:
    stream = writer.stream()
    assert stream.write(()) is None
    parts = [
        stream.write(segment(text, 0.0).words, ends)
        for text, ends in zip(SAID, (True, False, True), strict=True)
    ]
    texts = [part.text for part in parts if part is not None]
    assert texts[0].lower() == "where is the doctor?"
    assert texts[1].startswith("He is in London")
    assert not texts[1].endswith(".")
    assert texts[2] == "paid $25."
    assert Writer(WritingConfig()).stream().write(segment("a", 0.0).words) is None


def test_models_name_their_text_model() -> None:
    folders = pretrained_folders()
    for name in ("en", "en-streaming", "zh", "zh-streaming"):
        assert open_bundle(folders[name]).config["text_model"] == f"{name[:2]}-text"
    assert Writer(WritingConfig(AUTO), open_bundle(folders["en"])).restorer is not None
    assert Writer(WritingConfig(AUTO), open_bundle(folders["an4"])).is_plain
    assert Writer(WritingConfig(AUTO)).is_plain
    with pytest.raises(ModelError, match="no model 'nothing'"):
        Writer(WritingConfig("nothing"))
    with pytest.raises(ModelError, match="needed is one for 'punctuate'"):
        Writer(WritingConfig("an4"))


def test_the_model_that_comes_along_writes_sentences() -> None:
    restorer = Restorer.load("en-text")
    said = "hello my name is john smith i live in new york what is your name"
    written = restorer.write(said.split())
    assert written.endswith("What is your name?")
    for name in ("John Smith", "New York", " I "):
        assert name in written
    folder = pretrained_folders()["en-text"]
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 6e6
    assert (folder / "CARD.md").is_file()


@pytest.fixture(scope="module")
def chinese() -> Restorer:
    return Restorer.load("zh-text")


def test_the_chinese_model_that_comes_along_writes_sentences(chinese: Restorer) -> None:
    said = "你好请问你知道北京有什么好玩的地方吗我想明天去"
    written = chinese.write([said])
    assert "地方吗？" in written
    assert written.endswith("去。")
    assert bare(written) == said
    folder = pretrained_folders()["zh-text"]
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 6e6
    assert {path.name for path in folder.iterdir()} >= {"CARD.md", "punctuation.onnx"}


def bare(written: str) -> str:
    return "".join(char for char in written if char not in "，。？ ")


@pytest.mark.parametrize(
    "said",
    [
        "",
        "好",
        "hello world",
        "我用 Python 写程序",
        "你知道這個地方嗎",
        "龘靐" * 20,
        "今天天气好" * 2000,
    ],
    ids=["empty", "one", "English", "mixed", "traditional", "rare", "10,000"],
)
def test_unusual_chinese_text(chinese: Restorer, said: str) -> None:
    words = said.split()
    written = chinese.restore(words)
    assert [word.text for word in written] == words
    assert {word.mark for word in written} <= {"", "，", "。", "？"}
    assert not words or written[-1].mark in ("。", "？")
    assert bare(chinese.write(words)) == said.replace(" ", "")


def test_traditional_characters_count_as_simplified_ones(chinese: Restorer) -> None:
    simplified, traditional = "你知道这个地方吗我们去过很多次", "你知道這個地方嗎我們去過很多次"
    marks = [[w.mark for w in chinese.restore(list(said))] for said in (simplified, traditional)]
    assert marks[0] == marks[1]
    assert "？" in marks[0]


def test_times_of_chinese_words_are_kept() -> None:
    writer = Writer(WritingConfig(AUTO), open_bundle(pretrained_folders()["zh"]))
    parts = (segment("他 是 中国 著名 的 政治家", 0.0), segment("你 知道 吗", 10.0))
    before = Transcript("他是中国著名的政治家你知道吗", 20.0, parts, "zh")
    after = writer.write(before)
    assert bare(after.readable) == before.text
    assert after.readable.endswith("吗？")
    assert (after.text, after.words) == (before.text, before.words)
    for part in after.segments:
        assert part.written is not None
        times = [(token.start, token.end) for token in part.written.tokens]
        assert times == [(word.start, word.end) for word in part.words]


def test_flags_that_contradict() -> None:
    result = CliRunner().invoke(
        app, ["transcribe", "a.wav", "--no-punctuation", "--text-model", "en-text"]
    )
    assert result.exit_code == 2
    assert "--text-model" in result.output


def test_python_has_plain_words_unless_asked(tmp_path: Path) -> None:
    assert asr.load_model("en").builder.writer.is_plain
    model = asr.load_model("en", writing=WritingConfig(text_model=AUTO))
    assert model.builder.writer.restorer is not None

"""Chinese marks: what is read of written text, and what a small model restores."""

from __future__ import annotations

import random

import pytest
from typer.testing import CliRunner

import asr
from asr.catalogue import train
from asr.cli import app
from asr.language.punctuation.chinese import (
    CHINESE_MARKS,
    ChineseReader,
    characters_of,
    word_ends,
)
from asr.run_folder import read_metrics

CONFIG = """
task: punctuate
data: {language: zh, shortest: 8, longest: 40, max_batch_words: 600, words_per_epoch: 0}
model: {dim: 16, hidden_dim: 16, num_layers: 1, dropout: 0.0}
optimizer: {lr: 0.03}
trainer: {max_epochs: 4, precision: fp32, threads: 1}
"""
SENTENCES = (
    "你知道{}吗？",
    "{}在哪里？",
    "我去过{}，很喜欢。",
    "没有人知道{}。",
    "看见了{}，就走了。",
)
NAMES = ("罗马", "巴黎", "北京", "长安街")


def read(paragraph: str) -> list[str]:
    return [
        "".join(word.spoken + CHINESE_MARKS[word.mark] for word in sentence)
        for sentence in ChineseReader().read(paragraph)
    ]


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("你好，我叫李明。你呢？", ["你好，我叫李明。", "你呢？"]),
        ("在2008年，花了3.5元！", ["在二零零八年，花了三点五元。"]),
        ("《红楼梦》、〈祝福〉；好……对吗?", ["红楼梦，祝福，好。", "对吗？"]),
        ("他说：“来吧！”", ["他说，来吧。"]),
        ("簡體字。", ["简体字。"]),
    ],
)
def test_marks_of_written_text(written: str, spoken: list[str]) -> None:
    if "簡" in written:
        pytest.importorskip("opencc")
    assert read(written) == spoken


def test_sentences_of_other_scripts_are_counted() -> None:
    reader = ChineseReader()
    assert ["".join(w.spoken for w in s) for s in reader.read("好的。Hello。走。")] == [
        "好的",
        "走",
    ]
    assert (reader.skipped, reader.sentences) == (1, 3)


def test_characters_of_words() -> None:
    words = ["今天", "python", "好", "天气"]
    assert characters_of(words) == ["今", "天", "python", "好", "天", "气"]
    assert word_ends(words) == [1, 2, 3, 5]
    assert word_ends([]) == []
    assert characters_of(["用python写", ""]) == ["用", "python", "写", ""]
    assert word_ends(["用python写", ""]) == [2, 3]


@pytest.fixture(scope="module")
def restorer(tmp_path_factory: pytest.TempPathFactory) -> asr.Restorer:
    """A small model, exported in 8 bits."""
    folder = tmp_path_factory.mktemp("chinese")
    for name, count, seed in (("train", 220, 1), ("dev", 20, 2), ("test", 20, 3)):
        rng = random.Random(seed)
        lines = [
            "".join(rng.choice(SENTENCES).format(rng.choice(NAMES)) for _ in range(6))
            for _ in range(count)
        ]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "c.yaml").write_text(CONFIG)
    given = [f"data.{name}={folder / name}.txt" for name in ("train", "dev")]
    given += [f"data.test.talks={folder / 'test.txt'}", f"output_dir={folder / 'run'}"]
    train(folder / "c.yaml", given)
    metrics = read_metrics(folder / "run")
    for name in ("comma", "full_stop", "question"):
        assert metrics[f"talks/{name}"].value > 0.97
    output = str(folder / "text")
    made = CliRunner().invoke(
        app, ["export", str(folder / "run"), "--format", "onnx-int8", "-o", output]
    )
    assert made.exit_code == 0, made.output
    return asr.Restorer.load(folder / "text")


def test_marks_are_restored(restorer: asr.Restorer) -> None:
    words = ["你", "知道", "罗马", "吗", "我", "去过", "巴黎", "很", "喜欢"]
    written = "你知道罗马吗？我去过巴黎，很喜欢。"
    assert "".join(map(str, restorer.restore(words))) == written
    assert restorer.write(["你知道罗马吗我去过巴黎很喜欢"]) == written
    assert restorer.restore([]) == []


def test_traditional_characters_get_the_marks_of_simplified_ones(restorer: asr.Restorer) -> None:
    pytest.importorskip("opencc")
    assert restorer.write(["你知道羅馬嗎沒有人知道北京"]) == "你知道羅馬嗎？沒有人知道北京。"


def test_unusual_input(restorer: asr.Restorer) -> None:
    assert restorer.write([]) == ""
    assert restorer.write(["我"]) in ("我。", "我？")
    assert restorer.write(["python"]).rstrip("。？") == "python"
    written = restorer.write(["我去过", "New York", "很喜欢"])
    assert [char for char in written if char not in "，。？ "] == list("我去过NewYork很喜欢")
    assert "New York" in written
    sentences = "你知道罗马吗我去过巴黎很喜欢" * 720
    assert restorer.write([sentences]).count("吗？") > 700
    assert [word.text for word in restorer.restore(list(sentences))] == list(sentences)


def test_marks_come_with_a_stream(restorer: asr.Restorer) -> None:
    stream = restorer.stream(lookahead=4)
    words = ["你", "知道", "罗马", "吗", "我", "去过", "巴黎", "很", "喜欢"]
    written = [word for one in words for word in stream.push([one])]
    written += stream.finish()
    assert "".join(map(str, written)) == "你知道罗马吗？我去过巴黎，很喜欢。"

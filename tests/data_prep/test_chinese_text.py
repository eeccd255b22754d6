"""Sentences of Chinese text, and what is held out of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from asr.errors import DataError
from data_prep.chinese_text import chinese_sentences, clean_chinese

HELD_OUT = "这个句子是测试说话人读过的"


def test_sentences() -> None:
    text = "「你好！」他說。共３個；Wi-Fi很慢。…是"
    assert list(chinese_sentences(text)) == ["你 好", "他 说", "共 三 个"]


def test_held_out_sentences_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        f"{HELD_OUT}。",
        f"他说{HELD_OUT}，对吗？",
        "这个句子是别人写的。",
        "另外一句。另外一句！",
    ]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    (tmp_path / "b.txt").write_text("另外一句。新的一句。")
    paths = clean_chinese([tmp_path / "a.txt", tmp_path / "b.txt"], [HELD_OUT], tmp_path / "out")
    assert [path.read_text() for path in paths] == [
        "这 个 句 子 是 别 人 写 的\n另 外 一 句\n",
        "新 的 一 句\n",
    ]
    assert "a.txt: 2 sentences, 1 like held-out ones" in capsys.readouterr().err
    (tmp_path / "c.txt").write_text("nothing Chinese")
    with pytest.raises(DataError, match="No sentence"):
        clean_chinese([tmp_path / "c.txt"], [], tmp_path / "out")

"""Segmentation of Chinese text into words."""

from __future__ import annotations

from pathlib import Path

from data_prep.segmentation import segmented, write_dictionary


def test_words_are_apart_and_nothing_is_lost(tmp_path: Path) -> None:
    text = "我 们 去 银 行\n用 dna 分 析 a b\n"
    (tmp_path / "text.txt").write_text(text)
    [output] = segmented([tmp_path / "text.txt"], tmp_path / "words")
    assert output.read_text() == "我们 去 银行\n用 dna 分析 a b\n"


def test_the_dictionary_has_words_as_often_as_they_are_frequent(tmp_path: Path) -> None:
    words = write_dictionary(tmp_path / "dictionary.txt").read_text().split()
    assert words.count("我们") > words.count("银行") > 0

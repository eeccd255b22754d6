"""Pronouncing dictionaries of characters: against pypinyin's own initials and finals."""

from __future__ import annotations

from pathlib import Path

import pypinyin
import pytest

from asr.errors import DataError
from data_prep.pinyin import (
    LETTERS,
    character_lexicon,
    in_units,
    standard_characters,
    syllable_phones,
    word_lexicon,
)

Style = pypinyin.Style


def test_syllables_agree_with_pypinyin() -> None:
    """Its strict finals are ours, but for the glide that y and w are, and the two vowels i."""
    for character in standard_characters()[:3755]:
        options = {"neutral_tone_with_five": True, "errors": "ignore"}
        [syllable] = pypinyin.lazy_pinyin(character, Style.TONE3, **options)
        [initial] = pypinyin.lazy_pinyin(character, Style.INITIALS, **options)
        [final] = pypinyin.lazy_pinyin(character, Style.FINALS_TONE3, **options)
        phones = syllable_phones(syllable)
        if not final or character == "哟":  # 嗯, 呣; pypinyin leaves the glide of yo out
            continue
        vowel = phones[1][:-1] in ("ir", "iz")
        assert (f"i{phones[1][-1]}" if vowel else phones[1]) == final, character
        assert phones[0] == initial or phones[0] in ("y", "w", "ʔ"), character


def test_what_is_no_syllable_is_refused() -> None:
    with pytest.raises(DataError, match="hello"):
        syllable_phones("hello")


def test_readings_are_those_of_the_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text.txt").write_text("银 行 银 行 不 行\n长 城 长 江\n校 长 走 了\n")
    (tmp_path / "more.txt").write_text("堃 𠐤\n")
    lexicon = character_lexicon([tmp_path / "text.txt"], [tmp_path / "more.txt"])
    assert lexicon["行"] == (("h", "ang2"), ("x", "ing2"))
    assert lexicon["长"][0] == ("ch", "ang2")
    assert set(lexicon["地"]) == {("d", "i4"), ("d", "e5")}
    assert lexicon["堃"] == (("k", "uen1"),)
    assert set(standard_characters()) | LETTERS.keys() <= set(lexicon)
    assert "1 characters have no known reading: 𠐤" in capsys.readouterr().err


def test_words_are_read_as_phrases() -> None:
    characters = character_lexicon([])
    lexicon = word_lexicon(["银行", "一个", "hello", "堃堃"], characters)
    assert lexicon["银行"] == (("y", "in2", "h", "ang2"),)
    assert lexicon["一个"] == (("y", "i2", "g", "e4"),)
    assert set(lexicon) == {*characters, "银行", "一个"}


def test_other_units_are_whole_syllables_or_characters() -> None:
    characters = character_lexicon([])
    words = word_lexicon(["银行", "安全"], characters)
    assert in_units(words, "initials") is words
    syllables = in_units(words, "syllables")
    assert syllables["银行"] == (("yin2", "hang2"),)
    assert syllables["安全"] == (("ʔan1", "qvan2"),)
    assert set(syllables) == set(words)
    assert "安全" not in in_units(words, "syllables", known={"yin2", "hang2", "ʔan1"})
    spelt = in_units(words, "characters", known="银行安")
    assert spelt == {"银": (("银",),), "行": (("行",),), "安": (("安",),), "银行": (("银", "行"),)}

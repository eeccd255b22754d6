"""Chinese text: numbers as they are read, one script, words joined."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import MissingDependencyError
from asr.text.chinese import join_words, simplified, spoken_chinese
from asr.text.chinese_numbers import DIGITS, find_numbers, read_cardinal, read_numbers
from asr.text.writing import as_tokens, write_numbers

VALUES = {"十": 10, "百": 100, "千": 1000, "两": 2} | {d: n for n, d in enumerate(DIGITS)}


def value_of(read: str) -> int:
    """Return the number that was read, by splitting at the largest unit: an independent reader."""
    for unit, size in (("亿", 10**8), ("万", 10**4)):
        if unit in read:
            high, _, low = read.rpartition(unit)
            return value_of(high) * size + (value_of(low) if low else 0)
    total, digit = 0, 0
    for char in read:
        if VALUES[char] < 10:
            digit = VALUES[char]
        else:
            total, digit = total + (digit or 1) * VALUES[char], 0
    return total + digit


@given(st.integers(0, 10**16 - 1))
def test_cardinals_have_their_value(number: int) -> None:
    assert value_of(read_cardinal(number)) == number


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0", "零"),
        ("10", "十"),
        ("110", "一百一十"),
        ("10005", "一万零五"),
        ("20030", "两万零三十"),
        ("2000人", "两千人"),
        ("12个人", "十二个人"),
        ("2008年", "二零零八年"),
        ("2008-08-08", "二零零八年八月八日"),
        ("2:05", "两点零五分"),
        ("14:00", "十四点"),
        ("3.5%", "百分之三点五"),
        ("2‰", "千分之二"),
        ("3/4", "四分之三"),
        ("1,234.50元", "一千二百三十四点五零元"),
        ("-5~3度", "负五到三度"),
        ("13800138000", "一三八零零一三八零零零"),
        ("0755", "零七五五"),
        ("没有数字", "没有数字"),
    ],
)
def test_numbers_are_read(written: str, read: str) -> None:
    assert read_numbers(written) == read


@given(st.text("0123456789.,:/-%年月个 ", max_size=20))
def test_no_digit_is_left(text: str) -> None:
    assert not re.search(r"\d", read_numbers(text))


def test_words_are_joined_without_spaces_between_characters() -> None:
    assert join_words([]) == ""
    assert join_words(["今天", "天", "气"]) == "今天天气"
    assert join_words(["用", "python", "three", "写"]) == "用 python three 写"


def test_script_and_width_become_one() -> None:
    assert simplified("简体字 abc") == "简体字 abc"
    assert spoken_chinese("　臺灣有２２個縣市。") == "台湾有二十二个县市。"


def test_traditional_text_needs_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    from asr.text import chinese

    chinese._converter.cache_clear()
    monkeypatch.setitem(sys.modules, "opencc", None)
    assert simplified("简体字") == "简体字"
    with pytest.raises(MissingDependencyError, match="mandarin"):
        simplified("簡體字")


def written(text: str) -> str:
    return join_words(map(str, write_numbers(as_tokens(list(text)))))


@given(st.integers(10, 10**12 - 1))
def test_what_is_read_is_written(number: int) -> None:
    [(start, end, digits)] = find_numbers(read_cardinal(number)) or [(0, 1, str(number))]
    if len(read_cardinal(number)) > 1:
        assert (start, end) == (0, len(read_cardinal(number)))
        units = {"万": 10**4, "亿": 10**8}
        assert int(digits.rstrip("万亿")) * units.get(digits[-1], 1) == number


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("二零零八年八月八日", "2008年八月八日"),
        ("一九九八年十二月", "1998年12月"),
        ("增长百分之三点五", "增长3.5%"),
        ("百分之五", "5%"),
        ("三百万人", "300万人"),
        ("两万零三百", "20300"),
        ("一百二", "120"),
        ("一万二", "12000"),
        ("圆周率是三点一四", "圆周率是3.14"),
        ("电话幺三八零零", "电话幺3800"),
        ("我们一起去", "我们一起去"),
        ("三四个人", "三四个人"),
        ("万一下雨", "万一下雨"),
        ("千万别去", "千万别去"),
        ("十分好", "十分好"),
        ("三个人", "三个人"),
    ],
)
def test_numbers_are_written_as_people_do(said: str, expected: str) -> None:
    assert written(said) == expected


def test_written_numbers_know_their_words() -> None:
    [year, unit] = write_numbers(as_tokens(list("二零零八年")))
    assert (year.text, year.start, year.stop) == ("2008", 0, 4)
    assert (unit.text, unit.start) == ("年", 4)
    [kept] = write_numbers(as_tokens(["二百五十"]))
    assert kept.text == "250"

"""Chinese text: one script, one width, numbers as they are read, characters apart or together."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from asr.errors import require
from asr.text.chinese_numbers import read_numbers

__all__ = [
    "chinese_pieces",
    "is_ideograph",
    "join_words",
    "simplified",
    "spoken_chinese",
    "traditional_forms",
]

_ACRONYM = re.compile(r"(?<![A-Za-z])[A-Z]{2,5}(?![A-Za-z])")
# Unified ideographs, extensions A and B to H, compatibility ideographs, and the zero.
_IDEOGRAPHS = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_MARKS = "\u3000-\u3006\u3008-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"  # CJK
_IDEOGRAPH = re.compile(f"[{_IDEOGRAPHS}]")
_PIECE = re.compile(f"[{_IDEOGRAPHS}]|[^{_IDEOGRAPHS}]+")
_NO_SPACE = re.compile(
    f"(?<=[{_IDEOGRAPHS}]) (?=[{_IDEOGRAPHS}0-9])|(?<=[0-9%]) (?=[{_IDEOGRAPHS}])"
    f"|(?<=[{_MARKS}]) | (?=[{_MARKS}])"
)
_ZEROS = str.maketrans("〇○", "零零")


def is_ideograph(char: str) -> bool:
    """Return whether a character is Chinese (a unified or compatibility ideograph, or 〇)."""
    return _IDEOGRAPH.fullmatch(char) is not None


def chinese_pieces(word: str) -> list[str]:
    """Return the Chinese characters of a word, and what stands between them whole.

    Example:
        >>> chinese_pieces("用python写")
        ['用', 'python', '写']
    """
    return _PIECE.findall(word) or [word]


def join_words(words: Iterable[str]) -> str:
    """Return words as a text: a space between two, but none beside a Chinese character or mark.

    Between Chinese and Latin letters there is a space, as typographers set it, but not between
    Chinese and digits.

    Example:
        >>> join_words(["你", "好，", "hello", "world"]), join_words(["用", "python", "写"])
        ('你好，hello world', '用 python 写')
    """
    text = " ".join(words)
    return text if text.isascii() else _NO_SPACE.sub("", text)


def simplified(text: str) -> str:
    """Return Chinese text in simplified characters (OpenCC's tables).

    Text whose characters are all in GB 2312, the standard set of simplified Chinese, is left as it
    is, and needs no package.

    Raises:
        MissingDependencyError: there are other characters, and OpenCC is not installed.

    Example:
        >>> simplified("簡體字")
        '简体字'
    """
    chinese = "".join(filter(is_ideograph, text))
    try:
        chinese.encode("gb2312")
    except UnicodeEncodeError:
        converted: str = _converter().convert(text)
        return converted
    return text


def traditional_forms(characters: Iterable[str]) -> dict[str, str]:
    """Return the traditional characters that become one of these, each with what it becomes.

    Raises:
        MissingDependencyError: OpenCC is not installed.

    Example:
        >>> traditional_forms("简体")
        {'簡': '简', '體': '体'}
    """
    known = set(characters)
    block = (chr(code) for code in range(0x4E00, 0xA000))
    converted = {char: simplified(char) for char in block if char not in known}
    return {char: simple for char, simple in converted.items() if simple in known}


@functools.cache
def _converter() -> Any:
    return require("opencc", "mandarin").OpenCC("t2s")


def spoken_chinese(text: str) -> str:
    """Return text as it is read: simplified, half-width forms, numbers and acronyms in full.

    Letters of an acronym become words of their own, 〇 becomes 零. Marks are kept.

    Raises:
        MissingDependencyError: see :func:`simplified`.

    Example:
        >>> spoken_chinese("ＤＮＡ有２條鏈")
        'D N A 有两条链'
    """
    text = simplified(unicodedata.normalize("NFKC", text)).translate(_ZEROS)
    text = _ACRONYM.sub(lambda match: f" {' '.join(match[0])} ", text)
    return " ".join(read_numbers(text).split())

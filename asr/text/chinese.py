"""Chinese text: one script, one width, numbers as they are read, characters apart or together."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from asr.errors import require
from asr.text.chinese_numbers import read_numbers

__all__ = ["is_ideograph", "join_words", "simplified", "spoken_chinese"]

_ACRONYM = re.compile(r"(?<![A-Za-z])[A-Z]{2,5}(?![A-Za-z])")
_ZEROS = str.maketrans("〇○", "零零")


def is_ideograph(char: str) -> bool:
    """Return whether a character is Chinese (a unified or compatibility ideograph, or 〇)."""
    point = ord(char)
    return (
        0x4E00 <= point <= 0x9FFF  # unified ideographs
        or 0x3400 <= point <= 0x4DBF  # extension A
        or 0x20000 <= point <= 0x323AF  # extensions B to H
        or 0xF900 <= point <= 0xFAFF  # compatibility
        or point == 0x3007  # the zero
    )


def join_words(words: Iterable[str]) -> str:
    """Return words as a text: one space between them, none between two Chinese characters.

    Example:
        >>> join_words(["你", "好", "hello", "world"])
        '你好 hello world'
    """
    text = ""
    for word in words:
        apart = text and word and not (is_ideograph(text[-1]) and is_ideograph(word[0]))
        text += f" {word}" if apart else word
    return text


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

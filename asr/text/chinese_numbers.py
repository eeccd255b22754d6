"""Chinese numbers: digits -> the characters that are read, and back."""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["DIGITS", "find_numbers", "read_cardinal", "read_digits", "read_numbers"]

DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
_MAX_DIGITS = 16  # longer numbers are read digit by digit
_SERIAL = 8  # as many digits without separators are a telephone number, not an amount
# Characters before which 2 is read 两: measure words, and units that are counted like them.
_COUNTED = "个只条张位名件本次天年间点座所家辆台棵支颗块片层套双对种份周岁分公千万亿"


def read_digits(digits: str) -> str:
    """Return digits read one by one.

    Example:
        >>> read_digits("2008")
        '二零零八'
    """
    return "".join(DIGITS[int(digit)] for digit in digits)


def read_cardinal(number: int) -> str:
    """Return a whole number, 0 or more, as it is read.

    Example:
        >>> read_cardinal(10), read_cardinal(105), read_cardinal(20_300)
        ('十', '一百零五', '两万零三百')
    """
    if number >= 10**_MAX_DIGITS:
        return read_digits(str(number))
    read = _read_large(number) or DIGITS[0]
    return read.removeprefix("一") if read.startswith("一十") else read


def _read_large(number: int) -> str:
    """Return 0 to 10^16 - 1 as it is read within another number; nothing for 0."""
    for unit, size in (("亿", 10**8), ("万", 10**4)):
        if number >= size:
            high, low = divmod(number, size)
            head = "两" if high == 2 else _read_large(high)
            gap = "零" if 0 < low < size // 10 else ""
            return head + unit + gap + _read_large(low)
    return _read_group(number)


def _read_group(number: int) -> str:
    """Return 0 to 9999 as it is read; nothing for 0."""
    read = ""
    for place in range(3, -1, -1):
        digit = number // 10**place % 10
        if digit:
            read += ("两" if digit == 2 and place == 3 else DIGITS[digit]) + _PLACES[place]
        elif read and not read.endswith("零"):
            read += "零"
    return read.rstrip("零")


def read_numbers(text: str) -> str:
    """Return ``text`` with its numbers as they are read; its digits are those of ASCII.

    Years are read digit by digit, and so are numbers that begin with 0 or have eight digits and
    more. Dates, times, percentages, fractions, decimals, ranges and minus signs are read in full.

    Example:
        >>> read_numbers("2008年8月8日，3.5%的2个人，房间号码是0755")
        '二零零八年八月八日，百分之三点五的两个人，房间号码是零七五五'
    """
    if any(char.isdecimal() for char in text):
        for pattern, read in _RULES:
            text = pattern.sub(read, text)
    return text


def _read_date(match: re.Match[str]) -> str:
    year, month, day = match[1], int(match[3]), int(match[4])
    return f"{read_digits(year)}年{read_cardinal(month)}月{read_cardinal(day)}日"


def _read_time(match: re.Match[str]) -> str:
    hour, minute, second = int(match[1]), int(match[2]), match[3]
    read = f"{'两' if hour == 2 else read_cardinal(hour)}点"
    if minute or second:
        read += f"{'零' if 0 < minute < 10 else ''}{read_cardinal(minute)}分"
    return f"{read}{read_cardinal(int(second))}秒" if second else read


def _read_share(match: re.Match[str]) -> str:
    return f"{'百' if match[2] == '%' else '千'}分之{_read_amount(match[1])}"


def _read_fraction(match: re.Match[str]) -> str:
    return f"{read_cardinal(int(match[2]))}分之{read_cardinal(int(match[1]))}"


def _read_number(match: re.Match[str]) -> str:
    counted = match.string[match.end() : match.end() + 1]
    two = match[0] == "2" and counted and counted in _COUNTED
    return "两" if two else _read_amount(match[0])


def _read_amount(number: str) -> str:
    whole, _, decimals = number.replace(",", "").partition(".")
    one_by_one = whole.startswith("0") or ("," not in number and len(whole) >= _SERIAL)
    read = read_digits(whole) if one_by_one else read_cardinal(int(whole))
    return f"{read}点{read_digits(decimals)}" if decimals else read


_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern, re.ASCII), read)
    for pattern, read in (
        (r"(?<![\d./-])(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?![\d./-])", _read_date),
        (r"(?<![\d:])(\d{1,2}):([0-5]\d)(?::([0-5]\d))?(?![\d:])", _read_time),
        (r"(?<!\d)\d{4}(?=\s*年)", lambda match: read_digits(match[0])),
        (r"(?<=\d)\s*[-~]\s*(?=\d)", lambda _: "到"),
        (r"[-−](?=\d)", lambda _: "负"),
        (rf"({_NUMBER})\s*([%‰])", _read_share),
        (r"(?<![\d/.])(\d+)/([1-9]\d*)(?![\d/.])", _read_fraction),
        (_NUMBER, _read_number),
    )
)


# --------------------------------------------------------------------------------------------------
# back to digits

_VALUES = {"两": 2, "〇": 0} | {digit: value for value, digit in enumerate(DIGITS)}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10**4, "亿": 10**8}
_DIGIT, _CARDINAL = f"[{DIGITS}〇]", f"[{DIGITS}两十百千万亿]"
# A year or a serial number; a share; a cardinal, which may have decimals.
_SPOKEN = re.compile(
    rf"(?P<serial>{_DIGIT}{{3,}}(?!{_CARDINAL})|{_DIGIT}{{2}}(?=年))"
    rf"|百分之(?P<share>{_CARDINAL}+)(?:点(?P<part>{_DIGIT}+))?"
    rf"|(?P<cardinal>{_CARDINAL}+)(?:点(?P<decimals>{_DIGIT}+))?"
)


def find_numbers(text: str, small: int = 10) -> list[tuple[int, int, str]]:
    """Return the numbers in a text that people write in digits: where each begins and ends, and its
    digits.

    Whole numbers below ``small`` stay as they are, and so do single characters, which are mostly
    parts of words (一起, 十分, 万一).

    Example:
        >>> find_numbers("二零零八年有三百万人，增长百分之三点五")
        [(0, 4, '2008'), (6, 9, '300万'), (13, 19, '3.5%')]
    """
    found = []
    for match in _SPOKEN.finditer(text):
        written = _written(match, small)
        if written and match.end() - match.start() > 1:
            found.append((match.start(), match.end(), written))
    return found


def _written(match: re.Match[str], small: int) -> str:
    """Return the digits of a match; nothing where it stays as it is."""
    if match["serial"]:
        return _plain_digits(match["serial"])
    whole, decimals = match["share"] or match["cardinal"], match["part"] or match["decimals"]
    value = _value(whole)
    if value is None:
        return ""
    if decimals:
        written = f"{value}.{_plain_digits(decimals)}"
    elif value < small and not match["share"]:
        return ""
    else:
        written = _rounded(value)
    return f"{written}%" if match["share"] else written


def _plain_digits(digits: str) -> str:
    return "".join(str(_VALUES[digit]) for digit in digits)


def _rounded(value: int) -> str:
    """Return a number as people write it: with 万 or 亿 where only zeros would follow."""
    for unit, size in reversed(_LARGE.items()):
        if value and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)


def _value(cardinal: str) -> int | None:
    """Return the value of a cardinal; None where it is not one, such as 三四 (three or four)."""
    for unit, size in reversed(_LARGE.items()):
        head, found, tail = cardinal.rpartition(unit)
        if found:
            high, low = _value(head) if head else None, _tail_value(tail, size)
            if high is None or not high or low is None or low >= size:
                return None
            return high * size + low
    return _group_value(cardinal)


def _tail_value(tail: str, size: int) -> int | None:
    """Return what follows 万 or 亿; a single digit counts the next unit below (一万二)."""
    if not tail:
        return 0
    if len(tail) == 1 and tail in _VALUES:
        return _VALUES[tail] * size // 10
    return _value(tail.lstrip("零"))


def _group_value(cardinal: str) -> int | None:
    """Return a number below 10,000, read with its units."""
    total, digit, last, gap = 0, None, 10**4, False
    for char in cardinal:
        if unit := _UNITS.get(char):
            if unit >= last or (digit is None and (unit > 10 or (total and not gap))):
                return None
            total, digit, last, gap = (
                total + (1 if digit is None else digit) * unit,
                None,
                unit,
                False,
            )
        elif char == "零" and digit is None and total:
            gap = True
        elif digit is None:
            digit = _VALUES[char]
        else:
            return None
    if digit is None:
        return total
    short = 100 <= last < 10**4 and not gap  # 一百二 is 120
    return total + digit * (last // 10 if short else 1)
